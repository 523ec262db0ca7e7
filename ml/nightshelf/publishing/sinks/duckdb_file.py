"""The night that readers see, as one DuckDB file: written beside, then put in place by one rename.

Who has the old file open goes on reading the old night, whole.
"""

from __future__ import annotations

import glob
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock

from nightshelf.errors import StorageError
from nightshelf.locks import held
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight
from nightshelf.publishing.sinks.shown import POINTER, Shown, is_behind, shown_as
from nightshelf.publishing.sinks.tables import asked_by, files, key
from nightshelf.settings.shop import DuckDBFile
from nightshelf.sql_text import literal
from nightshelf.storage import sync_directory, sync_file
from nightshelf.warehouse import in_memory

LOCK_SECONDS = 120
ELSEWHERE = "Name another path in [sink.duckdb], or move that file away."


def deliver(shop: ShopHome, sink: DuckDBFile, path: Path, night: PublishedNight) -> str:
    """Brings the file to that night; says in words what was done. Raises StorageError, and
    WarehouseLocked where another process writes the file."""
    wanted = shown_as(night)
    parquet = files(night, sink.tables)
    with _alone(path):
        for left in path.parent.glob(f"{glob.escape(_beside(path).name)}*"):
            left.unlink()
        now, there = _shown(shop, path)
        if now == wanted and there == {*parquet, POINTER}:
            return f"had night {night.name} already"
        if not is_behind(shop, now, wanted):
            return f"goes on showing night {now.name if now else 'none'}"
        rows = _write(shop, _beside(path), wanted, parquet)
        _put_in_place(path)
    return f"night {night.name}, {len(parquet)} tables, {rows:,} rows, in {path}"


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.incoming")


def _alone(path: Path) -> AbstractContextManager[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return held(
        FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS),
        lambda: f"Another process has been writing {path} for {LOCK_SECONDS} s.",
        "Let it finish, or end it.",
    )


def _shown(shop: ShopHome, path: Path) -> tuple[Shown | None, set[str]]:
    """The night that the file shows, and its tables. Raises StorageError where the file is a stranger's:
    it is never replaced."""
    if not path.exists():
        return None, set()
    if path.with_name(f"{path.name}.wal").exists():
        raise StorageError(
            f"{path} is being written by somebody: it has a .wal beside it.", ELSEWHERE
        )
    try:
        with in_memory(shop) as db:
            db.execute(f"attach {literal(path)} as sink (read_only)")
            tables = db.execute(
                "select table_name from duckdb_tables() where database_name = 'sink'"
            ).fetchall()
            row = db.execute(
                f"select night, attempt, manifest_sha256 from sink.{POINTER}"
            ).fetchone()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise StorageError(f"{path} is no file of this sink: {first}", ELSEWHERE) from None
    return (Shown(*row) if row else None), {name for (name,) in tables}


def _write(shop: ShopHome, path: Path, wanted: Shown, parquet: dict[str, Path]) -> int:
    """Every table with its key, and the row that says which night it is; returns the rows of all."""
    with in_memory(shop) as db:
        db.execute(f"attach {literal(path)} as sink")
        db.execute("use sink")
        rows = sum(_load(db, table, file) for table, file in parquet.items())
        db.execute(
            f"create table {POINTER} as select $night::date as night, $attempt::integer as attempt,"
            " $sha256::varchar as manifest_sha256, $now::timestamptz as loaded_at",
            {
                "night": wanted.night,
                "attempt": wanted.attempt,
                "sha256": wanted.manifest_sha256,
                "now": datetime.now(UTC),
            },
        )
        db.execute("checkpoint sink")
        db.execute("use memory")
        db.execute("detach sink")
    return rows


def _load(db: duckdb.DuckDBPyConnection, table: str, file: Path) -> int:
    db.execute(f"create table {table} as select * from read_parquet({literal(file)})")
    if key(table):
        db.execute(f"alter table {table} add primary key ({', '.join(key(table))})")
        # DuckDB asks an index only by all of its columns: the key's does not find a context.
        db.execute(f"create index {table}_by_{asked_by(table)} on {table} ({asked_by(table)})")
    return db.execute(f"select count(*) from {table}").fetchall()[0][0]


def _put_in_place(path: Path) -> None:
    beside = _beside(path)
    if beside.with_name(f"{beside.name}.wal").exists():
        raise StorageError(f"{beside} was not written to its end.", "Check the disk.")
    sync_file(beside)
    beside.replace(path)
    sync_directory(path.parent)
