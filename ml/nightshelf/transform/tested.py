"""Which days of the history dbt's tests have passed on, so that a night tests only what is new.

A test of all of history costs a night more than all that it builds. A day that passed passes again, as
long as its files are the same, and so are the project, its variables and dbt. What a day was tested
under is kept in the history itself: a history that is lost or put back is tested from what it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nightshelf.paths import Attempt
from nightshelf.warehouse import connect, offer

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

TABLE = "days_tested"
COLUMNS = {"occurred_on": "date", "fingerprint": "varchar", "under": "varchar"}
UNTESTED = "days_untested"
"""raw.days_untested: what a test's `where` in the project names."""


def offer_untested(attempt: Attempt, under: str) -> None:
    """Makes raw.days_untested: days of raw.days that no passed test has seen as they are. `under`: all
    that a test hangs on beside the day's files."""
    with connect(attempt.shop.warehouse, read_only=False) as db:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        db.execute(f"create table if not exists {TABLE} ({columns})")
        tested = set(db.execute(f"select * from {TABLE}").fetchall())
    untested = [(day,) for day, made_of in _days(attempt) if (day, made_of, under) not in tested]
    offer(attempt, UNTESTED, {"occurred_on": "date"}, untested)


def keep_tested(attempt: Attempt, under: str, manifest: Manifest, passed: Iterable[str]) -> None:
    """Keeps that the night's days were tested, unless a test of days was left out. `passed`: unique ids."""
    if not _tests_of_days(manifest) <= set(passed):
        return
    days = dict(_days(attempt))
    with connect(attempt.shop.warehouse, read_only=False) as db:
        # In one statement: a year's rows one after another take a quarter of a second.
        db.execute(
            f"create or replace table {TABLE} as"
            " select unnest(?::date[]) as occurred_on, unnest(?::varchar[]) as fingerprint, ?::varchar as under",
            [list(days), list(days.values()), under],
        )


def _days(attempt: Attempt) -> list[tuple]:
    with connect(attempt.database) as db:
        return db.execute("select occurred_on, fingerprint from raw.days order by all").fetchall()


def _tests_of_days(manifest: Manifest) -> set[str]:
    return {
        name
        for name, node in manifest.nodes.items()
        if node.resource_type == "test" and UNTESTED in (node.config.where or "")
    }
