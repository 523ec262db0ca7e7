"""The ledger: one row per landing file taken, its rows by day, and the Parquet parts they went into.

SQLite, because a commit there is one fsynced transaction and readers never block. A part that the
ledger does not name does not exist: whatever a killed ingest left behind is swept by the next one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from nightshelf.errors import StorageError
from nightshelf.paths import ShopHome

VERSION = 4
SCHEMA = f"""
begin immediate;
create table if not exists files (
    file_id text primary key,       -- of a name, its content and how the source reads it
    source text not null, adapter text not null, kind text not null, name text not null,
    sha256 text not null, size integer not null,
    records integer not null,       -- of the file: a CSV row, a JSON line, a Parquet row
    rows_read integer not null, accepted integer not null, quarantined integer not null,
    set_aside integer not null,     -- of the quarantined: no fault, of no use to shelves
    mapping text not null,          -- hash of how its refused rows were last read
    header text,                    -- `header_text`; null for JSON Lines
    chunk text not null,
    replaced_by text,               -- the file of the same name that restated this one, or '-'
                                    -- while the shop file does not name its source
    check (rows_read = accepted + quarantined and set_aside <= quarantined)
);
create table if not exists days (
    file_id text not null, occurred_on text not null, rows integer not null,
    primary key (file_id, occurred_on)
) without rowid;
create table if not exists parts (
    path text primary key,          -- relative to raw/
    kind text not null, occurred_on text, chunk text not null, rows integer not null,
    size integer, sha256 text       -- of the Parquet file; null until the next ingest where version 3
                                    -- wrote it
);
create index if not exists files_by_name on files (source, name);
create index if not exists parts_by_chunk on parts (chunk);
pragma user_version = {VERSION};
commit;
"""
"""In one transaction: an ingest that is killed in it leaves no ledger by halves."""

RESTORE = (
    "Restore it from a backup, or move the shop's folder away: what still lies in landing/ is then"
    " taken again, and nothing else."
)

NO_SOURCE = "-"


@dataclass(frozen=True)
class LedgerFile:
    """One landing file as taken. `rows_read = accepted + quarantined`, which SQLite checks too.

    A record that holds a list of items is as many rows as the list is long, so `rows_read` may be
    above `records`.
    """

    file_id: str
    source: str
    adapter: str
    kind: str
    name: str
    sha256: str
    size: int
    records: int
    rows_read: int
    accepted: int
    quarantined: int
    set_aside: int
    mapping: str
    header: str | None
    chunk: str
    replaced_by: str | None = None


@dataclass(frozen=True)
class Part:
    """One Parquet file below raw/; `occurred_on` is the UTC day of its events, None for others."""

    path: str
    kind: str
    occurred_on: str | None
    chunk: str
    rows: int
    size: int | None = None
    """Bytes. None, as the sha256, of a part that was not sealed yet."""
    sha256: str | None = None


def header_text(columns: Sequence[str], delimiter: str) -> str:
    """The column names as JSON, and what parts them where that is no comma."""
    told = {"delimiter": delimiter, "columns": list(columns)} if delimiter != "," else list(columns)
    return json.dumps(told, ensure_ascii=False)


def header_of(text: str | None) -> tuple[list[str], str]:
    """(column names, delimiter) of a `header_text`; no names for JSON Lines."""
    told = json.loads(text or "[]")
    return (told["columns"], told["delimiter"]) if isinstance(told, dict) else (told, ",")


Days = Mapping[str, Mapping[str, int]]
"""File id → UTC day → accepted events."""


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as db:
            begun = db.execute("select count(*) from sqlite_master").fetchone()[0]
            if begun:
                _upgrade(db)
                self._refuse_another_version(db)
            else:
                self._refuse_lost()
            db.executescript(SCHEMA)

    def _refuse_another_version(self, db: sqlite3.Connection) -> None:
        found = db.execute("pragma user_version").fetchone()[0]
        if found != VERSION:
            raise StorageError(
                f"The ledger {self.path} is of version {found}; this Nightshelf writes {VERSION}.",
                "Move the shop's folder away: what lies in landing/ is then taken again.",
            )

    def _refuse_lost(self) -> None:
        """A ledger is begun before the first row is written: rows without one have lost theirs. A new one
        names none of them, and the next ingest would sweep them away."""
        shop = ShopHome(self.path.parent)
        if any(shop.raw.glob("*/*")) or any(shop.quarantine.glob("*.parquet")):
            raise StorageError(
                f"The ledger {self.path} is gone or empty, though rows were taken: they lie in"
                f" {shop.raw} and {shop.quarantine}.",
                RESTORE,
            )

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self.path, timeout=30)
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"The ledger {self.path} cannot be opened: {error}.",
                "Let this user write there; a folder of that name is to be moved away.",
            ) from None
        try:
            db.execute("pragma synchronous = full")
            with db:
                yield db
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError):
                raise
            raise StorageError(
                f"The ledger {self.path} is damaged: {error}.",
                RESTORE,
            ) from None
        finally:
            db.close()

    def commit(self, files: Sequence[LedgerFile], days: Days, parts: Sequence[Part]) -> None:
        """Takes files and parts in, and marks what they restate, in one transaction."""
        with self._connect() as db:
            for file in files:
                _replace_by(db, file)
            _insert(db, "files", files)
            _insert(db, "parts", parts)
            rows = [(f, day, n) for f, by_day in days.items() for day, n in by_day.items()]
            db.executemany("insert into days values (?, ?, ?)", rows)

    def reinstate(self, files: Sequence[LedgerFile]) -> list[LedgerFile]:
        """Contents that were restated and have come back: their rows are still on the disk."""
        with self._connect() as db:
            for file in files:
                _replace_by(db, file)
                db.execute("update files set replaced_by = null where file_id = ?", (file.file_id,))
        return [replace(f, replaced_by=None) for f in files]

    def keep_sources(self, names: Sequence[str]) -> dict[str, int]:
        """Files of sources that the shop file does not name are no night's; named again, they are.

        Returns source → files that were left out just now.
        """
        marks = ", ".join("?" * len(names))
        with self._connect() as db:
            db.execute(
                "update files set replaced_by = null"
                f" where replaced_by = '{NO_SOURCE}' and source in ({marks})",
                names,
            )
            dropped = dict(
                db.execute(
                    "select source, count(*) from files where replaced_by is null"
                    f" and source not in ({marks}) group by source order by source",
                    names,
                ).fetchall()
            )
            db.execute(
                f"update files set replaced_by = '{NO_SOURCE}'"
                f" where replaced_by is null and source not in ({marks})",
                names,
            )
        return dropped

    def seal(self, parts: Sequence[Part]) -> None:
        with self._connect() as db:
            db.executemany(
                "update parts set size = ?, sha256 = ? where path = ?",
                [(p.size, p.sha256, p.path) for p in parts],
            )

    def forget(self, chunk: str) -> None:
        """As if the chunk's files had never been taken: the next look at landing takes them."""
        with self._connect() as db:
            db.execute(
                "delete from days where file_id in (select file_id from files where chunk = ?)",
                [chunk],
            )
            for table in ("files", "parts"):
                db.execute(f"delete from {table} where chunk = ?", [chunk])

    def lost_chunks(self) -> list[str]:
        """Chunks whose parts do not hold what was accepted: the ledger itself was tampered with."""
        with self._connect() as db:
            return [
                r[0]
                for r in db.execute("""
                    select chunk from files group by chunk
                    having sum(accepted) <> coalesce(
                        (select sum(rows) from parts where parts.chunk = files.chunk), 0)
                    order by chunk""")
            ]

    def files(self, current: bool = True) -> list[LedgerFile]:
        where = " where replaced_by is null" if current else ""
        order = " order by source, name, rowid"
        with self._connect() as db:
            return [
                LedgerFile(*r) for r in db.execute(_select(LedgerFile, "files") + where + order)
            ]

    def parts(self, current: bool = True) -> list[Part]:
        """Parts that hold rows of a current file, or all."""
        where = """ where chunk in (select chunk from files where replaced_by is null)
            and (occurred_on is null or (chunk, occurred_on) in (
                select chunk, occurred_on from days join files using (file_id)
                where replaced_by is null))"""
        with self._connect() as db:
            sql = _select(Part, "parts") + (where if current else "") + " order by path"
            return [Part(*r) for r in db.execute(sql)]

    def days(self) -> dict[str, dict[str, int]]:
        """UTC day → current file with events on it, by id → its events of the day."""
        found: dict[str, dict[str, int]] = {}
        with self._connect() as db:
            for day, file_id, rows in db.execute("""
                select occurred_on, file_id, rows from days join files using (file_id)
                where replaced_by is null order by occurred_on, file_id"""):
                found.setdefault(day, {})[file_id] = rows
        return found

    def days_of(self, file_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """File id → UTC day → accepted events, also of files that were replaced."""
        found: dict[str, dict[str, int]] = {}
        with self._connect() as db:
            for file_id in file_ids:
                found[file_id] = dict(
                    db.execute("select occurred_on, rows from days where file_id = ?", [file_id])
                )
        return found

    def replaced_ids(self) -> set[str]:
        """Files whose rows no night may see, among the parts that a night reads."""
        with self._connect() as db:
            return {
                r[0]
                for r in db.execute("""
                    select file_id from files where replaced_by is not null
                        and chunk in (select chunk from files where replaced_by is null)""")
            }


def _upgrade(db: sqlite3.Connection) -> None:
    """Version 3 knew no part's size and sha256. In one transaction, so that of two only one does it."""
    db.execute("begin immediate")
    if db.execute("pragma user_version").fetchone()[0] == 3:
        db.execute("alter table parts add column size integer")
        db.execute("alter table parts add column sha256 text")
        db.execute(f"pragma user_version = {VERSION}")
    db.commit()


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
