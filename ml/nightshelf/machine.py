"""What the machine did to a night, in words: whichever library met a full disk, a right that is lacking,
or too little memory."""

from __future__ import annotations

import errno
from collections.abc import Iterable

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
        text = str(seen)
        if getattr(seen, "errno", None) == errno.ENOSPC or any(f in text for f in _FULL):
            return StorageError(f"No space left on the disk: {_first(text)}", _FREE)
        if getattr(seen, "errno", None) == errno.EFBIG or "File too large" in text:
            return StorageError(f"A file may not grow further: {_first(text)}", _LIMIT)
        # SQLite has one word for all that befalls its disk.
        if getattr(seen, "errno", None) == errno.EIO or any(f in text for f in _BROKEN):
            return StorageError(f"The disk failed: {_first(text)}", _DISK)
        if "Conflicting lock is held" in text:
            return WarehouseLocked(f"Another process is writing: {_first(text)}", _WAIT)
        if isinstance(seen, NotADirectoryError):
            return StorageError(f"Not a folder: {_first(text)}", _PERMIT)
        if isinstance(seen, PermissionError) or "Permission denied" in text:
            return StorageError(f"No permission: {_first(text)}", _PERMIT)
        if getattr(seen, "errno", None) == errno.EROFS or "Read-only file system" in text:
            return StorageError(f"Read-only file system: {_first(text)}", _PERMIT)
        if any(f in text for f in _DAMAGED):
            return StorageError(f"A file of ours is damaged: {_line(text, _DAMAGED)}", _REMAKE)
        if _GONE in text:
            return StorageError(f"A file of ours is gone: {_line(text, [_GONE])}", _AGAIN)
        if isinstance(seen, MemoryError) or "Out of Memory" in text:
            return StorageError(f"Not enough memory: {_first(text)}", _MEMORY)
        if any(f in text for f in _ENGINE):
            return StorageError(f"DuckDB itself failed: {_line(text, _ENGINE)}", _ONCE_MORE)
        seen = seen.__cause__ or seen.__context__
    return None


_FULL = ("No space left on device", "database or disk is full")
_BROKEN = ("Input/output error", "disk I/O error")
_DAMAGED = (
    "not a valid DuckDB database file",
    "Corrupt database file",
    "WAL does not match database file",
    '.duckdb": attempted to read',
)
"""DuckDB's words for its own files; the last for one that ends too early."""
_ENGINE = (
    "database has been invalidated because of a previous fatal error",
    "INTERNAL Error",
    "FATAL Error",
)
"""A fault of the engine's own, not of the data or the SQL: with threads, it need not come again."""
_GONE = "in read-only mode: database does not exist"
_LIMIT = "Lift the limit on the size of files (ulimit -f, a quota), then rerun; yesterday's shelves stand."
_FREE = "Free space there (old folders in attempts/ may go), then rerun; yesterday's shelves stand."
_DISK = "Check the disk (dmesg, SMART), then rerun; yesterday's shelves stand."
_PERMIT = "Let this user write there, or choose another --home, then rerun."
_WAIT = "Let that process finish, or end it, then rerun this step."
_REMAKE = (
    "If it is warehouse.duckdb, move it and its .wal away: `nightshelf features` makes it anew from the raw"
    " Parquet. If it is an attempt's night.duckdb, begin another: `nightshelf open`, or the whole"
    " `nightshelf night`."
)
_AGAIN = "Begin another attempt: `nightshelf open`, or the whole `nightshelf night`."
_ONCE_MORE = (
    "Run this step again, as the scheduler does by itself: most such faults do not come twice. If this one does,"
    " set NIGHTSHELF_THREADS=1 for it, and report it with the SQL that met it."
)
_MEMORY = (
    "Set NIGHTSHELF_MEMORY lower where the machine ran out (DuckDB then spills to disk), higher where"
    " DuckDB did; or give the machine more."
)


def _first(text: str) -> str:
    return text.splitlines()[0][:300] if text else "no details"


def _line(text: str, words: Iterable[str]) -> str:
    """The one that tells: dbt says first how many models failed."""
    return _first(next(line.strip() for line in text.splitlines() if any(w in line for w in words)))
