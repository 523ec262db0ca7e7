"""Quarantined rows read again by a mended mapping, for files that are no longer in landing/.

A file that still lies there is simply taken again whole: its mapping is part of its identity in the
ledger. Of a file that is gone, records with a quarantined row are read again from their raw text,
and what else was accepted is carried over; together they are one taking that replaces the old one.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import duckdb

from nightshelf.columns import PROVENANCE
from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.contract import OF_THE_MAPPING
from nightshelf.ingest.damage import refuse_damaged
from nightshelf.ingest.files import format_of
from nightshelf.ingest.ledger import Ledger, LedgerFile, header_of
from nightshelf.ingest.readers import Slice, as_arrow, is_flat
from nightshelf.ingest.run import Reading, reading_of
from nightshelf.ingest.taking import Taking, Written
from nightshelf.paths import ShopHome
from nightshelf.progress import Progress
from nightshelf.settings.shop import Shop
from nightshelf.sql_text import literal, quoted
from nightshelf.warehouse import cores, in_memory

MAPPING = tuple(OF_THE_MAPPING)


@dataclass(frozen=True)
class Replayed:
    """What a replay did; counts are of files and of rows."""

    files: int
    read_again: int
    accepted: int
    """Of these, taken in now."""


def replay(shop: Shop, landing: Path, home: ShopHome, progress: Progress) -> Replayed:
    """Replays every file that is gone from `landing` and was read by another mapping than today's.

    Call it behind `ingest`, which takes what still lies there.
    """
    ledger = Ledger(home.ledger)
    refuse_damaged(home, ledger)  # what is carried over would pass for whole
    done = [
        _replay_file(reading, before)
        for source in shop.sources
        for reading in [reading_of(source, shop, home, ledger, progress)]
        for before in reading.known.values()
        if _is_mended(reading, before) and not (landing / before.name).exists()
    ]
    done = [d for d in done if d]
    return Replayed(len(done), sum(read for read, _ in done), sum(taken for _, taken in done))


def _is_mended(reading: Reading, before: LedgerFile) -> bool:
    return before.quarantined > 0 and before.mapping != reading.mapping


def quarantine_paths(home: ShopHome, file: LedgerFile) -> list[str]:
    """The Parquet files with the quarantined rows of the file's chunk."""
    return sorted(str(p) for p in home.quarantine.glob(f"{file.chunk}-*.parquet"))


def _replay_file(reading: Reading, before: LedgerFile) -> tuple[int, int] | None:
    """(rows read again, rows more accepted); None where no row is the mapping's fault."""
    reading.progress.advance(f"{reading.source.name}: {before.name}")
    # Not the id of a whole taking: the file is read anew by this mapping should it come back.
    file_id = _hash(f"{before.file_id} replayed by {reading.mapping}")
    chunk = _hash(f"chunk of {file_id}")
    with in_memory(reading.home, threads=cores()) as db:
        again = _find_again(db, reading.home, before)
        if not again:
            return None
        taking = Taking(db, reading.adapter, reading.sql, reading.home, chunk)
        taking.add(_slice(db, reading.adapter, before, file_id))
        taking.find_raw_text("select distinct row_number, line, raw from again")
        taking.carry_over(_accepted(reading, before, file_id), _misfits(reading, before, file_id))
        written = taking.finish([])
    row = _row(before, reading.mapping, file_id, chunk, written)
    reading.ledger.commit([row], written.days, written.parts)
    return again, row.accepted - before.accepted


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find_again(db: duckdb.DuckDBPyConnection, home: ShopHome, before: LedgerFile) -> int:
    """Makes `again(row_number, element, line, raw)`: rows whose reason is the mapping's."""
    db.execute(
        f"""create or replace table again as
        select row_number, element, line, raw from read_parquet($paths)
        where file_id = $file_id and reason in {MAPPING} order by row_number, element""",
        {"paths": quarantine_paths(home, before), "file_id": before.file_id},
    )
    return db.execute("select count(*) from again").fetchall()[0][0]


def _slice(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, before: LedgerFile, file_id: str
) -> Slice:
    """Raw text under its old row numbers: JSON as it is, CSV by the header that the ledger kept, and
    flat Parquet by its columns' names."""
    rows = db.execute("select distinct row_number, raw from again order by row_number").fetchall()
    kind = format_of(Path(before.name), before.name)[0]
    header, delimiter = header_of(before.header)
    if not is_flat(adapter, kind, header):
        return Slice(as_arrow(["line"], [(file_id, n, raw) for n, raw in rows]))
    names = list(adapter.columns)
    csv.field_size_limit(1 << 30)
    by_name = json.loads if kind == "parquet" else partial(_by_name, header, delimiter)
    found = ((n, by_name(raw)) for n, raw in rows)
    return Slice(
        as_arrow(names, [(file_id, n, *(row.get(c) or None for c in names)) for n, row in found])
    )


def _by_name(header: list[str], delimiter: str, raw: str) -> dict[str, str]:
    (values,) = csv.reader([raw], skipinitialspace=True, delimiter=delimiter)
    return dict(zip(header, values, strict=True))


def _accepted(reading: Reading, before: LedgerFile, file_id: str) -> str:
    """SQL for the accepted rows of the records that are not read again."""
    columns = reading.adapter.contract | PROVENANCE
    parts = [p for p in reading.ledger.parts() if p.chunk == before.chunk]
    if not parts:
        empty = ", ".join(f"null::{kind} as {quoted(c)}" for c, kind in columns.items())
        return f"select {empty} where false"
    paths = ", ".join(literal(str(reading.home.raw / p.path)) for p in parts)
    return f"""
        select * replace ({literal(file_id)} as file_id) from (
            select {", ".join(map(quoted, columns))}
            from read_parquet([{paths}], hive_partitioning = false))
        where file_id = {literal(before.file_id)}
            and row_number not in (select row_number from again)"""


def _misfits(reading: Reading, before: LedgerFile, file_id: str) -> str:
    """SQL for the rows whose text itself is at fault: they stay where they are."""
    paths = ", ".join(map(literal, quarantine_paths(reading.home, before)))
    return f"""
        select {literal(file_id)}, row_number, element, line, reason, raw
        from read_parquet([{paths}])
        where file_id = {literal(before.file_id)} and reason not in {MAPPING}"""


def _row(
    before: LedgerFile, mapping: str, file_id: str, chunk: str, written: Written
) -> LedgerFile:
    n = written.counts[file_id]
    return replace(
        before,
        file_id=file_id,
        mapping=mapping,
        chunk=chunk,
        rows_read=n["accepted"] + n["quarantined"],
        accepted=n["accepted"],
        quarantined=n["quarantined"],
        set_aside=n["set_aside"],
    )
