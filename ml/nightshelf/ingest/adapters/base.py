"""What an adapter is: a sentence about rows, in SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nightshelf.columns import EVENTS, ITEMS


@dataclass(frozen=True)
class Adapter:
    """Contract column → SQL expression over the file's columns, every one of them VARCHAR.

    A contract column without an expression is null. Values stay text here: the contract casts
    them, so that one place decides what a bad value is.
    """

    kind: Literal["events", "items"]
    required: tuple[str, ...]
    """Columns that a file must have; a file without one is of another schema and is refused."""
    expressions: dict[str, str]
    optional: tuple[str, ...] = field(default=())
    """Columns that expressions may name though a file may lack them; then they are null."""
    time_unit: str = "text"

    @property
    def contract(self) -> dict[str, str]:
        return EVENTS if self.kind == "events" else ITEMS


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """An SQL string literal."""
    return "'" + value.replace("'", "''") + "'"
