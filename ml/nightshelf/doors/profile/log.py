"""raw.log_profile: one row about the whole log, in one scan."""

from __future__ import annotations

import duckdb

from expectations import DoorContext
from nightshelf.columns import EVENT_TYPES, WITHOUT_ITEM
from nightshelf.doors.profile.text import literal

FIRST_TIME = "TIMESTAMP '1995-01-01'"
"""No shop on the web kept a log before; an older event is a unit or an epoch misread."""


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """The distinct ids are estimated: exact distinct text costs gigabytes at 100 million events, and
    the estimate is off by a few percent of a threshold that is far away on good days."""
    as_of = literal(context.as_of_utc)
    types, without = (", ".join(map(literal, names)) for names in (EVENT_TYPES, WITHOUT_ITEM))
    db.execute(f"""
        CREATE TABLE raw.log_profile AS
        SELECT count(*) AS events,
            count(*) FILTER ((event_type IN ({types})) IS NOT TRUE) AS of_unknown_type,
            count(*) FILTER (
                event_type NOT IN ({without}) AND coalesce(trim(item_id), '') = ''
            ) AS without_item,
            count(*) FILTER (occurred_at IS NULL) AS without_time,
            count(*) FILTER (coalesce(user_id, anonymous_id) IS NULL) AS without_user,
            count(price) AS priced,
            count(*) FILTER (price < 0) AS negative_prices,
            count(quantity) AS with_quantity,
            count(*) FILTER (quantity NOT BETWEEN -100000 AND 100000) AS absurd_quantities,
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
