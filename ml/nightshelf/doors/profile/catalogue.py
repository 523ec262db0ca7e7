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
    """Of an item only its newest version counts, of those that the night may see."""
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
    """temp.newest and temp.earlier: one row per item, as it is and as it was one line before; an item of one line
    was always what it is. What a line leaves open is as it was before: a price list names no titles. But a source
    that tells titles, categories or stock of some items is asked for them in each of its lines that describes one.
    What is newest is so for the night, too: the macro `newest_first`. Beside a catalogue order lines list nothing: they
    name what has left it, and what is sold by other ids."""
    named = _last_word("{title: title}", "describes AND tells_titles")
    placed = _last_word("{category: trim(category_path)}", "describes AND tells_categories")
    stock = "{in_stock: in_stock, stock_known: stock_known}"
    stocked = _last_word(stock, "tells_stock AND (describes OR stock_known)")
    db.execute(f"""
        CREATE TEMP TABLE versions AS
        WITH known AS (
            SELECT item_id, updated_at, is_claim, name AS file_name, file_id, row_number, element, source, title, price,
                coalesce(in_stock, stock_qty > 0) AS in_stock,
                category_path, raw.items.in_stock IS NOT NULL OR stock_qty IS NOT NULL AS stock_known,
                coalesce(title, category_path) IS NOT NULL AS describes
            FROM raw.items LEFT JOIN raw.files USING (file_id)
            WHERE item_id IS NOT NULL AND (updated_at < {as_of} OR updated_at IS NULL)
        ),
        sources AS (
            SELECT source, count(title) > 0 AS tells_titles, count(category_path) > 0 AS tells_categories,
                bool_or(stock_known) AS tells_stock
            FROM known GROUP BY source
        )
        SELECT item_id, row_number() OVER so_far AS age,
            bool_or(is_claim IS NOT TRUE) OVER of_item
                OR NOT EXISTS (FROM raw.files WHERE kind = 'items' AND is_claim IS NOT TRUE) AS is_listed,
            min(updated_at) OVER of_item < max(updated_at) OVER of_item AS has_versions,
            {named} AS named,
            {_last_word("price", "true")} AS price,
            {placed} AS placed,
            {stocked} AS stocked
        FROM known JOIN sources ON sources.source IS NOT DISTINCT FROM known.source
        WINDOW of_item AS (PARTITION BY item_id), so_far AS (
            PARTITION BY item_id
            ORDER BY updated_at DESC NULLS LAST, file_name DESC, row_number DESC, element DESC, file_id
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        )
        QUALIFY age <= 2
    """)
    for table, age in (("newest", "min"), ("earlier", "max")):
        db.execute(f"""
            CREATE TEMP TABLE {table} AS
            SELECT item_id, is_listed, {_HAS} AS has FROM versions
            QUALIFY age = {age}(age) OVER (PARTITION BY item_id)""")


def _last_word(value: str, given: str) -> str:
    """SQL: the newest value of the lines for which `given` holds."""
    return f"first_value(CASE WHEN {given} THEN {value} END IGNORE NULLS) OVER so_far"


def _figures(db: duckdb.DuckDBPyConnection, table: str) -> dict[str, float | None]:
    row = db.execute(_FIGURES.format(table=table))
    return dict(zip((d[0] for d in row.description), row.fetchone(), strict=True))


def _of_versions(db: duckdb.DuckDBPyConnection) -> dict[str, float | None]:
    """Measure → figure of the versions before, where half of the items have one with a time of its own:
    the catalogue was delivered again. None where events make claims of items: those are no versions."""
    again = db.execute("""
        SELECT coalesce(avg(coalesce(has_versions, false)::INTEGER), 0) >= 0.5
            AND NOT (SELECT coalesce(bool_or(is_claim), false) FROM raw.files)
        FROM versions WHERE age = 1""").fetchone()[0]
    figures = _figures(db, "earlier") if again else {}
    return {measure: figures[measure] for measure in OF_VERSIONS if measure in figures}


_HAS = """{title: named.title, price: price, in_stock: stocked.in_stock,
    category: coalesce(placed.category, ''), stock_known: coalesce(stocked.stock_known, false)}"""

_FIGURES = """
    SELECT count(*) FILTER (is_listed) AS items,
        avg((trim(coalesce(has.title, '')) <> '')::INTEGER) AS titled,
        avg((has.title IS NOT NULL AND trim(has.title) = '')::INTEGER) AS blank_titles,
        avg((has.price IS NOT NULL)::INTEGER) AS priced,
        avg(has.in_stock::INTEGER) AS in_stock,
        avg(ln(has.price::DOUBLE)) FILTER (has.price > 0) AS price_level,
        avg(ln(has.price::DOUBLE) - ln_price) FILTER (has.price > 0) AS price_to_events,
        (SELECT coalesce(sum(n) FILTER (item_id IN (SELECT item_id FROM newest WHERE is_listed)), 0)
            / sum(n) FROM sold)
            AS sold_items_known,
        count(DISTINCT nullif(trim(has.title), '')) / nullif(count(nullif(trim(has.title), '')), 0)
            AS distinct_titles,
        avg((has.title = item_id)::INTEGER) AS titles_are_ids,
        avg((has.category <> '')::INTEGER) AS categorised,
        count(DISTINCT nullif(has.category, '')) AS categories,
        avg(has.stock_known::INTEGER) AS stock_known
    FROM {table} LEFT JOIN sold USING (item_id)
"""
