"""Nights on which something out of the ordinary happened that is no fault: each of them passes.

The ordinary ones, of shops of all sizes, are in `test_mutations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import duckdb
import pytest

from tests.doors.conftest import WHOLE_CATALOGUE
from tests.doors.test_mutations import DAY, SHOP, context_of, stops, undone
from tests.support.clickstream import Clickstream, make

pytestmark = pytest.mark.long

MIDNIGHT = "TIMESTAMP '2026-05-30 00:00:00'"


def burst(begins: str, minutes: int, of_ten: int) -> str:
    """Visits by new visitors, with so many in ten of the day's views, within some minutes."""
    return f"""
        INSERT INTO landed.events BY NAME SELECT * REPLACE (
            'burst-' || event_id AS event_id, NULL AS user_id, 'new-' || session_id AS anonymous_id,
            'new-' || session_id AS session_id,
            {MIDNIGHT} + INTERVAL '{begins}' + to_seconds(hash(event_id) % {60 * minutes})
                AS occurred_at
        ) FROM landed.events {DAY} AND event_type = 'view' AND row_number % 10 < {of_ten}"""


def bulk_order(visitor: str) -> str:
    """An order of 400 lines of 50 pieces, all at one moment."""
    return f"""
        INSERT INTO landed.events BY NAME SELECT * REPLACE (
            'bulk-' || event_id AS event_id, 'purchase' AS event_type, 'company' AS user_id,
            {visitor} AS anonymous_id, {visitor} AS session_id, 'bulk' AS order_id, 50 AS quantity,
            NULL AS position, {MIDNIGHT} + INTERVAL 11 HOUR AS occurred_at
        ) FROM landed.events {DAY} AND event_type = 'view' LIMIT 400"""


NIGHTS = [
    ("a newsletter that brings 60 % more views in one hour", burst("10:00:00", 60, 6)),
    ("a TV spot that doubles the views within half an hour", burst("20:15:00", 30, 10)),
    ("a TV spot on both sides of a full hour", burst("19:45:00", 30, 10)),
    ("a company's order, sent by a machine without a session", bulk_order("NULL")),
    ("a company's order, made on the site", bulk_order("'company'")),
    (
        "a free sample in every fourth order",
        f"UPDATE landed.events SET price = 0 {DAY} AND hash(order_id) % 4 = 0 AND row_number % 2 = 0",
    ),
    (
        "visitors who keep their user's id when they log out",
        "UPDATE landed.events SET anonymous_id = user_id WHERE user_id IS NOT NULL; "
        "UPDATE landed.events SET user_id = NULL WHERE user_id IS NOT NULL AND row_number % 5 = 0",
    ),
]


@pytest.fixture(scope="module")
def shop() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        make(db, SHOP)
        yield db


@pytest.mark.parametrize(("what", "sql"), NIGHTS, ids=[what for what, _ in NIGHTS])
def test_a_night_out_of_the_ordinary_passes(what, sql, shop):
    with undone(shop):
        shop.execute(sql)
        assert stops(shop, context_of(SHOP)) == []


@pytest.mark.parametrize("size", [600, 2000])
@pytest.mark.parametrize("weeks", [2, 3, 4])
@pytest.mark.parametrize("days_after", [1, 2, 3])
def test_the_days_after_weeks_of_sale_pass(size, weeks, days_after):
    """Three times the visits for weeks, then none of it: no loss."""
    begun = 1 + days_after
    shop = Clickstream(events_per_day=size, sale=tuple(range(begun, begun + 7 * weeks)))
    with duckdb.connect() as db:
        make(db, shop)
        assert stops(db, context_of(shop)) == []


def test_half_a_day_lost_after_weeks_of_sale_stops_the_night():
    shop = Clickstream(sale=tuple(range(2, 30)))
    with duckdb.connect() as db:
        make(db, shop)
        db.execute(f"DELETE FROM landed.events {DAY} AND row_number % 2 = 0")
        assert "days_have_their_usual_volume" in stops(db, context_of(shop))


