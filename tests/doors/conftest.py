"""A shop so small that one reads it whole, and so healthy that every door opens.

24 users, 12 items, 41 days of one event per half hour. User n bought item n % 12 and is offered
the next four. The database is built once; each test spoils a copy.
"""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from nightshelf.doors import DoorContext
from nightshelf.paths import Attempt, Home
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.rules import Line, Rules

NIGHT = date(2026, 5, 31)
AS_OF = datetime(2026, 5, 30, 22, tzinfo=UTC)
"""Midnight in Berlin."""
NOW = datetime(2026, 6, 2, tzinfo=UTC)

WHOLE_CATALOGUE = {
    "items": 400, "titled": 1.0, "blank_titles": 0.0, "priced": 1.0, "in_stock": 0.9,
    "price_level": 2.7, "price_to_events": 0.0, "sold_items_known": 1.0,
    "distinct_titles": 1.0, "titles_are_ids": 0.0, "categorised": 1.0, "categories": 8,
    "stock_known": 1.0,
}  # fmt: skip
"""What a published night's manifest says of the clickstream shop's catalogue."""
SMALL_CATALOGUE = WHOLE_CATALOGUE | {
    "items": 12, "in_stock": 1.0, "price_level": 2.2925, "categories": 1,
}  # fmt: skip
"""The same of the small shop below."""

