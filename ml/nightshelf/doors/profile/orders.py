"""temp.bulk_orders and the measure `shared_orders`: what is asked of whole orders, not of lines.

One scan of the purchases, before all others: most of them leave the bulk orders out.
"""

from __future__ import annotations

import duckdb

BULK_LINES = 50
"""A day on which fewer lines are a good part is too small to be judged closely."""
BULK_SHARE = 0.1
"""Of the day's order lines: a smaller order cannot move their figures out of their bands."""


def make(db: duckdb.DuckDBPyConnection, window: str, visitor: str) -> None:
    """`shared_orders`: the share of a day's order lines whose order has more than one visitor.

    temp.bulk_orders: one row per order of one visitor that is a good part of its day. It is one
    decision of one company, typed in or sent by a machine, however many lines it has.
    """
    db.execute(f"""
        CREATE TEMP TABLE orderly AS
        SELECT day, order_id, count(*) AS n, count(who) = count(*) AND min(who) = max(who) AS is_one_s,
            coalesce(min(who) < max(who), false) AS is_shared
        FROM (SELECT day, order_id, {visitor} AS who FROM {window}
            WHERE event_type = 'purchase' AND order_id IS NOT NULL)
        GROUP BY day, order_id
    """)
    db.execute("""
        INSERT INTO raw.day_profile BY NAME
        SELECT day, 'shared_orders' AS measure, '' AS key,
            coalesce(sum(n) FILTER (is_shared), 0) / sum(n) AS value, sum(n) AS n
        FROM orderly GROUP BY day
    """)
    db.execute(f"""
        CREATE TEMP TABLE bulk_orders AS
        SELECT order_id FROM orderly WHERE is_one_s
        QUALIFY n >= {BULK_LINES} AND n >= {BULK_SHARE} * sum(n) OVER (PARTITION BY day)
    """)
    db.execute("DROP TABLE temp.orderly")


def without_bulk(db: duckdb.DuckDBPyConnection, window: str) -> str:
    """`window` without the lines of bulk orders; as it is where there are none, which costs nothing."""
    if not db.execute("SELECT count(*) FROM temp.bulk_orders").fetchone()[0]:
        return window
    is_bulk = "event_type = 'purchase' AND order_id IN (SELECT order_id FROM temp.bulk_orders)"
    return f"(SELECT * FROM {window} WHERE ({is_bulk}) IS NOT TRUE) AS events"