def test_staff_on_a_closed_sunday_are_no_short_day():
    shop = Clickstream(night=date(2026, 6, 1), closed_weekday=7)
    with duckdb.connect() as db:
        make(db, shop)
        db.execute(
            "INSERT INTO landed.events BY NAME SELECT * REPLACE (1 AS days_before, "
            "'staff-' || event_id AS event_id, 'staff' AS user_id, TIMESTAMP '2026-05-31 11:00:00' "
            "+ to_seconds(1000 * row_number) AS occurred_at) "
            "FROM landed.events WHERE days_before = 2 LIMIT 6"
        )
        assert stops(db, context_of(shop)) == []
        db.execute("DELETE FROM landed.events WHERE days_before = 2 AND row_number > 6")
        db.execute("DELETE FROM landed.events WHERE days_before = 1")
        assert stops(db, context_of(shop)) == ["days_have_their_usual_volume"]  # a Saturday


def test_a_campaign_that_triples_the_views_takes_no_purchases_away(shop):
    with undone(shop):
        for n in (0, 8, 16):
            shop.execute(burst(f"{n:02}:00:00", 480, 10).replace("burst-", f"burst-{n}-"))
        assert "event_types_keep_their_mix" not in stops(shop, context_of(SHOP))


@pytest.mark.parametrize(
    "numbered",
    [
        "event_id = row_number::VARCHAR",
        "event_id = (row_number // 2)::VARCHAR, source = 'shop ' || row_number % 2",
    ],
    ids=["each day anew", "by each source"],
)
def test_ids_that_are_no_copies_of_each_other_may_be_alike(numbered, shop):
    with undone(shop):
        shop.execute(f"UPDATE landed.events SET {numbered}")
        assert "event_ids_seldom_repeat" not in stops(shop, context_of(SHOP))


@pytest.mark.parametrize(
    ("in_stock", "sold_and_kept", "before", "stopped"),
    [
        (16, 0, 0.042, False),
        (16, 0, 0.9, True),
        (16, 0, None, True),
        (20, 400, None, False),
    ],
    ids=["as ever", "less than ever", "first night, nearly nothing", "first night, a list's worth"],
)
def test_a_catalogue_may_keep_what_was_sold(in_stock, sold_and_kept, before, stopped, shop):
    published = () if before is None else (WHOLE_CATALOGUE | {"in_stock": before},)
    with undone(shop):
        shop.execute(
            f"UPDATE landed.items SET in_stock = row_number <= {in_stock};"
            " INSERT INTO landed.items BY NAME SELECT * REPLACE ('sold ' || item_id AS item_id, false AS in_stock)"
            f" FROM landed.items LIMIT {sold_and_kept}"
        )
        found = stops(shop, replace(context_of(SHOP), catalogue_before=published))
        assert ("catalogue_is_in_stock" in found) is stopped


CATALOGUES = [
    ("catalogue_titles_differ", "SET title = 'Untitled'"),
    ("catalogue_titles_are_not_ids", "SET title = item_id"),
    ("catalogue_keeps_its_categories", "SET category_path = NULL"),
    ("catalogue_categories_differ", "SET category_path = 'All'"),
    ("catalogue_knows_its_stock", "SET in_stock = NULL, stock_qty = NULL"),
]