HEALTHY = """
CREATE SCHEMA landed; CREATE SCHEMA raw; CREATE SCHEMA marts;
CREATE SCHEMA features; CREATE SCHEMA recommendations;

CREATE TABLE landed.events AS
SELECT 'e' || n AS event_id, ['view', 'cart_add', 'purchase'][n % 3 + 1] AS event_type,
    TIMESTAMP '2026-05-30 23:00:00' - INTERVAL 30 MINUTE * n AS occurred_at,
    CASE WHEN n % 5 > 0 THEN 'u' || n % 24 END AS user_id, 'a' || n AS anonymous_id,
    's' || n // 4 AS session_id, 'i' || n % 12 AS item_id, NULL::VARCHAR AS variant_id,
    1::BIGINT AS quantity, 9.9::DECIMAL(18, 4) AS price, 'EUR' AS currency,
    'o' || n AS order_id, NULL::VARCHAR AS list_id, NULL::INTEGER AS position,
    NULL::VARCHAR AS query, NULL::VARCHAR AS coupon, NULL::VARCHAR AS traffic,
    'columns' AS source, 'f1' AS file_id, n::BIGINT AS row_number, 1::INTEGER AS element
FROM range(1968) AS numbers(n);
INSERT INTO landed.events BY NAME
SELECT * REPLACE ('search' AS event_type, NULL AS item_id, 'e-search' AS event_id)
FROM landed.events WHERE event_id = 'e100';
CREATE VIEW raw.events AS SELECT * FROM landed.events;

CREATE TABLE landed.items AS
SELECT 'i' || n AS item_id, NULL::VARCHAR AS parent_id, 'Item ' || n AS title,
    '' AS description, 'Home > Tea' AS category_path, 'Acme' AS brand,
    9.9::DECIMAL(18, 4) AS price, 9.9::DECIMAL(18, 4) AS list_price,
    NULL::DECIMAL(18, 4) AS cost, 'EUR' AS currency,
    true AS in_stock, 5::BIGINT AS stock_qty, NULL::TIMESTAMP AS available_from,
    NULL::TIMESTAMP AS available_until, '' AS tags, '' AS url, '' AS image_url,
    TIMESTAMP '2026-01-01' AS updated_at, 'f2' AS file_id, n::BIGINT AS row_number,
    1::INTEGER AS element
FROM range(12) AS numbers(n);
CREATE VIEW raw.items AS SELECT * FROM landed.items;

CREATE TABLE raw.categories (category_id VARCHAR, parent_id VARCHAR, title VARCHAR,
    updated_at TIMESTAMP, file_id VARCHAR, row_number BIGINT, element INTEGER);
CREATE TABLE raw.users (user_id VARCHAR, region VARCHAR, consent BOOLEAN,
    updated_at TIMESTAMP, file_id VARCHAR, row_number BIGINT, element INTEGER);
CREATE TABLE raw.facts AS SELECT false AS sessions_are_visitors;
CREATE TABLE raw.restated (name VARCHAR, source VARCHAR, read_on DATE, log_before BIGINT,
    before BIGINT, now BIGINT, kept BIGINT, days_before BIGINT, days_kept BIGINT);
CREATE TABLE raw.files (file_id VARCHAR, name VARCHAR, source VARCHAR, kind VARCHAR,
    is_claim BOOLEAN, sha256 VARCHAR, rows_read BIGINT, accepted BIGINT, quarantined BIGINT,
    set_aside BIGINT);
INSERT INTO raw.files VALUES ('f1', 'events.csv', 'columns', 'events', false, 'a', 2000, 1969, 31, 10),
    ('f2', 'items.csv', 'columns', 'items', false, 'b', 12, 12, 0, 0);

CREATE TABLE marts.dim_items AS
SELECT item_id, item_id AS product_id, title, 'Home > Tea' AS category,
    'Home > Tea > Green' AS category_path,
    ['Acme', 'Bolt'][row_number % 2 + 1] AS brand, price, (row_number % 4 + 1)::INTEGER AS price_band,
    in_stock, true AS is_product, true AS is_offerable, []::VARCHAR[] AS withheld_by
FROM landed.items;
CREATE TABLE marts.dim_users AS
SELECT 'u' || n AS user_id, DATE '2026-04-20' AS first_seen_on, DATE '2026-05-30' AS last_seen_on,
    3 AS n_active_days, 1 AS n_items
FROM range(24) AS numbers(n);
CREATE TABLE marts.fct_interactions AS
SELECT 'u' || n AS user_id, 'i' || n % 12 AS item_id, 'purchase' AS event_type,
    DATE '2026-05-30' AS interaction_date, 1::INTEGER AS n_events, 1::BIGINT AS quantity,
    9.9::DECIMAL(18, 4) AS revenue, 1::DECIMAL(9, 4) AS weight, NULL::DATE AS cancelled_on,
    NULL::DATE AS joined_on, NULL::DATE AS left_on
FROM range(24) AS numbers(n);

CREATE TABLE raw.rules (line INTEGER, rule VARCHAR, subject VARCHAR, value VARCHAR, placement VARCHAR,
    factor DOUBLE, rank INTEGER, campaign VARCHAR, origin VARCHAR);
INSERT INTO raw.rules VALUES
    (1, 'block', 'brand', 'Crook', NULL, NULL, NULL, '', 'rules.csv, line 2'),
    (2, 'pin', 'item', 'i1', 'popular', NULL, 1, '', 'rules.csv, line 3');

CREATE TEMP TABLE dates AS
SELECT as_of FROM (VALUES (DATE '2026-05-03'), ('2026-05-17'), ('2026-05-31')) AS d(as_of);
CREATE TABLE features.feat_item AS
SELECT as_of, item_id, 1 AS n_buyers_7d, 2 AS n_buyers_28d, 2 AS n_buyers_91d, 2 AS n_buyers,
    1::DOUBLE AS usual_buyers_7d, 2::DOUBLE AS usual_buyers_28d, 2::DOUBLE AS usual_buyers,
    2 AS n_orders_28d, 0.5::DOUBLE AS repeat_share, 9 AS days_since_first, 1 AS days_since_last,
    price
FROM dates, marts.dim_items;
CREATE TABLE features.feat_user AS
SELECT as_of, user_id, 3 AS n_active_days, 2 AS n_active_days_28d, 1 AS n_items,
    1::DOUBLE AS repeat_share, 1 AS days_since_last, 4.0::DOUBLE AS mean_gap_days,
    9.9::DOUBLE AS mean_price
FROM dates, marts.dim_users;
CREATE TABLE features.feat_user_item AS
SELECT as_of, user_id, item_id, 3 AS n_days, 2 AS n_days_28d, 3 AS n_days_91d, 3 AS quantity,
    1 AS days_since_last, 4.0::DOUBLE AS mean_gap_days, 1.7::DOUBLE AS decayed_count
FROM dates, marts.fct_interactions;
CREATE TABLE features.feat_user_category AS
SELECT as_of, user_id, category, 2 AS n_days, 0.5::DOUBLE AS share, 1 AS days_since_last
FROM dates, marts.dim_users, (VALUES ('Home > Tea'), ('Home > Pots')) AS c(category);
CREATE TABLE features.feat_user_brand AS
SELECT as_of, user_id, 'Kettle & Co' AS brand, 2 AS n_days, 1::DOUBLE AS share
FROM dates, marts.dim_users;
CREATE TABLE features.feat_replenishment AS
SELECT DATE '2026-05-31' AS as_of, 'Home > Tea' AS category, 3.0::DOUBLE AS replenished_after_days,
    false AS is_once_only;
CREATE TABLE features.feat_catalogue AS
SELECT as_of, item_id, title, category, brand, price, true AS is_offerable
FROM dates, marts.dim_items;

CREATE TABLE recommendations.rec_for_you AS
SELECT DATE '2026-05-31' AS night, 'for_you' AS placement, 'user' AS context_type,
    'u' || n AS context_id, r::INTEGER AS rank, 'i' || (n + r) % 12 AS item_id,
    (1.0 / r)::DOUBLE AS score, 'item_knn' AS source, 'similar' AS reason_code,
    ['i' || n % 12] AS evidence, 'abc' AS model_fingerprint, false AS is_exploration,
    1.0::DOUBLE AS propensity
FROM range(24) AS users(n), range(1, 5) AS ranks(r);
CREATE TABLE recommendations.rec_discover AS
SELECT * REPLACE ('discover' AS placement, propensity - 0.25 AS propensity) FROM recommendations.rec_for_you;
-- A quarter of its slots is left to chance: of user n the slot 1 + n % 4, which shows one of five items.
UPDATE recommendations.rec_discover SET is_exploration = true, propensity = 0.05, evidence = [],
    source = 'exploration', reason_code = 'exploring'
WHERE rank = 1 + substr(context_id, 2)::INTEGER % 4;
CREATE TABLE recommendations.rec_buy_again AS
SELECT * REPLACE ('buy_again' AS placement, evidence[1] AS item_id)
FROM recommendations.rec_for_you WHERE rank = 1;
CREATE TABLE recommendations.rec_similar_items AS
SELECT * REPLACE ('similar_items' AS placement, 'item' AS context_type, evidence[1] AS context_id)
FROM recommendations.rec_for_you WHERE substr(context_id, 2)::INTEGER < 12;
CREATE TABLE recommendations.rec_bought_together AS
SELECT * REPLACE ('bought_together' AS placement) FROM recommendations.rec_similar_items;
CREATE TABLE recommendations.rec_popular AS
SELECT * REPLACE ('popular' AS placement, 'all' AS context_type, 'all' AS context_id,
    CASE WHEN rank = 1 THEN 'rules' ELSE source END AS source)
FROM recommendations.rec_for_you WHERE context_id = 'u0';
CREATE TABLE recommendations.rec_cart AS
SELECT * REPLACE ('cart' AS placement) FROM recommendations.rec_similar_items
UNION ALL SELECT * REPLACE ('cart' AS placement, 'pair' AS context_type, 'i10 + i11' AS context_id,
    ['i10', 'i11'] AS evidence) FROM recommendations.rec_for_you WHERE context_id = 'u0';
CREATE TABLE recommendations.rec_next_category AS
SELECT * REPLACE ('next_category' AS placement, ['Home > Tea'] AS evidence) FROM recommendations.rec_for_you;
CREATE TABLE recommendations.rec_on_sale AS
SELECT * REPLACE ('on_sale' AS placement) FROM recommendations.rec_for_you
UNION ALL SELECT * REPLACE ('on_sale' AS placement) FROM recommendations.rec_popular;
CREATE TABLE recommendations.rec_trending AS
SELECT * REPLACE ('trending' AS placement) FROM recommendations.rec_popular;
CREATE TABLE recommendations.rec_new_arrivals AS
SELECT * REPLACE ('new_arrivals' AS placement) FROM recommendations.rec_popular;
CREATE TABLE recommendations.rec_cold_start AS
SELECT * REPLACE ('cold_start' AS placement) FROM recommendations.rec_popular;

CREATE SCHEMA audience;
CREATE TABLE audience.user_profiles AS
SELECT DATE '2026-05-31' AS night, user_id, DATE '2026-05-20' AS first_on, DATE '2026-05-30' AS last_on,
    1 AS days_since_last, 4.0::DOUBLE AS typical_gap_days, 3 AS n_dates, 3.0::DOUBLE AS dates_per_28d,
    3 AS n_lines, 1 AS n_items, 1.0::DOUBLE AS lines_per_date, 1.0::DOUBLE AS repeat_share,
    29.7::DOUBLE AS spend, 9.9::DOUBLE AS spend_per_date, 0.5::DOUBLE AS price_level, 2 AS n_categories,
    'Home > Tea' AS top_category, 0.5::DOUBLE AS top_category_share, 1 AS n_brands, 'Acme' AS top_brand,
    1.0::DOUBLE AS top_brand_share, 'Saturday' AS top_weekday, 1.0::DOUBLE AS top_weekday_share,
    1.0::DOUBLE AS weekend_share, 'evening' AS top_day_part, 1.0::DOUBLE AS top_day_part_share,
    1.0::DOUBLE AS evening_share
FROM marts.dim_users;
CREATE TABLE audience.user_interest_history AS
SELECT DATE '2026-05-31' AS night, user_id, DATE '2026-05-01' AS month, category, 2 AS n_lines,
    0.5::DOUBLE AS share, place::INTEGER AS rank, NULL::DOUBLE AS share_before, NULL::DOUBLE AS change,
    NULL::DOUBLE AS drift, 'steady' AS trend, NULL::DATE AS month_before, false AS is_whole_month
FROM marts.dim_users, (VALUES ('Home > Tea', 1), ('Home > Pots', 2)) AS c(category, place);
CREATE TABLE audience.user_interest_forecast AS
SELECT DATE '2026-05-31' AS night, user_id, place::INTEGER AS rank, category,
    0.5::DOUBLE AS probability, 0.5::DOUBLE AS share_lately, 'last_month' AS source
FROM marts.dim_users, (VALUES ('Home > Tea', 1), (NULL, 2)) AS c(category, place);
CREATE TABLE audience.user_segments AS
SELECT DATE '2026-05-31' AS night, user_id, 1::INTEGER AS segment, 'often' AS name FROM marts.dim_users;
CREATE TABLE audience.user_churn_risk AS
SELECT DATE '2026-05-31' AS night, user_id, 0.25::DOUBLE AS probability, 'medium' AS risk,
    1 AS days_since_last, 4.0::DOUBLE AS typical_gap_days, 0.25::DOUBLE AS gaps_since_last,
    28 AS horizon_days, '1 day since the last, usually 4 days apart' AS reason, 'logistic' AS source
FROM marts.dim_users;
CREATE TABLE audience.audiences AS
SELECT DATE '2026-05-31' AS night, 'at risk' AS audience, 'lapse' AS kind, NULL::VARCHAR AS subject,
    user_id, 0.25::DOUBLE AS probability, '1 day since the last' AS why FROM marts.dim_users
UNION ALL SELECT DATE '2026-05-31', 'newcomers', 'newcomer', NULL, user_id, NULL, 'first here' FROM marts.dim_users;
"""


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Path:
    """A directory with `night.duckdb` and, beside it, `previous/` as published last night."""
    root = tmp_path_factory.mktemp("healthy")
    (root / "previous").mkdir()
    with duckdb.connect(str(root / "night.duckdb")) as connection:
        connection.execute(HEALTHY)
        for (shelf,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recommendations'"
        ).fetchall():
            target = root / "previous" / f"{shelf}.parquet"
            connection.execute(
                f"COPY (SELECT * REPLACE (DATE '2026-05-30' AS night, 0.99 * score AS score)"
                f" FROM recommendations.{shelf}) TO '{target}' (FORMAT parquet)"
            )
    return root


