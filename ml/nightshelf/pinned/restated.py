"""Files of events that hold another content than the last published night read, and what is left of it."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from nightshelf.errors import StorageError
from nightshelf.ingest.ledger import Ledger, LedgerFile
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight, current
from nightshelf.warehouse import lay

RESTATED = {
    "name": "varchar", "source": "varchar",
    "read_on": "date",          # the night that readers see, which read the content of before
    "log_before": "bigint",     # accepted events of all files as that night read them
    "before": "bigint",         # of this file
    "now": "bigint",
    "kept": "bigint",           # day by day the fewer of before and now: other days make up for nothing
    "days_before": "bigint",    # UTC days
    "days_kept": "bigint",
}  # fmt: skip
"""raw.restated: one row per current file of events with another content than the published night read."""


def pin_restated(db: duckdb.DuckDBPyConnection, ledger: Ledger, shop: ShopHome) -> None:
    night = current(shop)
    lay(db, "restated", RESTATED, _restated(ledger, night) if night else [])


def _restated(ledger: Ledger, night: PublishedNight) -> list[tuple]:
    then = _as_read(ledger, night)
    log_before = sum(f.accepted for f in then.values())
    pairs = [
        (then[_key(now)], now)
        for now in ledger.files()
        if _key(now) in then and now.sha256 != then[_key(now)].sha256
    ]
    days = ledger.days_of([f.file_id for pair in pairs for f in pair])
    return [
        (now.name, now.source, night.night, log_before, was.accepted, now.accepted,
         *_left(days.get(was.file_id, {}), days.get(now.file_id, {})))
        for was, now in pairs
    ]  # fmt: skip


def _as_read(ledger: Ledger, night: PublishedNight) -> dict[str, LedgerFile]:
    """Files of events by source and name, with the content that the night read. Of several takings of one
    content the last counts. None where the manifest cannot be read: there is no measure then."""
    try:
        known = night.manifest.get("inputs", {})
    except StorageError:
        return {}
    taken = (f for f in ledger.files(current=False) if f.kind == "events")
    return {_key(f): f for f in taken if known.get(_key(f)) == f.sha256}


def _key(file: LedgerFile) -> str:
    return f"{file.source}:{file.name}"


def _left(was: Mapping[str, int], now: Mapping[str, int]) -> tuple[int, int, int]:
    """(events kept, days before, days kept)."""
    kept = sum(min(n, now.get(day, 0)) for day, n in was.items())
    return kept, len(was), len(was.keys() & now.keys())
