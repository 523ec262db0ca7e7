"""Every error a night can end with. Each has an exit code of its own, so that a scheduler can tell
them apart, and carries the next step, so that a person need not look for it.

NightshelfError            1   the family; never raised itself
├── SettingsError          2   the shop's TOML, a model's TOML or an argument is wrong
├── InputError             3   landing files cannot be taken, or do not reach the night
├── DoorClosed             4   the data broke an expectation: the night stops, yesterday's stands
├── DoorBroken             5   an expectation could not be evaluated: says nothing about the data
├── StaleAttempt           6   a newer attempt of this night has been published already
├── WarehouseLocked        7   another process is writing
├── StorageError           8   no permission, no space, a missing or damaged file of ours, or DuckDB itself failed
├── ModelError             9   a model cannot be fitted, loaded or trusted
├── TransformError        10   dbt failed
└── TableRefused          11   dbt's tests found rows that a table may not have
"""

from __future__ import annotations


class NightshelfError(Exception):
    """What happened, on which data, and what to do next.

    `what` names the file, row, column or night; `next_step` is one imperative sentence.
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str) -> None:
        self.what = what
        self.next_step = next_step
        super().__init__(f"{what}\n  Next: {next_step}")


class SettingsError(NightshelfError):
    """Raised when the shop's TOML, a model's TOML or an argument cannot be used."""

    exit_code = 2


class InputError(NightshelfError):
    """Raised when a landing file cannot be taken, the logs do not reach the night, or an impression log
    cannot be weighed."""

    exit_code = 3


class DoorClosed(NightshelfError):
    """Raised when data broke an expectation. Yesterday's shelves stand."""

    exit_code = 4


class DoorBroken(NightshelfError):
    """Raised when an expectation could not be evaluated. It says nothing about the data."""

    exit_code = 5


class StaleAttempt(NightshelfError):
    """Raised when an attempt tries to publish after a newer one did."""

    exit_code = 6


class WarehouseLocked(NightshelfError):
    """Raised when another process holds the warehouse, and for how long we waited."""

    exit_code = 7


class StorageError(NightshelfError):
    """Raised when our own files cannot be written, read back or trusted."""

    exit_code = 8


class ModelError(NightshelfError):
    """Raised when a model cannot be fitted, loaded or trusted."""

    exit_code = 9


class TransformError(NightshelfError):
    """Raised when dbt failed; names the model."""

    exit_code = 10


class TableRefused(NightshelfError):
    """Raised when dbt ran and its tests found rows that a table may not have. Its text shows values of
    theirs, so that nothing in it tells of the machine."""

    exit_code = 11
