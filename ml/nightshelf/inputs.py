"""Pins what a night reads: views in the attempt's file over the parts that the ledger names now.

Files that land later do not reach a night that has begun, and a part that the ledger does not name
does not exist.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from nightshelf.columns import EVENTS, ITEMS, PROVENANCE
from nightshelf.errors import InputError, StorageError
from nightshelf.ingest.adapters.base import literal, quoted
from nightshelf.ingest.ledger import Ledger, Part
from nightshelf.night import Night
from nightshelf.paths import Attempt, ShopHome
from nightshelf.warehouse import connect, in_memory


def pin(attempt: Attempt, night: Night) -> None:
    """Makes schema `raw` in the attempt's file. Raises InputError if the logs do not reach the night."""
    ledger = Ledger(attempt.shop.ledger)
    replaced = ledger.replaced_ids()
    parts = ledger.parts()
    lost = [p.path for p in parts if not (attempt.shop.raw / p.path).exists()]
    if lost:
        raise StorageError(
            f"{len(lost)} files that the ledger names are gone from {attempt.shop.raw}: {lost[0]}",
            f"Restore them, or move {ledger.path} away: what lies in landing/ is then taken again.",
        )
    with connect(attempt.database, read_only=False) as db:
        db.execute("create schema if not exists raw")
        _view(
            db, "events", EVENTS, [p for p in parts if p.kind == "events"], attempt.shop, replaced
        )
        _view(db, "items", ITEMS, [p for p in parts if p.kind == "items"], attempt.shop, replaced)
        _pin_files(db, ledger)
        _pin_days(db, ledger, night)
        _check_reach(db, night)


def _view(
    db: duckdb.DuckDBPyConnection,
    name: str,
    contract: dict[str, str],
    parts: list[Part],
    shop: ShopHome,
    replaced: set[str],
) -> None:
    columns = contract | PROVENANCE
    if not parts:
        empty = ", ".join(f"null::{kind} as {quoted(c)}" for c, kind in columns.items())
        db.execute(f"create or replace view raw.{name} as select {empty} where false")
        return
    paths = ", ".join(literal(str(shop.raw / p.path)) for p in parts)
    files = ", ".join(map(literal, sorted(replaced)))
    where = f" where file_id not in ({files})" if replaced else ""
    names = ", ".join(map(quoted, columns))
    db.execute(
        f"create or replace view raw.{name} as"
        f" select {names} from read_parquet([{paths}], hive_partitioning = false){where}"
    )


def _pin_files(db: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    db.execute("""
        create or replace table raw.files (file_id varchar, name varchar, source varchar,
            kind varchar, sha256 varchar, rows_read bigint, accepted bigint, quarantined bigint)""")
    rows = [
        (f.file_id, f.name, f.source, f.kind, f.sha256, f.rows_read, f.accepted, f.quarantined)
        for f in ledger.files()
    ]
    if rows:
        db.executemany("insert into raw.files values (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _pin_days(db: duckdb.DuckDBPyConnection, ledger: Ledger, night: Night) -> None:
    """(occurred_on, fingerprint): a day's fingerprint changes when a file touches it or leaves it,
    and when the shop's time zone does, since dates are taken in it."""
    parts = [p for p in ledger.parts() if p.kind == "events"]
    left: dict[str, list[str]] = {}
    for file in ledger.files(current=False):
        if file.replaced_by is not None:
            left.setdefault(file.chunk, []).append(file.file_id)
    days: dict[str, list[str]] = {}
    for part in parts:
        days.setdefault(part.occurred_on, []).extend([part.path, *sorted(left.get(part.chunk, []))])
    db.execute("create or replace table raw.days (occurred_on date, fingerprint varchar)")
    rows = [(day, _fingerprint([night.zone.key, *names])) for day, names in sorted(days.items())]
    if rows:
        db.executemany("insert into raw.days values (?, ?)", rows)


def _fingerprint(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _check_reach(db: duckdb.DuckDBPyConnection, night: Night) -> None:
    first, last, before = db.execute(
        "select min(occurred_at), max(occurred_at), count(*) filter (occurred_at < ?) from raw.events",
        [night.instant.replace(tzinfo=None)],
    ).fetchall()[0]
    if first is None:
        raise InputError(
            "No events at all: the landing files hold no accepted row.",
            "Look at `nightshelf quarantine`, mend the source in the shop file, and rerun.",
        )
    if not before:
        raise InputError(
            f"No events before {night.date}; the logs at hand cover {first.date()} to {last.date()}.",
            "Load older logs, or pass a later --as-of.",
        )


def newest_night(shop: ShopHome, zone: ZoneInfo) -> date | None:
    """The midnight in the shop's zone that lies nearest to its newest event; None without events.

    Nearest, not next: an export that ran at three has a few lines of the day that just began.
    Events from the future are left out: one shopper's wrong clock would name a night years ahead,
    and readers would stay with it.
    """
    ledger = Ledger(shop.ledger)
    replaced = sorted(ledger.replaced_ids())
    by_day: dict[str, list[str]] = {}
    for part in ledger.parts():
        if part.kind == "events":
            by_day.setdefault(part.occurred_on, []).append(str(shop.raw / part.path))
    with in_memory(shop) as db:
        for day in sorted(by_day, reverse=True):
            newest = db.execute(
                "select max(occurred_at) from read_parquet(?)"
                " where occurred_at <= ? and not list_contains(?, file_id)",
                [by_day[day], datetime.now(UTC).replace(tzinfo=None), replaced],
            ).fetchall()[0][0]
            if newest is not None:
                local = newest.replace(tzinfo=UTC).astimezone(zone)
                return (local + timedelta(hours=12)).date()
    return None
