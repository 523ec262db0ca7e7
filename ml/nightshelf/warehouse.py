"""The one door to DuckDB in Python: short connections, one writer, clear words when it is held."""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn

import duckdb
from filelock import FileLock

from nightshelf.errors import SettingsError, WarehouseLocked
from nightshelf.locks import held
from nightshelf.paths import Attempt, ShopHome
from nightshelf.storage import sync_directory, sync_file

OPENING = threading.Lock()
"""Threads that open one file share DuckDB's instance of it: the second must not get it half set up."""
MEMORY = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B|%)", re.IGNORECASE)


def memory_limit() -> str:
    """NIGHTSHELF_MEMORY: beyond it DuckDB spills to the home; the models need the rest of a 4 GB night."""
    told = os.environ.get("NIGHTSHELF_MEMORY") or "3GB"
    return told if MEMORY.fullmatch(told) else _refused("NIGHTSHELF_MEMORY", told, "such as 3GB")


def lock_seconds() -> float:
    """NIGHTSHELF_LOCK_SECONDS: how long a night waits for another that is writing. A demo night takes a
    minute."""
    told = os.environ.get("NIGHTSHELF_LOCK_SECONDS") or "600"
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    return (
        seconds
        if 0 <= seconds < math.inf
        else _refused("NIGHTSHELF_LOCK_SECONDS", told, "0 or more")
    )


def cores() -> int:
    """Cores this process may use: NIGHTSHELF_THREADS, else all. Results do not depend on it."""
    told = os.environ.get("NIGHTSHELF_THREADS")
    if told:
        return (
            int(told)
            if told.isdecimal() and int(told)
            else _refused("NIGHTSHELF_THREADS", told, "1 or more")
        )
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refused(name: str, told: str, wanted: str) -> NoReturn:
    raise SettingsError(f"{name} is {told!r}.", f"Give {wanted}, or unset it.")


def _configure(db: duckdb.DuckDBPyConnection, spill: Path) -> None:
    db.execute("set TimeZone = 'UTC'")
    db.execute("set enable_progress_bar = false")
    db.execute(f"set threads = {cores()}")
    db.execute(f"set memory_limit = '{memory_limit()}'")
    # Connections to one file share it, and once something has spilled it cannot be set again, nor needs it.
    (told,) = db.execute("select current_setting('temp_directory')").fetchall()[0]
    if told != str(spill):
        db.execute("set temp_directory = ?", [str(spill)])


@contextmanager
def in_memory(home: ShopHome, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that spills into the shop's home."""
    with duckdb.connect() as db:
        _configure(db, home.root / "spill")
        if threads is not None:
            db.execute(f"set threads = {threads}")
        yield db


@contextmanager
def connect(database: Path, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an attempt's file. Raises WarehouseLocked, naming the holder, when it is held."""
    try:
        with OPENING:
            if not read_only and not database.exists():
                _make(database)
            db = duckdb.connect(str(database), read_only=read_only)
            _configure(db, database.parent / "spill")
    except duckdb.Error as error:
        if "Corrupt database file" in str(error):  # names a block, and no file
            raise duckdb.IOException(f"{database}: {error}") from None
        if "Could not set lock" not in str(error):
            raise
        raise WarehouseLocked(
            f"{database} is held by another process: {str(error).splitlines()[0]}",
            "Let that process finish, or end it, then rerun this step.",
        ) from None
    try:
        yield db
    finally:
        db.close()


def _make(database: Path) -> None:
    """An empty file has its name when it is whole: DuckDB opens none whose first writes were cut short.
    A log beside it is of a file that was moved away."""
    beside = database.with_name(f".{database.name}.incoming")
    beside.unlink(missing_ok=True)
    duckdb.connect(str(beside)).close()
    sync_file(beside)
    database.with_name(f"{database.name}.wal").unlink(missing_ok=True)
    beside.replace(database)
    sync_directory(database.parent)


def offer(
    attempt: Attempt, table: str, columns: Mapping[str, str], rows: Sequence[Sequence]
) -> None:
    """Makes raw.<table> anew in the attempt's file, for dbt."""
    with connect(attempt.database, read_only=False) as db:
        db.execute("create schema if not exists raw")
        lay(db, table, columns, rows)


def lay(
    db: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence],
) -> None:
    """Makes raw.<table> anew. Values are handed over, never pasted."""
    import pyarrow as pa

    told = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    db.execute(f"create or replace table raw.{table} ({told})")
    if rows:  # as one table: 5,000 rows one after another take twenty seconds
        values = map(list, zip(*rows, strict=True))
        db.register("given", pa.table(dict(zip(columns, values, strict=True))))
        db.execute(f"insert into raw.{table} by name from given")
        db.unregister("given")


def writer(home: ShopHome, who: str) -> AbstractContextManager[None]:
    """Held while anything of the shop's history is written."""
    return _held(home.root / "writer.lock", f"{home.root} is being written", who)


def alone(attempt: Attempt, step: str) -> AbstractContextManager[None]:
    """Held while a step works on an attempt. A step outlives an Airflow worker that dies, and the worker's
    successor begins it again: it waits until the first has ended."""
    return _held(attempt.root / "step.lock", f"{attempt.root} is being worked on", f"step {step}")


@contextmanager
def _held(lock: Path, what: str, who: str) -> Iterator[None]:
    """A lock that a holder who dies lets go of. Raises WarehouseLocked, naming the holder."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder, seconds = lock.with_suffix(".holder"), lock_seconds()
    with held(
        FileLock(lock, timeout=seconds),
        lambda: f"{what} by {_read(holder)}; waited {seconds:.0f} s.",
        "Let that process finish, or end it, then rerun this step.",
    ):
        holder.write_text(f"{who}, process {os.getpid()}")
        yield


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else "another process"