@pytest.mark.parametrize(("rule", "fault"), CATALOGUES, ids=[rule for rule, _ in CATALOGUES])
def test_before_any_night_is_published_a_catalogue_is_compared_with_its_version_before(
    rule, fault, shop
):
    first_night = replace(context_of(SHOP), catalogue_before=())
    with undone(shop):
        shop.execute(
            "INSERT INTO landed.items BY NAME SELECT * REPLACE ('f-new' AS file_id,"
            " TIMESTAMP '2026-05-20' AS updated_at) FROM landed.items;"
            " UPDATE landed.items SET updated_at = '2026-05-01' WHERE updated_at IS NULL;"
            " INSERT INTO raw.files SELECT * REPLACE ('f-new' AS file_id) FROM raw.files WHERE kind = 'items'"
        )
        assert stops(shop, first_night) == []
        shop.execute(f"UPDATE landed.items {fault} WHERE file_id = 'f-new'")
        assert stops(shop, first_night) == [rule]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("catalogue", "NULL AS title, NULL AS category_path, NULL AS in_stock"),
        ("prices", "NULL AS title, NULL AS category_path, NULL AS in_stock"),
        ("prices", "NULL AS category_path, NULL AS in_stock"),
    ],
    ids=["in the catalogue", "beside it", "with titles"],
)
def test_a_daily_price_list_takes_no_titles_categories_or_stock_away(source, line, shop):
    with undone(shop):
        shop.execute(
            "UPDATE landed.items SET updated_at = '2026-05-01';"
            f" INSERT INTO landed.items BY NAME SELECT * REPLACE ({line}, NULL AS stock_qty,"
            " 'f-new' AS file_id, TIMESTAMP '2026-05-20' AS updated_at) FROM landed.items;"
            f" INSERT INTO raw.files SELECT * REPLACE ('f-new' AS file_id, '{source}' AS source)"
            " FROM raw.files WHERE kind = 'items'"
        )
        for before in ((), (WHOLE_CATALOGUE,)):
            assert stops(shop, replace(context_of(SHOP), catalogue_before=before)) == []


@pytest.mark.parametrize("file_id", ["a-new", "z-new"])
def test_of_catalogues_without_times_the_one_that_is_last_by_name_is_judged(file_id, shop):
    with undone(shop):
        shop.execute(
            "INSERT INTO landed.items BY NAME SELECT * REPLACE (false AS in_stock, 0 AS stock_qty,"
            f" '{file_id}' AS file_id) FROM landed.items;"
            f" INSERT INTO raw.files SELECT * REPLACE ('{file_id}' AS file_id, 'items2.csv' AS name)"
            " FROM raw.files WHERE kind = 'items'"
        )
        assert stops(shop, context_of(SHOP)) == ["catalogue_is_in_stock"]


CLAIMED = """
INSERT INTO landed.items BY NAME
SELECT * REPLACE ('f-orders' AS file_id, TIMESTAMP '2026-05-01' AS updated_at, NULL AS in_stock,
    NULL AS stock_qty)
FROM landed.items;
INSERT INTO raw.files SELECT * REPLACE ('f-orders' AS file_id, 'orders' AS source, true AS is_claim)
FROM raw.files WHERE kind = 'items'
"""
"""Order lines name all items of the catalogue, too."""


def test_half_of_a_catalogue_is_missed_though_order_lines_name_all_of_its_items(shop):
    with undone(shop):
        shop.execute(CLAIMED)
        assert stops(shop, context_of(SHOP)) == []
        shop.execute("DELETE FROM landed.items WHERE file_id = 'f-items' AND row_number > 200")
        assert stops(shop, context_of(SHOP)) == ["catalogue_keeps_its_size"]
        shop.execute("DELETE FROM landed.items WHERE file_id = 'f-items'")
        assert "catalogue_is_filled" in stops(shop, context_of(SHOP))


def test_a_catalogue_of_other_ids_is_found_though_order_lines_name_what_is_sold(shop):
    with undone(shop):
        shop.execute(CLAIMED)
        shop.execute(
            "UPDATE landed.items SET item_id = 'sku-' || item_id WHERE file_id = 'f-items'"
        )
        assert stops(shop, context_of(SHOP)) == ["catalogue_knows_the_items_sold"]


def test_what_order_lines_say_is_all_that_a_shop_without_a_catalogue_knows(shop):
    with undone(shop):
        shop.execute("UPDATE raw.files SET is_claim = true WHERE kind = 'items'")
        assert stops(shop, context_of(SHOP)) == []
