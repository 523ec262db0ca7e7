"""Pins what a night reads: views in the attempt's file over the parts that the ledger names now, and
over what earlier nights published.

Files that land later do not reach a night that has begun, and a part that the ledger does not name
does not exist.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb

from nightshelf.columns import CONTRACTS, PROVENANCE
from nightshelf.errors import InputError, StorageError
from nightshelf.ingest.adapters import adapters
from nightshelf.ingest.damage import damage_told, refuse_damaged
from nightshelf.ingest.ledger import NO_SOURCE, RESTORE, Ledger, LedgerFile, Part
from nightshelf.night import Night
from nightshelf.paths import Attempt, ShopHome
from nightshelf.pinned.following import pin_published
from nightshelf.pinned.restated import pin_restated
from nightshelf.sql_text import literal, quoted
from nightshelf.warehouse import connect, in_memory, lay


def pin(attempt: Attempt, night: Night) -> None:
    """Makes schema `raw` in the attempt's file. Raises InputError if the logs do not reach the night."""
    ledger = Ledger(attempt.shop.ledger)
    parts = ledger.parts()
    refuse_damaged(attempt.shop, ledger)
    _refuse_inconsistent(ledger)
    with (
        damage_told(attempt.shop, ledger),
        connect(attempt.database, read_only=False) as db,
    ):
        db.execute("create schema if not exists raw")
        for kind, contract in CONTRACTS.items():
            of_kind = [p for p in parts if p.kind == kind]
            _view(db, kind, contract | PROVENANCE, of_kind, attempt.shop, ledger.replaced_ids())
        _pin_files(db, ledger)
        _pin_left(db, attempt.shop, ledger)
        pin_restated(db, ledger, attempt.shop)
        _pin_days(db, ledger, night, _pin_facts(db, night))
        pin_published(db, attempt.shop, night)
        _check_reach(db, night)


def _refuse_inconsistent(ledger: Ledger) -> None:
    lost = ledger.lost_chunks()
    if lost:
        raise StorageError(
            f"The ledger {ledger.path} does not agree with itself: chunk {lost[0]} has other rows"
            " in its parts than were accepted.",
            RESTORE,
        )


def _view(
    db: duckdb.DuckDBPyConnection,
    name: str,
    columns: dict[str, str],
    parts: list[Part],
    shop: ShopHome,
    replaced: set[str],
) -> None:
    """raw.<name>; of the log also raw.events_by_day, with the UTC day that a part's folder is named after:
    of days that a query names, no other's files are opened."""
    names = ", ".join(map(quoted, columns))
    read = f"select {_read(name, columns, parts, shop)}"
    if replaced and parts:
        read += f" where file_id not in ({', '.join(map(literal, sorted(replaced)))})"
    if name == "events":
        db.execute(f"create or replace view raw.events_by_day as {read}")
        read = f"select {names} from raw.events_by_day"
    db.execute(f"create or replace view raw.{name} as {read}")


def _read(name: str, columns: dict[str, str], parts: list[Part], shop: ShopHome) -> str:
    names = ", ".join(map(quoted, columns))
    empty = ", ".join(f"null::{kind} as {quoted(c)}" for c, kind in columns.items())
    paths = ", ".join(literal(str(shop.raw / p.path)) for p in parts)
    if name == "events":
        if not parts:
            return f"{empty}, null::date as occurred_on where false"
        if "=" in str(
            shop.raw
        ):  # a folder above, such as item_id=5, would be read as a column, too
            read = f"read_parquet([{paths}], hive_partitioning = false)"
            return f"{names}, occurred_at::date as occurred_on from {read}"
        by_day = "hive_partitioning = true, hive_types = {'day': date}"
        return f"{names}, day as occurred_on from read_parquet([{paths}], {by_day})"
    if not parts:
        return f"{empty} where false"
    # Parts of before a column came into the contract lack it; a catalogue has few parts to look into.
    read = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    return f"{names} from (from {read} union all by name select {empty} where false)"


FILES = {
    "file_id": "varchar", "name": "varchar", "source": "varchar", "adapter": "varchar",
    "kind": "varchar", "is_claim": "boolean", "sha256": "varchar", "records": "bigint",
    "rows_read": "bigint", "accepted": "bigint", "quarantined": "bigint", "set_aside": "bigint",
}  # fmt: skip
"""raw.files: one row per current landing file of the ledger."""


