"""The ledger: one row per landing file taken, and one per Parquet part it went into.

SQLite, because a commit there is one fsynced transaction and readers never block. A part that the
ledger does not name does not exist: whatever a killed ingest left behind is swept by the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from nightshelf.errors import StorageError

SCHEMA = """
create table if not exists files (
    file_id text primary key,       -- of a name, its content and how the source reads it
    source text not null, kind text not null, name text not null, sha256 text not null,
    size integer not null, rows_read integer not null, accepted integer not null,
    quarantined integer not null, chunk text not null,
    replaced_by text,               -- the file of the same name that restated this one
    check (rows_read = accepted + quarantined)
);
create table if not exists parts (
    path text primary key,          -- relative to raw/
    kind text not null, occurred_on text, chunk text not null, rows integer not null
);
"""


@dataclass(frozen=True)
class LedgerFile:
    """One landing file as taken. `rows_read = accepted + quarantined`, which SQLite checks too."""

    file_id: str
    source: str
    kind: str
    name: str
    sha256: str
    size: int
    rows_read: int
    accepted: int
    quarantined: int
    chunk: str
    replaced_by: str | None = None


@dataclass(frozen=True)
class Part:
    """One Parquet file below raw/; `occurred_on` is the UTC day of its events, None for items."""

    path: str
    kind: str
    occurred_on: str | None
    chunk: str
    rows: int


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as db:
            db.executescript(SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30)
        try:
            db.execute("pragma synchronous = full")
            with db:
                yield db
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError):
                raise
            raise StorageError(
                f"The ledger {self.path} is damaged: {error}.",
                "Restore it, or move it away: what lies in landing/ is then taken again.",
            ) from None
        finally:
            db.close()

    def commit(self, files: Sequence[LedgerFile], parts: Sequence[Part]) -> None:
        """Takes files and parts in, and marks what they restate, in one transaction."""
        with self._connect() as db:
            for file in files:
                _replace_by(db, file)
            _insert(db, "files", files)
            _insert(db, "parts", parts)

    def reinstate(self, files: Sequence[LedgerFile]) -> list[LedgerFile]:
        """Contents that were restated and have come back: their rows are still on the disk."""
        with self._connect() as db:
            for file in files:
                _replace_by(db, file)
                db.execute("update files set replaced_by = null where file_id = ?", (file.file_id,))
        return [replace(f, replaced_by=None) for f in files]

    def files(self, current: bool = True) -> list[LedgerFile]:
        where = " where replaced_by is null" if current else ""
        with self._connect() as db:
            return [
                LedgerFile(*r)
                for r in db.execute(
                    _select(LedgerFile, "files") + where + " order by source, name, file_id"
                )
            ]  # noqa: E501

    def parts(self) -> list[Part]:
        with self._connect() as db:
            return [Part(*r) for r in db.execute(_select(Part, "parts") + " order by path")]

    def replaced_ids(self) -> set[str]:
        with self._connect() as db:
            return {
                r[0] for r in db.execute("select file_id from files where replaced_by is not null")
            }


def _replace_by(db: sqlite3.Connection, file: LedgerFile) -> None:
    db.execute(
        "update files set replaced_by = ? where source = ? and name = ? and replaced_by is null",
        (file.file_id, file.source, file.name),
    )


def _select(kind: type, table: str) -> str:
    return f"select {', '.join(f.name for f in fields(kind))} from {table}"


def _insert(
    db: sqlite3.Connection, table: str, rows: Sequence[LedgerFile] | Sequence[Part]
) -> None:
    if rows:
        marks = ", ".join("?" * len(fields(rows[0])))
        db.executemany(f"insert into {table} values ({marks})", map(astuple, rows))
