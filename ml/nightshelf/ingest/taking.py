"""One chunk of landing files on its way to the disk: typed a slice at a time, written now and then.

What is in memory is a slice and some hundred thousand typed rows, however large the files are.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.columns import PROVENANCE
from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.careful import cut
from nightshelf.ingest.contract import SET_ASIDE
from nightshelf.ingest.damage import sealed
from nightshelf.ingest.ledger import Part
from nightshelf.ingest.raw_text import add_raw_text
from nightshelf.ingest.readers import Identified, Misfit, Slice, from_json
from nightshelf.paths import ShopHome
from nightshelf.sql_text import literal, quoted
from nightshelf.storage import sync_directory, sync_file

PARQUET = "format parquet, parquet_version v2, compression zstd, compression_level 1"
ROWS_AT_ONCE = 1_000_000
"""Typed rows in memory before they are written: some 300 MB. Fewer make more files a day."""
BYTES_AT_ONCE = 512 << 20
"""Bytes of text read before what was refused of it is written."""
THIN_ROWS = 10_000
"""Parts of fewer rows than this are merged: to open one costs as much as to read so many."""
COUNTED = ("records", "accepted", "quarantined", "set_aside")

SCHEMA = """
create or replace table misfits
    (file_id varchar, row_number bigint, element integer, line bigint, reason varchar, raw varchar);
create or replace table refused as select *, null::varchar as value from misfits;
create or replace table pending
    (file_id varchar, row_number bigint, element integer, reason varchar, value varchar);