@pytest.fixture
def attempt(healthy: Path, tmp_path: Path) -> Attempt:
    """An attempt at the night whose database is a copy of the healthy one."""
    attempt = Home(tmp_path / "home of {a} shop: 50% off, $x").shop("tea").attempt(NIGHT, 1)
    attempt.root.mkdir(parents=True)
    shutil.copy(healthy / "night.duckdb", attempt.database)
    return attempt


@pytest.fixture
def context(healthy: Path) -> DoorContext:
    return DoorContext(
        night=NIGHT,
        as_of_utc=AS_OF,
        zone=ZoneInfo("Europe/Berlin"),
        previous=healthy / "previous",
        now_utc=NOW,
        catalogue_before=(SMALL_CATALOGUE,),
        rules=Rules(
            withhold_bought=True, max_per_brand=2, max_per_category=4, max_per_price_band=1,
            lines=[Line(rule="block", subject="brand", value="Crook"),
                   Line(rule="pin", value="i1", placement="popular", rank=1)],
        ),
        exploration=Exploration(budget=Budget(discover=0.25)),
    )  # fmt: skip


@pytest.fixture
def spoil(attempt: Attempt):
    """Run SQL on the attempt's database, in a connection that is closed again."""

    def run(sql: str) -> None:
        with duckdb.connect(str(attempt.database)) as connection:
            connection.execute(sql)

    return run
