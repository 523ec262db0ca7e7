"""raw.catalogue_profile: one row per measure, the catalogue tonight beside the last published nights'.

`before` is the median of those nights, NULL where there are none or the figure was not known.
"""

from __future__ import annotations

from statistics import median

import duckdb

from expectations import DoorContext
from nightshelf.doors.profile.text import literal

MEASURES = (
    "items", "titled", "blank_titles", "priced", "in_stock", "price_level", "price_to_events",
    "sold_items_known",
)  # fmt: skip
SOLD_DAYS = 28


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """Of an item only its newest row counts, of those that the night may see."""
    as_of = literal(context.as_of_utc)
    db.execute(f"""
        CREATE TEMP TABLE newest AS
        SELECT item_id, max_by({{title: title, price: price, in_stock: in_stock}},
            (coalesce(updated_at, TIMESTAMP '1970-01-01'), file_id, row_number)) AS has
        FROM raw.items WHERE item_id IS NOT NULL AND (updated_at < {as_of} OR updated_at IS NULL)
        GROUP BY item_id
    """)
    db.execute(f"""
        CREATE TEMP TABLE sold AS
        SELECT item_id, count(*) AS n, avg(ln(price::DOUBLE)) FILTER (price > 0) AS ln_price
        FROM raw.events
        WHERE occurred_at < {as_of} AND occurred_at >= {as_of} - INTERVAL {SOLD_DAYS} DAY
            AND item_id IS NOT NULL
        GROUP BY item_id
    """)
    row = db.execute(_FIGURES)
    figures = dict(zip((d[0] for d in row.description), row.fetchone(), strict=True))
    db.execute("""
        CREATE TABLE raw.catalogue_profile (measure VARCHAR, observed DOUBLE, before DOUBLE,
            learnt_from INTEGER)""")
    for measure in MEASURES:
        known = [b[measure] for b in context.catalogue_before if b.get(measure) is not None]
        before = median(known) if known else None
        db.execute(
            "INSERT INTO raw.catalogue_profile VALUES (?, ?, ?, ?)",
            [measure, figures[measure], before, len(known)],
        )
    for table in ("newest", "sold"):
        db.execute(f"DROP TABLE temp.{table}")


_FIGURES = """
    SELECT count(*) AS items,
        avg((trim(coalesce(has.title, '')) <> '')::INTEGER) AS titled,
        avg((has.title IS NOT NULL AND trim(has.title) = '')::INTEGER) AS blank_titles,
        avg((has.price IS NOT NULL)::INTEGER) AS priced,
        avg(has.in_stock::INTEGER) AS in_stock,
        avg(ln(has.price::DOUBLE)) FILTER (has.price > 0) AS price_level,
        avg(ln(has.price::DOUBLE) - ln_price) FILTER (has.price > 0) AS price_to_events,
        (SELECT coalesce(sum(n) FILTER (item_id IN (SELECT item_id FROM newest)), 0) / sum(n) FROM sold)
            AS sold_items_known
    FROM newest LEFT JOIN sold USING (item_id)
"""
