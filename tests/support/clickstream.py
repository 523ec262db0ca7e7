"""A shop with views, carts, purchases and a catalogue, made by SQL: any size, any weeks, with noise.

Visits come by the hour and the weekday, grow or dip, and hold a few views; some views lead to a cart,
some carts to a purchase. Every draw is a hash of the seed and of what it is drawn for, so a shop is the
same on any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import duckdb

EVENTS_PER_VISIT = 8.3
"""As the numbers below have it: about 6.5 views, and what they lead to."""


@dataclass(frozen=True)
class Clickstream:
    """One shop: `events_per_day` on a usual day, over the `days` before `night`."""

    seed: int = 1
    events_per_day: int = 2000
    days: int = 77
    night: date = date(2026, 5, 31)
    growth_per_week: float = 0.0
    dips: tuple[int, ...] = ()
    """Days before the night that lose more than a quarter of their visits, as a bank holiday does."""
    sale: tuple[int, ...] = ()
    """Days before the night with three times the visits, more purchases, and a third off."""
    closed_weekday: int | None = None
    """ISO number of a weekday without a single event."""
    anonymous: float = 0.4
    """Share of visits by visitors who are not logged in."""

    @property
    def as_of(self) -> datetime:
        return datetime.combine(self.night, time.min, UTC)


def make(db: duckdb.DuckDBPyConnection, shop: Clickstream) -> None:
    """Tables landed.events, landed.items and all that door raw reads, in schema raw."""
    db.execute("CREATE SCHEMA IF NOT EXISTS landed; CREATE SCHEMA IF NOT EXISTS raw")
    db.execute(
        "CREATE OR REPLACE MACRO u(what, n, m) AS"
        f" (hash(what, n, m, {shop.seed}) % 1000003)::DOUBLE / 1000003"
    )
    db.execute(_ITEMS)
    db.execute(_visits(shop))
    db.execute(_EVENTS)
    db.execute(_RAW)


_ITEMS = """
CREATE OR REPLACE TABLE landed.items AS
SELECT 'sku-' || lpad(n::VARCHAR, 4, '0') AS item_id, NULL::VARCHAR AS parent_id,
    'Item ' || n AS title, '' AS description,
    ['Tea', 'Pots', 'Cups', 'Books', 'Lamps', 'Toys', 'Tools', 'Garden'][n % 8 + 1] || ' > All'
        AS category_path,
    'Acme' AS brand, round(exp(1.5 + 2.4 * u('price', n, 0)), 2)::DECIMAL(18, 4) AS price,
    NULL::DECIMAL(18, 4) AS list_price, NULL::DECIMAL(18, 4) AS cost, 'EUR' AS currency, u('stock', n, 0) < 0.9 AS in_stock,
    5::BIGINT AS stock_qty, NULL::TIMESTAMP AS available_from, NULL::TIMESTAMP AS available_until,
    '' AS tags, '' AS url, '' AS image_url, NULL::TIMESTAMP AS updated_at, 'f-items' AS file_id,
    n::BIGINT AS row_number, 1::INTEGER AS element
