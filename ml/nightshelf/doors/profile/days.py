"""raw.day_profile: one row per (day, measure, key), of the last nine weeks before the night.

Days are the shop's own, counted back from the night: 1 is the last. Six scans of the window, each of
the few columns it needs: by order, by hour and type, by item, by visitor, of a sample of whole rows, and
of a sample of ids.
"""

from __future__ import annotations

import duckdb

from expectations import DoorContext
from nightshelf.doors.profile import identities, orders
from nightshelf.doors.profile.clock import days_of_change, shown_time
from nightshelf.doors.profile.text import literal

WINDOW = 63
"""Eight weeks to learn from, and one more: the level of a day is taken from the week before it."""
SAMPLED_ROWS = 1_000_000
"""Rows whose content is compared: beyond, every second, fourth, … content is, whole. A repeat has
the content of what it repeats, so it is in the sample with it."""
FILLED = (
    "user_id", "anonymous_id", "session_id", "item_id", "variant_id", "quantity", "price",
    "currency", "order_id", "list_id", "position", "query", "coupon",
)  # fmt: skip
CATEGORIES = 30
"""A shop's departments; what is rarer is too small to be missed on one day."""
VISITOR = "coalesce('u' || user_id, 'a' || anonymous_id, 's' || session_id)"


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    window = _window(context)
    db.execute("""
        CREATE TABLE raw.day_profile (day INTEGER, measure VARCHAR, key VARCHAR, value DOUBLE,
            n BIGINT, level DOUBLE)""")  # fmt: skip
    orders.make(db, window, VISITOR)
    ordinary = orders.without_bulk(db, window)
    _by_hour(db, ordinary, context)
    _judged(db, context)
    _by_item(db, ordinary)
    _by_visitor(db, ordinary)
    _ids(db, _of_deliveries(context, ordinary))
    rows = db.execute("SELECT sum(n) FROM hourly").fetchone()[0] or 0
    _by_content(db, _of_deliveries(context, window), rows)
    identities.make(db, window, rows)
    for table in ("hourly", "itemly", "visitorly", "catalogue", "bulk_orders"):
        db.execute(f"DROP TABLE temp.{table}")


def _window(context: DoorContext) -> str:
    """(…) AS events: the window's rows with `day` and `shown`, the shop's own time."""
    as_of, shown = literal(context.as_of_utc), shown_time(context, WINDOW + 2)
    return f"""(
        SELECT *, {shown} AS shown, {literal(context.night)} - shown::DATE AS day
        FROM raw.events
        WHERE occurred_at < {as_of} AND occurred_at >= {as_of} - INTERVAL {WINDOW + 2} DAY
            AND {literal(context.night)} - ({shown})::DATE BETWEEN 1 AND {WINDOW}
    ) AS events"""


def _of_deliveries(context: DoorContext, window: str) -> str:
    """The window without those rows of files that are gone which stand in a file that lies there, too: of two
    deliveries of one export one was taken away, or it was renamed. Dropped as copies later are rows of one source, UTC
    day and id, and those alone are left out. Only the rows of the files that are gone are looked up."""
    if not context.gone_files:
        return window
    gone = ", ".join(map(literal, context.gone_files))
    return f"""(
        SELECT * FROM {window}
        WHERE (file_id, row_number, element) NOT IN (
            SELECT (file_id, row_number, element)
            FROM (SELECT *, occurred_at::DATE AS utc_day FROM {window} WHERE file_id IN ({gone})) AS of_gone
            SEMI JOIN (
                SELECT source, event_id, occurred_at::DATE AS utc_day
                FROM {window} WHERE file_id NOT IN ({gone})
            ) AS there USING (source, utc_day, event_id)
        )
    ) AS events"""


def _into(db: duckdb.DuckDBPyConnection, select: str) -> None:
    db.execute(
        f"INSERT INTO raw.day_profile BY NAME SELECT * FROM ({select}) WHERE value IS NOT NULL"
    )