"""


FLAT = "select *, 1::integer as element, true as is_object, null::varchar as line from slice"


@dataclass
class Written:
    """What a chunk left on the disk, and what it counted."""

    counts: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    """File id → of COUNTED."""
    days: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    """File id → UTC day → accepted events."""
    parts: list[Part] = field(default_factory=list)
    given: Counter = field(default_factory=Counter)
    """Contract column → rows of JSON records that give it a value."""


class Taking:
    """Takes slices of one format in; `finish` says what became of them."""

    def __init__(
        self, db: duckdb.DuckDBPyConnection, adapter: Adapter, sql: str, home: ShopHome, chunk: str
    ) -> None:
        self._db, self._adapter, self._sql, self._home, self.chunk = db, adapter, sql, home, chunk
        self._folder = home.raw / adapter.kind / chunk
        self._written = Written()
        self._flushes = self._rows = self._bytes = 0
        self._is_json = False
        self._begin()

    def _begin(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for left in self._home.quarantine.glob(f"{self.chunk}-*.parquet"):
            left.unlink()
        # Rows carry their numbers: what order they are kept in does not matter, and costs a core.
        self._db.execute("set preserve_insertion_order = false")
        self._db.execute(SCHEMA)
        columns = (
            self._adapter.contract
            | PROVENANCE
            | {"reason": "VARCHAR", "line": "VARCHAR", "value": "VARCHAR"}
        )
        named = ", ".join(f"{quoted(c)} {kind}" for c, kind in columns.items())
        self._db.execute(f"create or replace table typed ({named})")

    def add_all(self, slices: Generator[Slice, None, None], files: Sequence[Identified]) -> None:
        """Raises InputError for a JSON file that was cut in its last line."""
        with closing(slices):
            for piece in slices:
                self.add(piece)
                if self._rows >= ROWS_AT_ONCE or self._bytes >= BYTES_AT_ONCE:
                    self._flush(files)

    def add(self, piece: Slice) -> None:
        """Types a slice. JSON keeps the text of what is refused; other formats are looked at again
        when the file is through."""
        self._is_json = "line" in piece.rows.column_names
        self._db.register("slice", piece.rows)
        self._rows += self._type()
        self._bytes += piece.rows.nbytes
        self._db.unregister("slice")
        self._add_misfits(piece.misfits)

    def _type(self) -> int:
        """The number of rows. JSON is trusted first; most slices hold no line that is none."""
        if not self._is_json:
            return self._insert(FLAT)
        try:
            return self._insert(from_json(self._adapter, trusting=True))
        except duckdb.InvalidInputException:
            return self._insert(from_json(self._adapter))

    def _insert(self, source_rows: str) -> int:
        self._db.execute(f"create or replace temp view source_rows as {source_rows}")
        return self._db.execute(f"insert into typed by name {self._sql}").fetchall()[0][0]

    def carry_over(self, accepted: str, misfits: str) -> None:
        """SQL for rows that were typed before, and for misfits, both under their new file id."""
        self._flush()
        rows = self._db.execute(f"insert into typed by name {accepted}")
        self._rows += rows.fetchall()[0][0]
        self._db.execute(f"insert into misfits {misfits}")

    def find_raw_text(self, texts: str) -> None:
        """Raw text for refused rows that lack it: SQL for (row_number, line, raw)."""
        self._flush()
        self._db.execute(f"""
            insert into refused
            select p.file_id, p.row_number, p.element, texts.line, p.reason, texts.raw, p.value
            from pending as p join ({texts}) as texts using (row_number);
            truncate pending""")

    def finish(self, files: Sequence[Identified]) -> Written:
        """Finds the raw text of refused rows, writes the rest, seals the parts, and syncs all of it."""
        self._flush(files)
        pending = self._db.execute("select distinct file_id from pending").fetchall()
        for file, file_id in files:
            if (file_id,) in pending:
                records = self._written.counts[file_id]["records"]
                add_raw_text(self._db, file, file_id, records)
        self._flush()
        self._merge_thin_parts()
        self._written.parts = [sealed(self._home, part) for part in self._written.parts]
        self._sync()
        return self._written

    def _add_misfits(self, misfits: Sequence[Misfit]) -> None:
        if misfits:
            names = ("file_id", "row_number", "element", "line", "reason", "raw")
            columns = dict(zip(names, map(list, zip(*misfits, strict=True)), strict=True))
            self._db.register("found_misfits", pa.table(columns))
            self._db.execute("insert into misfits from found_misfits")
            self._db.unregister("found_misfits")

    def _refuse_cut(self, files: Sequence[Identified]) -> None:
        unended = {i: f for f, i in files if f.format == "jsonl" and not f.ends_with_newline}
        if not unended:
            return
        for file_id, row_number, is_object in self._db.execute("""
            select file_id, max(row_number), max_by(reason is distinct from 'not_json', row_number)
            from typed group by file_id""").fetchall():
            file = unended.get(file_id)
            if file and not is_object and row_number == file.lines + 1:
                raise cut(file, row_number, "its JSON is not whole, no line end")

    def _count(self) -> None:
        for file_id, *counts in self._db.execute(f"""
            select file_id, count(*) filter (element = 1), count(*) filter (reason is null),
                count(*) filter (reason is not null),
                count(*) filter (reason = {literal(SET_ASIDE)})
            from typed group by file_id""").fetchall():
            self._written.counts[file_id].update(dict(zip(COUNTED, counts, strict=True)))
        if self._is_json:
            columns = list(self._adapter.contract)
            counts = ", ".join(f"count({quoted(c)})" for c in columns)
            found = self._db.execute(f"select {counts} from typed").fetchall()[0]
            self._written.given.update(dict(zip(columns, found, strict=True)))
        if self._adapter.kind == "events":
            for file_id, day, n in self._db.execute("""
                select file_id, occurred_at::date::varchar, count(*) from typed
                where reason is null group by all""").fetchall():
                self._written.days[file_id][day] += n

    def _flush(self, files: Sequence[Identified] = ()) -> None:
        self._flushes += 1
        self._refuse_cut(files)
        self._count()
        self._write_accepted()
        self._part_refused()
        self._db.execute("truncate typed")
        self._rows = self._bytes = 0
        self._write_refused()

    def _part_refused(self) -> None:
        if self._is_json:
            self._db.execute("""
                insert into refused
                select file_id, row_number, element, row_number, reason, line, value from typed
                where reason is not null""")
        else:
            self._db.execute("""
                insert into pending select file_id, row_number, element, reason, value
                from typed where reason is not null""")

    def _write_accepted(self) -> None:
        """Events by UTC day, so that a night reads the days it needs; others in one part."""
        if not self._db.execute("select exists (from typed where reason is null)").fetchall()[0][0]:
            return
        rows = "select * exclude (reason, line, value) from typed where reason is null"
        if self._adapter.kind == "events":
            self._write_by_day(rows)
            return
        folder, kind = self._folder / str(self._flushes), self._adapter.kind
        folder.mkdir(parents=True)
        rows += " order by file_id, row_number, element"
        self._db.execute(f"copy ({rows}) to {_path(folder / f'{kind}.parquet')} ({PARQUET})")
        self._written.parts += self._named_in(folder)

    def _merge_thin_parts(self) -> None:
        """A file that holds a year out of order leaves a part of each day for each time that rows were
        written. Days are merged some at a time, as many rows as are in memory anyway."""
        parts = self._written.parts
        days: dict[str | None, list[Part]] = defaultdict(list)
        for part in parts:
            days[part.occurred_on].append(part)
        is_thin = sum(p.rows for p in parts) < THIN_ROWS * len(parts)
        if self._adapter.kind != "events" or len(days) == len(parts) or not is_thin:
            return
        written, some = range(1, self._flushes + 1), []
        self._written.parts = []
        for day in sorted(days):
            some += days[day]
            if sum(p.rows for p in some) >= ROWS_AT_ONCE:
                self._merge(some)
                some = []
        self._merge(some)
        for flush in written:
            shutil.rmtree(self._folder / str(flush), ignore_errors=True)

    def _merge(self, parts: Sequence[Part]) -> None:
        if not parts:
            return
        self._flushes += 1
        read = ", ".join(_path(self._home.raw / part.path) for part in parts)
        self._write_by_day(f"select * from read_parquet([{read}], hive_partitioning = false)")

    def _write_by_day(self, rows: str) -> None:
        folder = self._folder / str(self._flushes)
        folder.mkdir(parents=True, exist_ok=True)
        self._db.execute(
            f"copy (select *, occurred_at::date as day from ({rows})) to {_path(folder)}"
            f" ({PARQUET}, partition_by (day), filename_pattern 'part-{{i}}')"
        )
        self._written.parts += self._named_in(folder)

    def _named_in(self, folder: Path) -> list[Part]:
        return [self._named(path) for path in sorted(folder.rglob("*.parquet"))]

    def _named(self, path: Path) -> Part:
        rows = pq.read_metadata(path).num_rows
        day = path.parent.name.removeprefix("day=") if self._adapter.kind == "events" else None
        name = path.relative_to(self._home.raw).as_posix()
        return Part(name, self._adapter.kind, day, self.chunk, rows)

    def _write_refused(self) -> None:
        """Misfits are counted here: they never were typed."""
        for file_id, n in self._db.execute(
            "select file_id, count(*) from misfits group by file_id"
        ).fetchall():
            self._written.counts[file_id].update({"records": n, "quarantined": n})
        self._db.execute("insert into refused by name from misfits; truncate misfits")
        if not self._db.execute("select count(*) from refused").fetchall()[0][0]:
            return
        self._home.quarantine.mkdir(parents=True, exist_ok=True)
        path = self._home.quarantine / f"{self.chunk}-{self._flushes}.parquet"
        self._db.execute(
            "copy (from refused order by file_id, row_number, element)"
            f" to ({_path(path)}) ({PARQUET})"
        )
        self._db.execute("truncate refused")

    def _sync(self) -> None:
        """Contents and names are on the disk before the ledger names them."""
        files = sorted(self._folder.rglob("*.parquet"))
        refused = sorted(self._home.quarantine.glob(f"{self.chunk}-*.parquet"))
        for file in (*files, *refused):
            sync_file(file)
        folders = {p for f in files for p in (f.parent, f.parent.parent)}
        for folder in (*folders, *({self._folder, self._folder.parent} if files else ())):
            sync_directory(folder)
        if refused:
            sync_directory(self._home.quarantine)


def _path(path: Path) -> str:
    return literal(str(path))
