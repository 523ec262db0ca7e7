"""raw.catalogue_profile: one row per measure, the catalogue tonight beside the last published nights'.

`before` is the median of those nights. Where there are none, it is the figure of the items' versions
before their newest, for what OF_VERSIONS names; else NULL.
"""

from __future__ import annotations

from statistics import median

import duckdb

from expectations import DoorContext
from nightshelf.doors.profile.text import literal

MEASURES = (
    "items", "titled", "blank_titles", "priced", "in_stock", "price_level", "price_to_events",
    "sold_items_known", "distinct_titles", "titles_are_ids", "categorised", "categories",
    "stock_known",
)  # fmt: skip
OF_VERSIONS = (
    "titled", "distinct_titles", "titles_are_ids", "categorised", "categories", "stock_known",
)  # fmt: skip
"""What does not change from one delivery to the next; stock and prices may."""
SOLD_DAYS = 28


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """Of an item only its newest row counts, of those that the night may see."""
    as_of = literal(context.as_of_utc)
    _versions(db, as_of)
    db.execute(f"""
        CREATE TEMP TABLE sold AS
        SELECT item_id, count(*) AS n, avg(ln(price::DOUBLE)) FILTER (price > 0) AS ln_price
        FROM raw.events
        WHERE occurred_at < {as_of} AND occurred_at >= {as_of} - INTERVAL {SOLD_DAYS} DAY
            AND item_id IS NOT NULL
        GROUP BY item_id
    """)
    figures = _figures(db, "newest")
    versions = {} if context.catalogue_before else _of_versions(db)
    db.execute("""
        CREATE TABLE raw.catalogue_profile (measure VARCHAR, observed DOUBLE, before DOUBLE,
            learnt_from INTEGER)""")
    for measure in MEASURES:
        known = [b[measure] for b in context.catalogue_before if b.get(measure) is not None]
        before = median(known) if known else versions.get(measure)
        db.execute(
            "INSERT INTO raw.catalogue_profile VALUES (?, ?, ?, ?)",
            [measure, figures[measure], before, len(known)],
        )
    for table in ("versions", "newest", "earlier", "sold"):
        db.execute(f"DROP TABLE temp.{table}")


def _versions(db: duckdb.DuckDBPyConnection, as_of: str) -> None:
    """temp.newest and temp.earlier: one row per item, as it is and as it was one version before; an
    item of one version was always what it is."""
    db.execute(f"""
        CREATE TEMP TABLE versions AS
        SELECT item_id, count(DISTINCT updated_at) AS n_versions, max_by({_HAS},
            (coalesce(updated_at, TIMESTAMP '1970-01-01'), file_id, row_number), 2) AS has
        FROM raw.items WHERE item_id IS NOT NULL AND (updated_at < {as_of} OR updated_at IS NULL)
        GROUP BY item_id
    """)
    for table, version in (("newest", 1), ("earlier", -1)):
        db.execute(
            f"CREATE TEMP TABLE {table} AS SELECT item_id, has[{version}] AS has FROM versions"
        )


def _figures(db: duckdb.DuckDBPyConnection, table: str) -> dict[str, float | None]:
    row = db.execute(_FIGURES.format(table=table))
    return dict(zip((d[0] for d in row.description), row.fetchone(), strict=True))


def _of_versions(db: duckdb.DuckDBPyConnection) -> dict[str, float | None]:
    """Measure → figure of the versions before, where half of the items have one with a time of its own:
    the catalogue was delivered again. None where events make claims of items: those are no versions."""
    again = db.execute("""
        SELECT coalesce(avg((n_versions > 1)::INTEGER), 0) >= 0.5
            AND NOT (SELECT coalesce(bool_or(is_claim), false) FROM raw.files)
        FROM versions""").fetchone()[0]
    figures = _figures(db, "earlier") if again else {}
    return {measure: figures[measure] for measure in OF_VERSIONS if measure in figures}


_HAS = """{title: title, price: price, in_stock: in_stock, category: trim(coalesce(category_path, '')),
    stock_known: in_stock IS NOT NULL OR stock_qty IS NOT NULL}"""

_FIGURES = """
    SELECT count(*) AS items,
        avg((trim(coalesce(has.title, '')) <> '')::INTEGER) AS titled,
        avg((has.title IS NOT NULL AND trim(has.title) = '')::INTEGER) AS blank_titles,
        avg((has.price IS NOT NULL)::INTEGER) AS priced,
        avg(has.in_stock::INTEGER) AS in_stock,
        avg(ln(has.price::DOUBLE)) FILTER (has.price > 0) AS price_level,
        avg(ln(has.price::DOUBLE) - ln_price) FILTER (has.price > 0) AS price_to_events,
        (SELECT coalesce(sum(n) FILTER (item_id IN (SELECT item_id FROM newest)), 0) / sum(n) FROM sold)
            AS sold_items_known,
        count(DISTINCT nullif(trim(has.title), '')) / nullif(count(nullif(trim(has.title), '')), 0)
            AS distinct_titles,
        avg((has.title = item_id)::INTEGER) AS titles_are_ids,
        avg((has.category <> '')::INTEGER) AS categorised,
        count(DISTINCT nullif(has.category, '')) AS categories,
        avg(has.stock_known::INTEGER) AS stock_known
    FROM {table} LEFT JOIN sold USING (item_id)
"""
