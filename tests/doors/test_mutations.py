"""Sixty faults in otherwise clean nights: each stops the night, under the right rule's name. And sixty
clean nights, of shops of all sizes, in which nothing stops.

The raw faults are planted in a shop of 2,000 events a day, the others in the small healthy shop of
`conftest.py`. The rules are judged by their own SQL, without Great Expectations, whose start would
be paid a hundred times; `test_the_doors_agree_with_their_sql` compares both ways on some of them.
`NIGHTSHELF_LONG=1` judges six hundred clean nights.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pytest

from nightshelf.doors import DoorContext, check, profile
from nightshelf.errors import DoorClosed
from nightshelf.paths import Home
from tests.doors.conftest import NIGHT, WHOLE_CATALOGUE
from tests.support.clickstream import Clickstream, make
from tests.support.rules import broken

SHOP = Clickstream()
LONG = bool(os.environ.get("NIGHTSHELF_LONG"))

DAY = "WHERE days_before = 1"
COPY = "INSERT INTO landed.events BY NAME SELECT * REPLACE"
BOT = "'bot' AS user_id, 'bot' AS anonymous_id"

RAW = [
    # what is planted, the rule that must be named, SQL
    (
        "half of the rows lost",
        "days_have_their_usual_volume",
        f"DELETE FROM landed.events {DAY} AND row_number % 2 = 0",
    ),
    (
        "half of the visitors lost",
        "days_have_their_usual_volume",
        f"DELETE FROM landed.events {DAY} AND hash(anonymous_id) % 2 = 0",
    ),
    (
        "user_id and item_id swapped",
        "items_are_known",
        f"UPDATE landed.events SET user_id = item_id, item_id = coalesce(user_id, 'none') {DAY}",
    ),
    (
        "price and quantity swapped",
        "prices_keep_their_level",
        f"UPDATE landed.events SET price = quantity, quantity = price::BIGINT {DAY} "
        "AND quantity IS NOT NULL",
    ),
    (
        "cents for euros",
        "prices_keep_their_level",
        f"UPDATE landed.events SET price = price * 100 {DAY}",
    ),
    (
        "a stuck clock",
        "the_clock_runs",
        f"UPDATE landed.events SET occurred_at = TIMESTAMP '2026-05-30 12:00:00' {DAY}",
    ),
    (
        "a day twice, under new ids",
        "few_rows_are_repeated",
        f"{COPY} ('again-' || event_id AS event_id) FROM landed.events {DAY}",
    ),
    (
        "the day before's file under the day's name",
        "days_are_not_copies",
        f"DELETE FROM landed.events {DAY}; "
        f"{COPY} ('c-' || event_id AS event_id, occurred_at + INTERVAL 1 DAY AS occurred_at, "
        "1 AS days_before) FROM landed.events WHERE days_before = 2",
    ),
    (
        "all user ids null",
        "columns_are_filled_as_usual",
        f"UPDATE landed.events SET user_id = NULL {DAY}",
    ),
    (
        "prices null in purchases alone",
        "columns_are_filled_as_usual",
        f"UPDATE landed.events SET price = NULL {DAY} AND event_type = 'purchase'",
    ),
    (
        "ghost items",
        "items_are_known",
        f"UPDATE landed.events SET item_id = 'ghost-' || item_id {DAY} AND row_number % 3 = 0",
    ),
    (
        "item ids cut to three characters",
        "items_are_known",
        f"UPDATE landed.events SET item_id = left(item_id, 3) {DAY}",
    ),
    (
        "item ids in a broken encoding",
        "items_are_known",
        f"UPDATE landed.events SET item_id = replace(item_id, '-', 'Ã¢') {DAY}",
    ),
    (
        "user ids under a new salt",
        "users_come_back",
        f"UPDATE landed.events SET user_id = md5(user_id || 'salt') {DAY}",
    ),
    (
        "visitor ids cut to seven characters",
        "ids_vary_as_usual",
        "UPDATE landed.events SET user_id = left(user_id, 7), "
        f"anonymous_id = left(anonymous_id, 7) {DAY}",
    ),
    (
        "session ids constant",
        "ids_vary_as_usual",
        f"UPDATE landed.events SET session_id = 'undefined' {DAY}",
    ),
    (
        "order ids constant",
        "ids_vary_as_usual",
        f"UPDATE landed.events SET order_id = '0' {DAY} AND order_id IS NOT NULL",
    ),
    (
        "the clock six hours ahead",
        "days_have_their_usual_hours",
        f"UPDATE landed.events SET occurred_at = occurred_at + INTERVAL 6 HOUR {DAY}",
    ),
    (
        "seconds read as milliseconds",
        "few_events_are_from_long_ago",
        f"UPDATE landed.events SET occurred_at = make_timestamp(epoch_ms(occurred_at)) {DAY}",
    ),
    (
        "milliseconds read as seconds",
        "few_events_are_from_the_future",
        f"UPDATE landed.events SET occurred_at = occurred_at + INTERVAL 55000 YEAR {DAY}",
    ),
    (
        "one hour missing",
        "days_have_their_usual_hours",
        f"DELETE FROM landed.events {DAY} AND hour(occurred_at) = 19",
    ),
    (
        "no purchases",
        "event_types_keep_their_mix",
        f"DELETE FROM landed.events {DAY} AND event_type = 'purchase'",
    ),
    (
        "one category gone",
        "categories_keep_their_mix",
        f"DELETE FROM landed.events {DAY} AND item_id IN "
        "(SELECT item_id FROM landed.items WHERE category_path LIKE 'Cups%')",
    ),
    (
        "the sign of prices flipped",
        "prices_keep_their_sign",
        f"UPDATE landed.events SET price = -price {DAY}",
    ),
    (
        "another currency",
        "currency_is_single",
        f"UPDATE landed.events SET currency = 'USD' {DAY}",
    ),
    (
        "a robot with as many events as everybody",
        "no_visitor_outweighs_the_day",
        f"{COPY} ('bot-' || event_id AS event_id, {BOT}, occurred_at + INTERVAL 7 SECOND "
        f"AS occurred_at) FROM landed.events {DAY} AND event_type = 'view'",
    ),
    (
        "a load test left in",
        "little_traffic_is_marked",
        f"{COPY} ('t-' || event_id AS event_id, 'test' AS traffic, occurred_at + INTERVAL 7 SECOND "
        f"AS occurred_at) FROM landed.events {DAY} AND row_number % 2 = 0",
    ),
    (
        "a default item in two of three events",
        "no_item_outweighs_the_day",
        f"UPDATE landed.events SET item_id = 'sku-0001' {DAY} AND row_number % 3 > 0",
    ),
    (
        "quantities all nought",
        "quantities_keep_their_level",
        f"UPDATE landed.events SET quantity = 0 {DAY} AND quantity IS NOT NULL",
    ),
    (
        "quantities all a thousand",
        "quantities_keep_their_level",
        f"UPDATE landed.events SET quantity = 1000 {DAY} AND quantity IS NOT NULL",
    ),
    (
        "items shuffled among the events",
        "items_keep_their_price",
        "UPDATE landed.events SET item_id = other.item_id FROM (SELECT event_id, "
        "lead(item_id, 1, 'sku-0001') OVER (ORDER BY hash(event_id)) AS item_id "
        f"FROM landed.events {DAY}) AS other WHERE landed.events.event_id = other.event_id",
    ),
    (
        "one whole file refused among good ones",
        "no_new_file_is_mostly_quarantined",
        "UPDATE raw.files SET accepted = 0, quarantined = rows_read WHERE file_id = 'f-1'",
    ),
    (
        "prices all nought",
        "prices_are_seldom_nought",
        f"UPDATE landed.events SET price = 0 {DAY}",
    ),
    (
        "prices nought in purchases alone",
        "prices_are_seldom_nought",
        f"UPDATE landed.events SET price = 0 {DAY} AND event_type = 'purchase'",
    ),
    (
        "the sign of quantities flipped",
        "quantities_keep_their_sign",
        f"UPDATE landed.events SET quantity = -quantity {DAY} AND event_type = 'purchase'",
    ),
    (
        "users and visitors both numbered from one",
        "visitor_ids_are_not_user_ids",
        "UPDATE landed.events SET user_id = regexp_extract(user_id, '[0-9]+')::INTEGER::VARCHAR, "
        "anonymous_id = (split_part(anonymous_id, '-', 2)::INTEGER + 1)::VARCHAR",
    ),
    (
        "four of five purchases lost",
        "event_types_keep_their_mix",
        f"DELETE FROM landed.events {DAY} AND event_type = 'purchase' AND row_number % 5 > 0",
    ),
    (
        "one order id in a third of the orders",
        "orders_belong_to_one_visitor",
        f"UPDATE landed.events SET order_id = '0' {DAY} AND hash(order_id) % 3 = 0",
    ),
    ("the catalogue emptied", "catalogue_is_filled", "DELETE FROM landed.items"),
    (
        "two thirds of the catalogue gone",
        "catalogue_keeps_its_size",
        "DELETE FROM landed.items WHERE row_number % 3 > 0",
    ),
    (
        "a third of the catalogue gone",
        "catalogue_keeps_its_size",
        "DELETE FROM landed.items WHERE row_number % 3 = 0",
    ),
    (
        "one title for all items",
        "catalogue_titles_differ",
        "UPDATE landed.items SET title = 'Untitled'",
    ),
    (
        "ids for titles",
        "catalogue_titles_are_not_ids",
        "UPDATE landed.items SET title = item_id",
    ),
    (
        "no categories",
        "catalogue_keeps_its_categories",
        "UPDATE landed.items SET category_path = NULL",
    ),
    (
        "one category for all items",
        "catalogue_categories_differ",
        "UPDATE landed.items SET category_path = 'All'",
    ),
    (
        "stock unknown",
        "catalogue_knows_its_stock",
        "UPDATE landed.items SET in_stock = NULL, stock_qty = NULL",
    ),
    (
        "everything out of stock",
        "catalogue_is_in_stock",
        "UPDATE landed.items SET in_stock = false",
    ),
    (
        "not a piece left",
        "catalogue_is_in_stock",
        "UPDATE landed.items SET in_stock = NULL, stock_qty = 0",
    ),
    (
        "the catalogue in cents",
        "catalogue_prices_match_the_events",
        "UPDATE landed.items SET price = price * 100",
    ),
    ("titles blank", "catalogue_keeps_its_titles", "UPDATE landed.items SET title = ''"),
    (
        "the catalogue's ids under a prefix",
        "catalogue_knows_the_items_sold",
        "UPDATE landed.items SET item_id = 'p/' || item_id",
    ),
]

FEATURES = [
    (
        "a feature that sees its own day",
        "feat_user_sees_strictly_before",
        "UPDATE features.feat_user SET days_since_last = 0 WHERE user_id = 'u1'",
    ),
    (
        "features doubled by a join",
        "feat_user_item_key_is_unique",
        "INSERT INTO features.feat_user_item FROM features.feat_user_item",
    ),
    (
        "a window of negative length",
        "feat_item_windows_are_nested",
        "UPDATE features.feat_item SET n_buyers_7d = -1 WHERE item_id = 'i1'",
    ),
    (
        "shares above one",
        "feat_user_category_share_is_a_share",
        "UPDATE features.feat_user_category SET share = 1.5 WHERE user_id = 'u1'",
    ),
]

SHELVES = [
    (
        "two items in one place",
        "each_place_holds_one_item",
        "UPDATE recommendations.rec_popular SET rank = 1 WHERE rank = 2",
    ),
    ("an empty shelf", "shelves_are_not_empty", "DELETE FROM recommendations.rec_similar_items"),
    (
        "an item out of stock on a shelf",
        "nobody_is_offered_an_item_out_of_stock",
        "UPDATE marts.dim_items SET in_stock = false WHERE item_id = 'i5'",
    ),
    (
        "one item first for everybody",
        "no_single_item_leads_for_everybody",
        "UPDATE recommendations.rec_for_you SET item_id = 'i1' WHERE rank = 1",
    ),
    (
        "a score that is no number",
        "scores_are_finite",
        "UPDATE recommendations.rec_for_you SET score = 'nan' WHERE context_id = 'u1'",
    ),
    (
        "last night's shelves under tonight's date",
        "shelves_are_not_last_nights",
        "DELETE FROM recommendations.rec_for_you; INSERT INTO recommendations.rec_for_you "
        "SELECT * REPLACE (DATE '2026-05-31' AS night) FROM read_parquet('{previous}/rec_for_you.parquet')",
    ),
    (
        "somebody else's purchase given as the reason",
        "evidence_on_a_users_shelf_is_the_users_own",
        "UPDATE recommendations.rec_on_sale SET evidence = ['i7'] WHERE context_id = 'u1'",
    ),
    (
        "a cart completed with what lies in it",
        "no_item_recommends_itself",
        "UPDATE recommendations.rec_cart SET item_id = 'i11' WHERE context_type = 'pair' AND rank = 2",
    ),
]

FAULTS = [*RAW, *FEATURES, *SHELVES]


def test_there_are_sixty_faults():
    assert len({what for what, _, _ in FAULTS}) == len(FAULTS) >= 60


@pytest.fixture(scope="module")
def shop() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        make(db, SHOP)
        yield db


@contextmanager
def undone(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("ROLLBACK")


def context_of(shop: Clickstream) -> DoorContext:
    return DoorContext(
        night=shop.night,
        as_of_utc=shop.as_of,
        now_utc=shop.as_of,
        catalogue_before=(WHOLE_CATALOGUE,) if shop.night == SHOP.night else (),
    )


def stops(db: duckdb.DuckDBPyConnection, context: DoorContext) -> list[str]:
    """The rules of door raw that refuse what the connection holds; it is measured first."""
    profile.measure(db, context)
    return broken(db, importlib.import_module("expectations.raw").rules(context))


@pytest.mark.parametrize(("what", "rule", "sql"), RAW, ids=[what for what, _, _ in RAW])
def test_a_fault_in_what_arrived_stops_the_night(what, rule, sql, shop):
    with undone(shop):
        shop.execute(sql)
        assert rule in stops(shop, context_of(SHOP))


def test_a_shop_that_allows_large_lines_is_believed(shop):
    context = context_of(SHOP)
    with undone(shop):
        shop.execute("UPDATE landed.events SET quantity = 900_000 WHERE row_number % 100 = 0")
        assert "quantities_are_plausible" in stops(shop, context)
        allowed = stops(shop, replace(context, max_quantity=1_000_000))
        assert "quantities_are_plausible" not in allowed


def test_a_shop_in_whose_money_everything_is_dear_is_told_so_before_its_purchases_are_dropped(shop):
    context = context_of(SHOP)
    with undone(shop):
        shop.execute("UPDATE landed.events SET price = price * 20_000")
        assert "prices_are_plausible" in stops(shop, context)
        assert "prices_are_plausible" not in stops(shop, replace(context, max_price=10_000_000))
        shop.execute(
            "UPDATE landed.events SET price = 1 WHERE event_type IN ('purchase', 'refund')"
        )
        assert "prices_are_plausible" not in stops(shop, context)


@pytest.mark.parametrize(
    ("of", "rule"),
    [(DAY, "few_rows_are_repeated"), ("", "event_ids_seldom_repeat")],
    ids=["a day", "all"],
)
def test_what_was_delivered_twice_stops_no_night_once_one_of_the_files_is_gone(of, rule, shop):
    context = context_of(SHOP)
    with undone(shop):
        shop.execute(f"{COPY} ('twin' AS file_id) FROM landed.events {of}")
        assert rule in stops(shop, context)
        assert stops(shop, replace(context, gone_files=("twin",))) == []


def test_the_day_before_s_file_under_the_day_s_name_stops_the_night_whatever_is_gone(shop):
    with undone(shop):
        shop.execute(
            f"UPDATE landed.events SET file_id = 'old' WHERE days_before > 1; DELETE FROM landed.events {DAY}"
        )
        shop.execute(
            f"{COPY} ('new' AS file_id, occurred_at + INTERVAL 1 DAY AS occurred_at, 1 AS days_before)"
            " FROM landed.events WHERE days_before = 2"
        )
        assert "days_are_not_copies" in stops(shop, replace(context_of(SHOP), gone_files=("old",)))


def test_a_day_that_was_delivered_under_new_ids_stops_the_night_wherever_its_file_is(shop):
    with undone(shop):
        shop.execute(
            f"{COPY} ('twin' AS file_id, 'n' || event_id AS event_id) FROM landed.events {DAY}"
        )
        assert "few_rows_are_repeated" in stops(
            shop, replace(context_of(SHOP), gone_files=("twin",))
        )


@pytest.mark.parametrize(
    ("door", "fault"),
    [*(("features", f) for f in FEATURES), *(("shelves", f) for f in SHELVES)],
    ids=[what for what, _, _ in [*FEATURES, *SHELVES]],
)
def test_a_fault_in_what_was_made_stops_the_night(door, fault, attempt, context):
    _, rule, sql = fault
    with duckdb.connect(str(attempt.database)) as db:
        db.execute(sql.replace("{previous}", str(context.previous)))
        assert rule in broken(db, importlib.import_module(f"expectations.{door}").rules(context))


def clean_shops() -> list[tuple[Clickstream, list[int]]]:
    """Shops, and how many days before their last night further nights are judged."""
    sizes = (200, 350, 600, 1000, 1800, 3000, 5000, 400, 800, 1400, 250, 500)
    shops = []
    for seed in range(120 if LONG else 12):
        size = sizes[seed % len(sizes)]
        shops.append(
            Clickstream(
                seed=100 + seed,
                events_per_day=size,
                night=date(2026, 1, 5) + timedelta(days=11 * (seed % 30)),
                growth_per_week=(0.0, 0.02, -0.02, 0.05)[seed % 4],
                dips=(1, 20, 33) if size > 1500 and seed % 2 else (21,),
                sale=(3,) if seed % 3 == 0 else (),
                closed_weekday=6 if seed % 5 == 4 else None,
            )
        )
    return [(shop, [0, 1, 2, 3, 11]) for shop in shops]


@pytest.mark.long
def test_sixty_clean_nights_pass():
    """Weekends, growth, decline, dips, sales, closed days, new visitors: ordinary life."""
    nights, stopped = 0, []
    for shop, back in clean_shops():
        with duckdb.connect() as db:
            make(db, shop)
            for days in back:
                night = replace(shop, night=shop.night - timedelta(days=days))
                with undone(db):
                    db.execute(f"DELETE FROM landed.events WHERE days_before <= {days}")
                    found = stops(db, context_of(night))
                nights += 1
                stopped += [(shop, days, found)] if found else []
    assert nights >= 60
    assert stopped == []


@pytest.mark.parametrize("number", [None, 4, 21])
def test_the_doors_agree_with_their_sql(number, shop, tmp_path):
    """The same night through Great Expectations, and through the rules' own SQL."""
    attempt = Home(tmp_path).shop("clickstream").attempt(NIGHT, 1)
    attempt.root.mkdir(parents=True)
    with undone(shop):
        if number is not None:
            shop.execute(RAW[number][2])
        expected = stops(shop, context_of(SHOP))
        _write(shop, attempt.database)
    if not expected:
        assert check("raw", attempt, context_of(SHOP)).success
        return
    with pytest.raises(DoorClosed) as closed:
        check("raw", attempt, context_of(SHOP))
    assert all(f"  {rule} on " in str(closed.value) for rule in expected)


def _write(db: duckdb.DuckDBPyConnection, database) -> None:
    """The shop's raw tables into a file of their own."""
    folder = database.parent / "tables"
    folder.mkdir()
    with duckdb.connect(str(database)) as file:
        file.execute("CREATE SCHEMA raw")
        for table in ("events", "items", "categories", "users", "facts", "files", "restated"):
            path = folder / f"{table}.parquet"
            db.execute(f"COPY (FROM raw.{table}) TO '{path}' (FORMAT parquet)")
            file.execute(f"CREATE TABLE raw.{table} AS FROM read_parquet('{path}')")
    shutil.rmtree(folder)
