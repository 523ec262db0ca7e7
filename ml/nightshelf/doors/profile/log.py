"""raw.log_profile: one row about the whole log, in one scan."""

from __future__ import annotations

import duckdb

from expectations import DoorContext
from nightshelf.columns import EVENT_TYPES, WITHOUT_ITEM
from nightshelf.doors.profile.text import literal

FIRST_TIME = "TIMESTAMP '1995-01-01'"
"""No shop on the web kept a log before; an older event is a unit or an epoch misread."""


ABSURD = 100_000
"""Pieces. The largest honest line known to us is 80,995 (UCI Online Retail), and its refund."""
KEPT = 100_000
"""Refused rows that are kept of one promise; where there are more, the message counts so many."""


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    _profile(db, context)
    _refused(db)


def _promises() -> dict[str, tuple[str, str, str]]:
    """Promise → (what a row that breaks it looks like, its value, which share of which column may)."""
    types, without = (", ".join(map(literal, names)) for names in (EVENT_TYPES, WITHOUT_ITEM))
    return {
        "event_types_are_known": (f"(event_type IN ({types})) IS NOT TRUE", "event_type", "0"),
        "events_name_their_item": (
            f"event_type NOT IN ({without}) AND coalesce(trim(item_id), '') = ''", "item_id", "0",
        ),
        # Refunds and corrections are booked as negative prices by some shops: 1 % may be.
        "prices_are_not_negative": ("price < 0", "price", "0.01 * priced"),
        "quantities_are_plausible": (
            f"quantity NOT BETWEEN -{ABSURD} AND {ABSURD}", "quantity", "0.001 * with_quantity",
        ),
        "events_have_a_time": ("occurred_at IS NULL", "occurred_at", "0"),
    }  # fmt: skip


def _profile(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """The distinct ids are estimated: exact distinct text costs gigabytes at 100 million events, and
    the estimate is off by a few percent of a threshold that is far away on good days."""
    as_of = literal(context.as_of_utc)
    broken = ", ".join(
        f"count(*) FILTER ({row}) AS {name}" for name, (row, *_) in _promises().items()
    )
    db.execute(f"""
        CREATE TABLE raw.log_profile AS
        SELECT count(*) AS events, {broken},
            count(*) FILTER (coalesce(user_id, anonymous_id) IS NULL) AS without_user,
            count(price) AS priced,
            count(quantity) AS with_quantity,
            count(event_id) AS with_id,
            least(approx_count_distinct(event_id), count(event_id)) AS distinct_ids_about,
            count(*) FILTER (
                occurred_at > {literal(context.now_utc)} + INTERVAL 1 DAY
            ) AS from_the_future,
            count(*) FILTER (occurred_at < {FIRST_TIME}) AS from_long_ago,
            min(occurred_at) AS oldest_event,
            max(occurred_at) AS newest_event,
            max(occurred_at) FILTER (occurred_at < {as_of}) AS newest_before,
            (SELECT bool_or(sessions_are_visitors) FROM raw.facts) AS sessions_are_visitors,
            list(DISTINCT currency ORDER BY currency) FILTER (currency IS NOT NULL) AS currencies
        FROM raw.events
    """)


def _refused(db: duckdb.DuckDBPyConnection) -> None:
    """raw.log_refused: the rows that broke a promise. The log is read again only where some did."""
    db.execute("""
        CREATE TABLE raw.log_refused (promise VARCHAR, file_id VARCHAR, row_number BIGINT,
            event_id VARCHAR, event_type VARCHAR, value VARCHAR)""")
    for promise, (row, value, allowed) in _promises().items():
        many = db.execute(f"SELECT {promise} > {allowed} FROM raw.log_profile").fetchone()[0]
        if many:
            db.execute(f"""
                INSERT INTO raw.log_refused
                SELECT '{promise}', file_id, row_number, event_id, event_type, {value}
                FROM raw.events WHERE {row} LIMIT {KEPT}
            """)
