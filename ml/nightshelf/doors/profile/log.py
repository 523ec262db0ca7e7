"""raw.log_profile: one row about the whole log, in one scan."""

from __future__ import annotations

import duckdb

from expectations import DoorContext
from nightshelf.columns import EVENT_TYPES, WITHOUT_ITEM
from nightshelf.doors.profile.text import literal

FIRST_TIME = "TIMESTAMP '1995-01-01'"
"""No shop on the web kept a log before; an older event is a unit or an epoch misread."""

FEW = 4
"""So many odd lines are one visitor's visit, or one clerk's slip: of a young shop's few hundred they are more than any
share that is allowed."""

PAID = "event_type IN ('purchase', 'refund')"

KEPT = 100_000
"""Refused rows that are kept of one promise; where there are more, the message counts so many."""


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    _profile(db, context)
    _refused(db, context)


# Only what sorts before "!" can be blank: that spares a trim of every id.
BLANK = "(item_id IS NULL OR item_id < '!' AND trim(item_id) = '')"


def _promises(context: DoorContext) -> dict[str, tuple[str, str, str, str]]:
    """Promise → (event types it is about, what a row that breaks it looks like, the value it shows,
    how many may)."""
    types, without = (", ".join(map(literal, names)) for names in (EVENT_TYPES, WITHOUT_ITEM))
    absurd = f"quantity NOT BETWEEN -{context.max_quantity} AND {context.max_quantity}"
    return {
        "event_types_are_known": (
            f"(event_type IN ({types})) IS NOT TRUE",
            "true",
            "event_type",
            "0",
        ),
        "events_name_their_item": (f"event_type NOT IN ({without})", BLANK, "item_id", "0"),
        # Refunds and corrections are booked as negative prices by some shops: 1 % may be.
        "prices_are_not_negative": (
            "true",
            "price < 0",
            "price",
            f"greatest({FEW}, 0.01 * priced)",
        ),
        "prices_are_plausible": (
            PAID,
            f"price > {context.max_price}",
            "price",
            f"greatest({FEW}, 0.01 * paid)",
        ),
        "quantities_are_plausible": (
            "true",
            absurd,
            "quantity",
            f"greatest({FEW}, 0.001 * with_quantity)",
        ),
        "events_have_a_time": ("true", "occurred_at IS NULL", "occurred_at", "0"),
    }


def _profile(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """By event type first: what is asked of a type is then asked a dozen times, not of every row."""
    as_of = literal(context.as_of_utc)
    promises = _promises(context).items()
    counted = ", ".join(f"count(*) FILTER ({row}) AS {name}" for name, (_, row, _, _) in promises)
    broken = ", ".join(
        f"coalesce(sum({name}) FILTER ({of_types}), 0)::BIGINT AS {name}"
        for name, (of_types, *_) in promises
    )
    db.execute(f"""
        CREATE TABLE raw.log_profile AS
        WITH types AS (
            SELECT event_type, count(*) AS events, {counted},
                count(*) FILTER (user_id IS NULL AND anonymous_id IS NULL) AS without_user,
                count(price) AS priced, count(quantity) AS with_quantity,
                count(*) FILTER (
                    occurred_at > {literal(context.now_utc)} + INTERVAL 1 DAY
                ) AS from_the_future,
                count(*) FILTER (occurred_at < {FIRST_TIME}) AS from_long_ago,
                min(occurred_at) AS oldest_event,
                max(occurred_at) AS newest_event,
                max(occurred_at) FILTER (occurred_at < {as_of}) AS newest_before,
                min(currency) AS first_currency,
                max(currency) AS last_currency
            FROM raw.events GROUP BY event_type
        )
        SELECT coalesce(sum(events), 0)::BIGINT AS events, {broken},
            coalesce(sum(without_user), 0)::BIGINT AS without_user,
            coalesce(sum(priced), 0)::BIGINT AS priced,
            coalesce(sum(priced) FILTER ({PAID}), 0)::BIGINT AS paid,
            coalesce(sum(with_quantity), 0)::BIGINT AS with_quantity,
            coalesce(sum(from_the_future), 0)::BIGINT AS from_the_future,
            coalesce(sum(from_long_ago), 0)::BIGINT AS from_long_ago,
            min(oldest_event) AS oldest_event,
            max(newest_event) AS newest_event,
            max(newest_before) AS newest_before,
            min(first_currency) AS first_currency,
            max(last_currency) AS last_currency,
            (SELECT bool_or(sessions_are_visitors) FROM raw.facts) AS sessions_are_visitors
        FROM types
    """)


def _refused(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """raw.log_refused: the rows that broke a promise. The log is read again only where some did."""
    db.execute("""
        CREATE TABLE raw.log_refused (promise VARCHAR, file_id VARCHAR, row_number BIGINT,
            event_id VARCHAR, event_type VARCHAR, value VARCHAR)""")
    for promise, (of_types, row, value, allowed) in _promises(context).items():
        many = db.execute(f"SELECT {promise} > {allowed} FROM raw.log_profile").fetchone()[0]
        if many:
            db.execute(f"""
                INSERT INTO raw.log_refused
                SELECT '{promise}', file_id, row_number, event_id, event_type, {value}
                FROM raw.events WHERE {of_types} AND {row} LIMIT {KEPT}
            """)