def _pin_files(db: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    rows = [
        tuple(_claims(f) if c == "is_claim" else getattr(f, c) for c in FILES)
        for f in ledger.files()
    ]
    lay(db, "files", FILES, rows)


def _claims(file: LedgerFile) -> bool:
    """Are the file's items what order lines say of them, and no catalogue's?"""
    known = adapters()
    return file.adapter in known and known[file.adapter].claims


def _pin_left(db: duckdb.DuckDBPyConnection, shop: ShopHome, ledger: Ledger) -> None:
    """raw.items_once: what a catalogue's file named before another content took its place. What the new one
    does not name has left the shop; nobody says so of what was never catalogued."""
    told_before = {
        f.file_id: f.chunk
        for f in ledger.files(current=False)
        if f.kind == "items" and not _claims(f) and f.replaced_by not in (None, NO_SOURCE)
    }
    paths = [
        str(shop.raw / p.path)
        for p in ledger.parts(current=False)
        if p.kind == "items" and p.chunk in told_before.values() and (shop.raw / p.path).exists()
    ]
    db.execute("create or replace table raw.items_once (item_id varchar)")
    if paths:
        db.execute(
            "insert into raw.items_once select distinct item_id from read_parquet(?)"
            " where list_contains(?, file_id) order by item_id",
            [paths, sorted(told_before)],
        )


def _pin_facts(db: duckdb.DuckDBPyConnection, night: Night) -> bool:
    """raw.facts: do sessions stand for visitors, since no event before the night names any?

    One event in a thousand may: a stray id must not part a whole shop's sessions from its visitors.
    """
    # As soon as so many were found the rest need not be read.
    before = [night.instant.replace(tzinfo=None)]
    wanted = db.execute(
        "select ceil(count(*) / 1000)::bigint from raw.events where occurred_at < ?", before
    ).fetchall()[0][0]
    db.execute(
        f"""create or replace table raw.facts as
        select count(*) < {wanted} as sessions_are_visitors
        from (
            select 1 from raw.events
            where occurred_at < ? and (user_id is not null or anonymous_id is not null)
            limit {wanted}
        )""",
        before,
    )
    return db.execute("select sessions_are_visitors from raw.facts").fetchall()[0][0]


def _pin_days(
    db: duckdb.DuckDBPyConnection, ledger: Ledger, night: Night, sessions_are_visitors: bool
) -> None:
    """(occurred_on, fingerprint, n_events): a day's fingerprint changes when a file brings events to it or
    takes them away, when the shop's time zone does, since dates are taken in it, and when sessions
    begin or cease to stand for visitors."""
    same, days = [night.zone.key, str(sessions_are_visitors)], sorted(ledger.days().items())
    # In one statement: a year's rows one after another take a quarter of a second.
    db.execute(
        "create or replace table raw.days as select unnest(?::date[]) as occurred_on,"
        " unnest(?::varchar[]) as fingerprint, unnest(?::bigint[]) as n_events",
        [
            [day for day, _ in days],
            [_fingerprint([*same, *files]) for _, files in days],
            [sum(files.values()) for _, files in days],
        ],
    )


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
    """The midnight in the shop's zone that lies nearest to its newest event; None without events. Of a log
    that has dates and no times, the midnight that ends its newest date.

    Nearest, not next: an export that ran at three has a few lines of the day that just began.
    Events from the future are left out: one shopper's wrong clock would name a night years ahead,
    and readers would stay with it.
    """
    newest = _newest_days(shop, most=2)
    if not newest:
        return None
    local = newest[0][1].replace(tzinfo=UTC).astimezone(zone)
    if all(_is_a_date(first, last, zone) for first, last in newest):
        return local.date() + timedelta(days=1)
    return (local + timedelta(hours=12)).date()


def _newest_days(shop: ShopHome, most: int) -> list[tuple[datetime, datetime]]:
    """The first and the last event of the newest UTC days that have any, newest first. UTC, without zone."""
    ledger = Ledger(shop.ledger)
    replaced = sorted(ledger.replaced_ids())
    by_day: dict[str, list[str]] = {}
    for part in ledger.parts():
        if part.kind == "events":
            by_day.setdefault(part.occurred_on, []).append(str(shop.raw / part.path))
    found = []
    with damage_told(shop, ledger), in_memory(shop) as db:
        for day in sorted(by_day, reverse=True):
            first, last = db.execute(
                "select min(occurred_at), max(occurred_at) from read_parquet(?)"
                " where occurred_at <= ? and not list_contains(?, file_id)",
                [by_day[day], datetime.now(UTC).replace(tzinfo=None), replaced],
            ).fetchall()[0]
            found += [(first, last)] if last is not None else []
            if len(found) == most:
                break
    return found


def _is_a_date(first: datetime, last: datetime, zone: ZoneInfo) -> bool:
    """Do all events of the day lie at its midnight in the shop's zone, as dates are read? One day alone may
    hold what an export that ran at midnight took of it: the day before tells."""
    return first == last and last.replace(tzinfo=UTC).astimezone(zone).time() == time()