FROM range(400) AS numbers(n)
"""


def _visits(shop: Clickstream) -> str:
    """One row per visit: day before the night, number, visitor, beginning, views."""
    usual = f"{shop.events_per_day / EVENTS_PER_VISIT:e}"  # 2.4e+02 is a DOUBLE in SQL
    listed = {name: ", ".join(map(str, days)) or "NULL" for name, days in
              (("dips", shop.dips), ("sale", shop.sale))}  # fmt: skip
    day = f"DATE '{shop.night}' - d::INTEGER"
    closed = f"isodow({day}) = {shop.closed_weekday}" if shop.closed_weekday else "false"
    return f"""
        CREATE OR REPLACE TABLE landed.visits AS
        WITH days AS (
            SELECT d::INTEGER AS d, {day} AS day, coalesce(d IN ({listed["sale"]}), false) AS is_sale,
                round({usual} * [1.0, 0.95, 0.95, 1.0, 1.1, 1.25, 0.9][isodow(day)]
                    * pow(1 + {shop.growth_per_week}, -d / 7.0)
                    * CASE WHEN d IN ({listed["dips"]}) THEN 0.72 ELSE 1 END
                    * CASE WHEN is_sale THEN 3 ELSE 1 END
                    * exp(0.1 * (u('a', d, 0) + u('b', d, 0) + u('c', d, 0) - 1.5) * 2)
                    + sqrt({usual}) * (u('e', d, 0) + u('f', d, 0) + u('g', d, 0) - 1.5) * 2
                )::INTEGER AS visits
            FROM range(1, {shop.days + 1}) AS numbers(d)
            WHERE NOT ({closed})
        )
        SELECT d, day, is_sale, v::INTEGER AS v, d * 100000 + v AS visit,
            floor({usual} * 12 * pow(u('who', d, v), 1.7))::INTEGER AS who,
            u('login', who, 0) >= {shop.anonymous} AS is_known,
            -- Three humps: morning, noon and evening; a few at night.
            ((CASE WHEN u('hump', d, v) < 0.05 THEN 24 * u('night', d, v)
                WHEN u('hump', d, v) < 0.3 THEN 9.5 + 4 * (u('t', d, v) + u('s', d, v) - 1)
                WHEN u('hump', d, v) < 0.55 THEN 13 + 4 * (u('t', d, v) + u('s', d, v) - 1)
                ELSE 19.5 + 5 * (u('t', d, v) + u('s', d, v) - 1) END + 24) % 24) * 3600 AS second,
            1 + floor(-6 * ln(1 - u('views', d, v) * 0.99))::INTEGER AS views
        FROM days, unnest(range(visits)) AS numbers(v)
    """


_EVENTS = """
CREATE OR REPLACE TABLE landed.events AS
WITH views AS (
    SELECT *, visit * 100 + k AS view, day + INTERVAL 1 SECOND * (second + 25 * k)::INTEGER AS moment,
        floor(400 * pow(u('item', visit, k), 1.6))::INTEGER AS item
    FROM landed.visits, unnest(range(views)) AS numbers(k)
),
steps AS (
    SELECT *, 'view' AS event_type, 0 AS step FROM views
    UNION ALL
    SELECT *, 'cart_add', 8 FROM views WHERE u('cart', visit, k) < CASE WHEN is_sale THEN 0.3 ELSE 0.15 END
    UNION ALL
    SELECT *, 'purchase', 900 FROM views
    WHERE u('cart', visit, k) < CASE WHEN is_sale THEN 0.15 ELSE 0.06 END
)
SELECT 'e' || view || '-' || step AS event_id, event_type,
    least(moment + INTERVAL 1 SECOND * step, day + INTERVAL '23:59:59') AS occurred_at,
    CASE WHEN is_known THEN 'user-' || lpad(who::VARCHAR, 6, '0') END AS user_id,
    'visitor-' || who || '-' || d // 9 AS anonymous_id, 'session-' || visit AS session_id,
    'sku-' || lpad(item::VARCHAR, 4, '0') AS item_id, NULL::VARCHAR AS variant_id,
    CASE WHEN step > 0 THEN 1 + floor(-0.6 * ln(1 - u('pieces', visit, k) * 0.999)) END::BIGINT
        AS quantity,
    (items.price * CASE WHEN is_sale THEN 0.67 ELSE 1 END)::DECIMAL(18, 4) AS price,
    'EUR' AS currency, CASE WHEN step = 900 THEN 'order-' || visit END AS order_id,
    NULL::VARCHAR AS list_id, k::INTEGER AS position, NULL::VARCHAR AS query,
    NULL::VARCHAR AS coupon, NULL::VARCHAR AS traffic, 'columns' AS source,
    'f-' || d AS file_id, row_number() OVER (PARTITION BY d ORDER BY view, step) AS row_number,
    1::INTEGER AS element, d AS days_before
FROM steps JOIN landed.items AS items ON items.row_number = steps.item
"""

_RAW = """
CREATE OR REPLACE VIEW raw.events AS SELECT * FROM landed.events;
CREATE OR REPLACE VIEW raw.items AS SELECT * FROM landed.items;
CREATE OR REPLACE TABLE raw.categories (category_id VARCHAR, parent_id VARCHAR, title VARCHAR,
    updated_at TIMESTAMP, file_id VARCHAR, row_number BIGINT, element INTEGER);
CREATE OR REPLACE TABLE raw.users (user_id VARCHAR, region VARCHAR, consent BOOLEAN,
    updated_at TIMESTAMP, file_id VARCHAR, row_number BIGINT, element INTEGER);
CREATE OR REPLACE TABLE raw.facts AS SELECT false AS sessions_are_visitors;
CREATE OR REPLACE TABLE raw.restated (name VARCHAR, source VARCHAR, read_on DATE, log_before BIGINT,
    before BIGINT, now BIGINT, kept BIGINT, days_before BIGINT, days_kept BIGINT);
CREATE OR REPLACE TABLE raw.files AS
SELECT file_id, file_id || '.csv' AS name, 'columns' AS source, 'events' AS kind,
    false AS is_claim, file_id AS sha256, count(*) AS rows_read, count(*) AS accepted,
    0::BIGINT AS quarantined, 0::BIGINT AS set_aside
FROM landed.events GROUP BY ALL
UNION ALL
SELECT 'f-items', 'items.csv', 'catalogue', 'items', false, 'f-items', 400, 400, 0, 0;
"""