def _by_hour(db: duckdb.DuckDBPyConnection, window: str, context: DoorContext) -> None:
    filled = ", ".join(f"count({column}) AS {column}" for column in FILLED)
    new = (
        f"file_id IN ({', '.join(map(literal, context.new_files))})"
        if context.new_files
        else "false"
    )
    db.execute(f"""
        CREATE TEMP TABLE hourly AS
        SELECT day, hour(shown) AS hour, event_type, count(*) AS n,
            count(*) FILTER ({new}) AS n_new, count(traffic) AS traffic, {filled},
            count(*) FILTER (price < 0) AS n_negative, count(*) FILTER (price > 0) AS n_priced,
            count(*) FILTER (price = 0) AS n_free, count(*) FILTER (quantity <= 0) AS n_returned,
            sum(ln(price::DOUBLE)) FILTER (price > 0) AS ln_price,
            sum(ln(1 + abs(quantity))) AS ln_quantity
        FROM {window} GROUP BY ALL
    """)
    _volume(db)
    _mix(db)
    _hours(db, days_of_change(context, WINDOW + 2))


def _judged(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """raw.judged_days: the last day with events, and those of the last four weeks of which a tenth or
    more came with files that the last published night did not have. Less cannot move a figure."""
    db.execute(f"""
        CREATE TABLE raw.judged_days AS
        SELECT day, (day + {6 - context.night.weekday()}) % 7 AS weekday, sum(n)::BIGINT AS events
        FROM hourly GROUP BY day
        HAVING day = (SELECT min(day) FROM hourly) OR (day <= 28 AND sum(n_new) >= 0.1 * sum(n))
    """)


def _volume(db: duckdb.DuckDBPyConnection) -> None:
    """What a sum over the day's hours gives: its size, its signs, and by type what is filled."""
    _into(db, """
        WITH days AS (
            SELECT day, sum(n) AS events, sum(traffic) AS traffic, sum(n_negative) AS negative,
                sum(price) AS priced
            FROM hourly GROUP BY day
        )
        SELECT day, unnest(['events', 'marked_traffic', 'negative_prices']) AS measure, '' AS key,
            unnest([events, traffic / events, negative / nullif(priced, 0)]) AS value,
            unnest([events, events, priced]) AS n
        FROM days""")  # fmt: skip
    names = ", ".join(map(literal, FILLED))
    sums = ", ".join(f"sum({column})" for column in FILLED)
    _into(db, f"""
        WITH types AS (
            SELECT day, event_type, sum(n) AS n, [{names}] AS names, [{sums}] AS filled
            FROM hourly GROUP BY day, event_type
        )
        SELECT day, 'filled' AS measure, event_type || '.' || unnest(names) AS key,
            unnest(filled) / n AS value, n
        FROM types""")  # fmt: skip
    _into(db, """
        WITH types AS (
            SELECT day, event_type, sum(n_priced) AS n_priced, sum(quantity) AS n_quantity,
                sum(ln_price) AS ln_price, sum(ln_quantity) AS ln_quantity,
                sum(price) AS n_price, sum(n_free) AS n_free, sum(n_returned) AS n_returned
            FROM hourly GROUP BY day, event_type
        )
        SELECT day, event_type AS key,
            unnest(['price_level', 'quantity_level', 'zero_prices', 'negative_quantities'])
                AS measure,
            unnest([ln_price / nullif(n_priced, 0), ln_quantity / nullif(n_quantity, 0),
                n_free / nullif(n_price, 0), n_returned / nullif(n_quantity, 0)]) AS value,
            unnest([n_priced, n_quantity, n_price, n_quantity]) AS n
        FROM types""")  # fmt: skip


def _mix(db: duckdb.DuckDBPyConnection) -> None:
    """A type that does not occur on a day has the share 0 there, not none."""
    _into(db, """
        WITH days AS (SELECT day, sum(n) AS n FROM hourly GROUP BY day),
        types AS (SELECT day, event_type, sum(n) AS of_type FROM hourly GROUP BY ALL)
        SELECT day, 'event_type' AS measure, event_type AS key, coalesce(of_type, 0) / n AS value, n
        FROM days CROSS JOIN (SELECT DISTINCT event_type FROM types)
        LEFT JOIN types USING (day, event_type)""")  # fmt: skip


def _hours(db: duckdb.DuckDBPyConnection, changed: list[int]) -> None:
    """`hour`: the share of the day's events in each hour. Not on days when the clocks were changed."""
    kept = f"WHERE day NOT IN ({', '.join(map(str, changed))})" if changed else ""
    _into(db, f"""
        WITH days AS (SELECT day, sum(n) AS n FROM hourly {kept} GROUP BY day),
        hours AS (SELECT day, hour, sum(n) AS in_hour FROM hourly GROUP BY ALL)
        SELECT day, 'hour' AS measure, lpad(hour::VARCHAR, 2, '0') AS key,
            coalesce(in_hour, 0) / n AS value, n
        FROM days CROSS JOIN (SELECT unnest(range(24)) AS hour) LEFT JOIN hours USING (day, hour)
    """)  # fmt: skip


def _by_item(db: duckdb.DuckDBPyConnection, window: str) -> None:
    db.execute(f"""
        CREATE TEMP TABLE itemly AS
        SELECT day, item_id, count(*) AS n, count(*) FILTER (price > 0) AS n_priced,
            sum(ln(price::DOUBLE)) FILTER (price > 0) AS ln_price
        FROM {window} WHERE item_id IS NOT NULL GROUP BY day, item_id
    """)
    db.execute("""
        CREATE TEMP TABLE catalogue AS
        SELECT item_id, max_by(regexp_extract(category_path, '^\\s*([^>/|]*)', 1),
            coalesce(updated_at, TIMESTAMP '1970-01-01')) AS category
        FROM raw.items GROUP BY item_id
    """)
    _known(db)
    _categories(db)
    _item_prices(db)


def _known(db: duckdb.DuckDBPyConnection) -> None:
    """`known_items`: events whose item the catalogue has, or which was seen on a day before."""
    _into(db, """
        WITH first AS (SELECT item_id, max(day) AS first_day FROM itemly GROUP BY item_id)
        SELECT day, 'known_items' AS measure, '' AS key,
            coalesce(sum(n) FILTER (
                first_day > day OR item_id IN (SELECT item_id FROM catalogue)
            ), 0) / sum(n) AS value, sum(n) AS n
        FROM itemly JOIN first USING (item_id) GROUP BY day""")  # fmt: skip
    _into(db, "SELECT day, 'top_item' AS measure, '' AS key, max(n) / sum(n) AS value, sum(n) AS n"
              " FROM itemly GROUP BY day")  # fmt: skip


def _categories(db: duckdb.DuckDBPyConnection) -> None:
    _into(db, f"""
        WITH counted AS (
            SELECT day, category, sum(n) AS of_category FROM itemly JOIN catalogue USING (item_id)
            WHERE category <> '' GROUP BY ALL
        ),
        biggest AS (
            SELECT category FROM counted GROUP BY category
            ORDER BY sum(of_category) DESC, category LIMIT {CATEGORIES}
        ),
        days AS (SELECT day, sum(of_category) AS n FROM counted GROUP BY day)
        SELECT day, 'category' AS measure, category AS key, coalesce(of_category, 0) / n AS value, n
        FROM days CROSS JOIN biggest LEFT JOIN counted USING (day, category)""")  # fmt: skip


def _item_prices(db: duckdb.DuckDBPyConnection) -> None:
    """`strange_prices`: priced events whose item cost half or double on the days that are not judged.

    The day's common shift is taken out first: a sale, or cents for euros, is another rule's.
    """
    _into(db, """
        WITH usual AS (
            SELECT item_id, sum(ln_price) / sum(n_priced) AS ln_usual FROM itemly
            WHERE day NOT IN (SELECT day FROM raw.judged_days)
            GROUP BY item_id HAVING sum(n_priced) > 0
        ),
        apart AS (
            SELECT day, n_priced, ln_price / n_priced - ln_usual AS shift
            FROM itemly JOIN usual USING (item_id) WHERE n_priced > 0
        ),
        common AS (
            SELECT day, sum(shift * n_priced) / sum(n_priced) AS day_shift FROM apart GROUP BY day
        )
        SELECT day, 'strange_prices' AS measure, '' AS key,
            coalesce(sum(n_priced) FILTER (abs(shift - day_shift) > ln(2)), 0) / sum(n_priced)
                AS value, sum(n_priced) AS n
        FROM apart JOIN common USING (day) GROUP BY day""")  # fmt: skip


def _by_visitor(db: duckdb.DuckDBPyConnection, window: str) -> None:
    db.execute(f"""
        CREATE TEMP TABLE visitorly AS
        SELECT day, {VISITOR} AS visitor, count(*) AS n
        FROM {window} WHERE {VISITOR} IS NOT NULL GROUP BY ALL
    """)
    _into(db, """
        WITH days AS (
            SELECT day, sum(n) AS n, max(n) AS most, count(*) AS visitors FROM visitorly GROUP BY day
        )
        SELECT day, unnest(['top_visitor', 'events_per_visitor', 'visitors']) AS measure, '' AS key,
            unnest([most / n, ln(n / visitors), ln(visitors / n)]) AS value, n
        FROM days""")  # fmt: skip
    _into(db, """
        WITH first AS (SELECT visitor, max(day) AS first_day FROM visitorly GROUP BY visitor)
        SELECT day, 'returning_users' AS measure, '' AS key,
            coalesce(sum(n) FILTER (first_day > day), 0) / sum(n) AS value, sum(n) AS n
        FROM visitorly JOIN first USING (visitor) WHERE visitor[1] = 'u' GROUP BY day
    """)  # fmt: skip


def _ids(db: duckdb.DuckDBPyConnection, window: str) -> None:
    """How many different ids, and moments, there are to each: the logarithm of a share, estimated.
    Exact distinct text costs gigabytes at 100 million events; the estimate is off by a few percent.

    raw.id_profile: the same of the event ids of the whole window; copies are rows of one source, UTC day and id.
    """
    db.execute(f"""
        CREATE TABLE raw.id_profile AS
        SELECT count(event_id) AS events,
            least(
                approx_count_distinct((source, occurred_at::DATE, event_id)) FILTER (event_id IS NOT NULL),
                count(event_id)
            ) AS distinct_ids_about
        FROM {window}""")
    _into(db, f"""
        WITH days AS (
            SELECT day, count(session_id) AS n_sessions, count(order_id) AS n_orders, count(*) AS n,
                approx_count_distinct(session_id) AS sessions,
                approx_count_distinct(order_id) AS orders,
                approx_count_distinct(occurred_at) AS moments
            FROM {window} GROUP BY day
        )
        SELECT day, unnest(['sessions', 'orders', 'moments']) AS measure, '' AS key,
            ln(least(1, unnest([sessions / nullif(n_sessions, 0), orders / nullif(n_orders, 0),
                moments / n]))) AS value,
            unnest([n_sessions, n_orders, n]) AS n
        FROM days""")  # fmt: skip


def _by_content(db: duckdb.DuckDBPyConnection, window: str, rows: int) -> None:
    """`repeated`: rows that say what another row of the day says. `copied`: contents that an earlier
    day had, too, to the second. Ids are left out: a second delivery may have given new ones."""
    every = 1
    while rows > every * SAMPLED_ROWS:
        every *= 2
    db.execute(f"""
        CREATE TEMP TABLE contents AS
        SELECT day, content, count(*) AS n
        FROM (
            SELECT day, hash(event_type, epoch_us(shown) % 86400000000, {VISITOR}, item_id,
                quantity, price, query, list_id, position) AS content
            FROM {window}
        )
        WHERE content % {every} = 0 GROUP BY ALL
    """)
    _into(db, "SELECT day, 'repeated' AS measure, '' AS key, 1 - count(*) / sum(n) AS value,"
              " sum(n) AS n FROM contents GROUP BY day")  # fmt: skip
    _into(db, """
        WITH first AS (SELECT content, max(day) AS first_day FROM contents GROUP BY content)
        SELECT day, 'copied' AS measure, '' AS key,
            count(*) FILTER (first_day > day) / count(*) AS value, count(*) AS n
        FROM contents JOIN first USING (content) GROUP BY day""")  # fmt: skip
    db.execute("DROP TABLE contents")
