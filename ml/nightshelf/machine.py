"""What the machine did to a night, in words: whichever library met a full disk, a right that is lacking,
too little memory, or a fault of DuckDB's own."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from nightshelf.errors import (
    DoorBroken,
    NightshelfError,
    StorageError,
    TransformError,
    WarehouseLocked,
)

TELLS = (DoorBroken, TransformError)
"""dbt and the doors tell of a full disk in words of their own."""


def in_words(error: BaseException) -> NightshelfError | None:
    """The error as one that has an exit code and a next step; None where nobody foresaw it."""
    ours = isinstance(error, NightshelfError)
    if ours and not isinstance(error, TELLS):
        return error
    return _of_the_machine(error) or (error if ours else None)


def _of_the_machine(error: BaseException) -> NightshelfError | None:
    seen: BaseException | None = error
    while seen is not None:
        for fault in FAULTS:
            if fault.is_met_in(seen):
                return fault.kind(f"{fault.told}: {fault.line_of(str(seen))}", fault.next_step)
        seen = seen.__cause__ or seen.__context__
    return None


@dataclass(frozen=True)
class Fault:
    """What an error is known by: its number, its class, or words of the library that met it."""

    told: str
    next_step: str
    words: tuple[str, ...] = ()
    number: int | None = None
    met_as: tuple[type[BaseException], ...] = ()
    kind: type[NightshelfError] = StorageError

    def is_met_in(self, error: BaseException) -> bool:
        if self.number is not None and getattr(error, "errno", None) == self.number:
            return True
        return isinstance(error, self.met_as) or any(word in str(error) for word in self.words)

    def line_of(self, text: str) -> str:
        """The line that tells; dbt says first how many models failed."""
        lines = [line.strip() for line in text.splitlines()] or ["no details"]
        telling = (line for line in lines if any(word in line for word in self.words))
        return next(telling, lines[0])[:300]


_PERMIT = "Let this user write there, or choose another --home, then rerun."

FAULTS = (
    Fault(
        "No space left on the disk",
        "Free space there (old folders in attempts/ may go), then rerun; yesterday's shelves stand.",
        ("No space left on device", "database or disk is full"),
        errno.ENOSPC,
    ),
    Fault(
        "A file may not grow further",
        "Lift the limit on the size of files (ulimit -f, a quota), then rerun; yesterday's shelves stand.",
        ("File too large",),
        errno.EFBIG,
    ),
    Fault(
        "The disk failed",
        "Check the disk (dmesg, SMART), then rerun; yesterday's shelves stand.",
        # SQLite has one word for all that befalls its disk.
        ("Input/output error", "disk I/O error"),
        errno.EIO,
    ),
    Fault(
        "Another process is writing",
        "Let that process finish, or end it, then rerun this step.",
        ("Conflicting lock is held",),
        kind=WarehouseLocked,
    ),
    Fault("Not a folder", _PERMIT, met_as=(NotADirectoryError,)),
    Fault("No permission", _PERMIT, ("Permission denied",), met_as=(PermissionError,)),
    Fault("Read-only file system", _PERMIT, ("Read-only file system",), errno.EROFS),
    Fault(
        "A file of ours is damaged",
        "If it is warehouse.duckdb, move it and its .wal away: `nightshelf features` makes it anew from the raw"
        " Parquet. If it is an attempt's night.duckdb, begin another: `nightshelf open`, or the whole"
        " `nightshelf night`.",
        # DuckDB's words for its own files; the last for one that ends too early.
        (
            "not a valid DuckDB database file",
            "Corrupt database file",
            "WAL does not match database file",
            '.duckdb": attempted to read',
        ),
    ),
    Fault(
        "A file of ours is gone",
        "Begin another attempt: `nightshelf open`, or the whole `nightshelf night`.",
        ("in read-only mode: database does not exist",),
    ),
    Fault(
        "Not enough memory",
        "Set NIGHTSHELF_MEMORY lower where the machine ran out (DuckDB then spills to disk), higher where"
        " DuckDB did; or give the machine more.",
        ("Out of Memory",),
        met_as=(MemoryError,),
    ),
    Fault(
        "DuckDB itself failed",
        # Not the data and not the SQL: with threads, such a fault need not come again.
        "Run this step again, as the scheduler does by itself: most such faults do not come twice. If this one"
        " does, set NIGHTSHELF_THREADS=1 for it, and report it with the SQL that met it.",
        (
            "database has been invalidated because of a previous fatal error",
            "INTERNAL Error",
            "FATAL Error",
        ),
    ),
)
"""The first that fits is told: what the machine lacks before what came of it."""
