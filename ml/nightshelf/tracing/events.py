"""The events behind a shelf row: a user's with some items, each with the line of the file it came from.

They are read from the shop's raw Parquet by its ledger, so they can be told also where the attempt's
folder is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from nightshelf.ingest.files import LandingFile, inspect
from nightshelf.ingest.ledger import Ledger, LedgerFile, header_of
from nightshelf.ingest.raw_text import add_raw_text
from nightshelf.ingest.readers import line_scan
from nightshelf.ingest.taking import SCHEMA
from nightshelf.paths import Attempt, ShopHome
from nightshelf.warehouse import connect, in_memory

SHOWN = 5
"""Events shown of each item, the newest first."""


@dataclass(frozen=True)
class Event:
    """One accepted line. `line` and `text` are None where the file has gone from the landing folder, or
    has other content since."""

    event_type: str
    occurred_at: datetime
    item_id: str
    file_id: str
    row_number: int
    n_of_item: int
    """Events of the user with the item, shown and not."""
    file: str = ""
    line: int | None = None
    text: str | None = None


def ids_of(attempt: Attempt, user: str) -> list[str]:
    """The user's own id, and those of the devices that a login showed to be theirs before the night."""
    if not attempt.database.exists():
        return [user]
    with connect(attempt.database) as db:
        found = db.execute(
            "select visitor_id from intermediate.int_visitors_joined where user_id = ?"
            " order by visitor_id",
            [user],
        ).fetchall()
    return [user, *(visitor for (visitor,) in found)]


def events_of(
    shop: ShopHome, ids: Sequence[str], items: Iterable[str], before: datetime
) -> list[Event]:
    """By item in the order given, the newest first, at most SHOWN of each. Copies and what a cleaning
    rule dropped are among them: these are the lines, not what was made of them."""
    ledger = Ledger(shop.ledger)
    paths = [str(shop.raw / p.path) for p in ledger.parts() if p.kind == "events"]
    order = list(dict.fromkeys(items))
    if not paths:
        return []
    given = {
        "paths": paths,
        "replaced": sorted(ledger.replaced_ids()),
        "ids": list(ids),
        "items": order,
        "before": before.replace(tzinfo=None),
        "shown": SHOWN,
    }
    with in_memory(shop) as db:
        found = db.execute(_EVENTS, given).fetchall()
    files = {f.file_id: f for f in ledger.files()}
    events = [Event(*row) for row in found if row[3] in files]
    return [replace(e, file=files[e.file_id].name) for e in events]


_EVENTS = """
    select event_type, occurred_at, item_id, file_id, row_number, n_of_item
    from (
        select
            *,
            count(*) over (partition by item_id) as n_of_item,
            row_number() over (
                partition by item_id order by occurred_at desc, file_id, row_number, element) as place
        from read_parquet($paths, hive_partitioning = false)
        where list_contains($items, item_id)
            and occurred_at < $before
            -- Where a whole log names nobody, a session is the user.
            and (list_contains($ids, user_id)
                or (user_id is null and list_contains($ids, coalesce(anonymous_id, session_id))))
            and not list_contains($replaced, file_id)
    )
    where place <= $shown
    order by list_position($items, item_id), place
"""


def with_lines(shop: ShopHome, events: Sequence[Event], landing: Path) -> list[Event]:
    """Each with the line on which its record begins, and the record's text."""
    files = {f.file_id: f for f in Ledger(shop.ledger).files()}
    texts: dict[tuple[str, int], tuple[int | None, str]] = {}
    with in_memory(shop) as db:
        for file_id in dict.fromkeys(e.file_id for e in events):
            found = _landed(files[file_id], landing)
            if found is not None:
                numbers = {e.row_number for e in events if e.file_id == file_id}
                texts |= _texts(db, found, files[file_id], numbers)
    return [
        replace(e, line=texts[key][0], text=texts[key][1])
        if (key := (e.file_id, e.row_number)) in texts
        else e
        for e in events
    ]


def _landed(file: LedgerFile, landing: Path) -> LandingFile | None:
    """The file as it was taken; None where it is gone or holds something else by now."""
    try:
        found = inspect(landing / file.name, file.name, header_of(file.header)[1])
    except Exception:  # gone, cut, or no longer what its ending says: any way, not what was taken
        return None
    return found if found.sha256 == file.sha256 else None


def _texts(
    db: duckdb.DuckDBPyConnection, landed: LandingFile, file: LedgerFile, numbers: set[int]
) -> dict[tuple[str, int], tuple[int | None, str]]:
    db.execute(SCHEMA)
    rows = [(file.file_id, number, 1, "asked", None) for number in sorted(numbers)]
    db.executemany("insert into pending values (?, ?, ?, ?, ?)", rows)
    if landed.format == "jsonl":
        db.execute(_RECORD_A_LINE.format(scan=line_scan(landed)))
    else:
        add_raw_text(db, landed, file.file_id, file.records)
    found = db.execute("select file_id, row_number, line, raw from refused").fetchall()
    return {(file_id, number): (line, raw) for file_id, number, line, raw in found}


_RECORD_A_LINE = """
    insert into refused
    select file_id, row_number, element, row_number, reason, line, value
    from (select row_number() over () as row_number, line from {scan}) as texts
    join pending using (row_number)
"""
