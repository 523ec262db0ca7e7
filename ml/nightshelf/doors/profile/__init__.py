"""What door raw measures before it judges: each figure once, into small tables of the attempt's file.

raw.log_profile        one row: the whole log
raw.day_profile        one row per (day, measure, key): the last nine weeks, day by day
raw.log_refused        one row per row of it that broke a promise
raw.id_profile         one row: how many event ids of the window are different
raw.identity_profile   one row: how many visitors of it have a user's id
raw.judged_days        one row per day that is new to this night
raw.day_bands          one row per (judged day, measure, key): the figure beside its learnt band
raw.catalogue_profile  one row per measure: the catalogue beside the last published nights'

The rules of `expectations/raw.py` and `catalogue.py` then read these tables, so a door costs a
handful of scans however many rules it has. The tables hold counts; of people only in samples.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from expectations import DoorContext
from nightshelf.doors.profile import bands, catalogue, days, log
from nightshelf.warehouse import connect

__all__ = ["TABLES", "feeds", "make", "measure"]

TABLES = (
    "log_profile",
    "log_refused",
    "id_profile",
    "identity_profile",
    "judged_days",
    "day_profile",
    "day_bands",
    "catalogue_profile",
)


def make(database: Path, context: DoorContext) -> None:
    """Writes the tables in one short connection. Raises duckdb.Error, and leaves none of them then."""
    with connect(database, read_only=False) as db:
        _clear(db)
        with _all_or_none(db):
            measure(db, context)


def feeds(sql: str) -> bool:
    """Whether a rule's batch reads one of the tables made here."""
    return any(f"raw.{table}" in sql for table in TABLES)


def measure(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """The same on an open connection."""
    _clear(db)
    log.make(db, context)
    days.make(db, context)
    bands.make(db, context)
    catalogue.make(db, context)


def _clear(db: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES:
        db.execute(f"drop table if exists raw.{table}")


class _all_or_none:
    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin")

    def __exit__(self, kind: type | None, *rest: object) -> None:
        self._db.execute("rollback" if kind else "commit")
