"""Arrivals that do not sell fastest take turns: none waits for longer than all of them need."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import duckdb
import pytest

NIGHT = date(2017, 12, 1)
"""The project's own; so are 20 slots, half of which go round."""
FAST, WAITING = 10, 25


@pytest.fixture(scope="module")
def shop(project):
    """35 arrivals of one category, the first ten the fastest."""
    name = {model: node["relation_name"] for model, node in project.nodes("model").items()}
    with duckdb.connect() as db:
        db.execute("attach ':memory:' as night; use night")
        for schema in ("marts", "features", "ml"):
            db.execute(f"create schema night.{schema}")
        db.execute("create table night.ml.fingerprints (shelf varchar, fingerprint varchar)")
        db.execute(
            f"create table {name['dim_items']} as select 'i' || n as item_id, item_id as product_id,"
            " 'x' as category, null as brand, null as price, null as margin, null as price_band,"
            f" true as is_offerable from range({FAST + WAITING}) as numbers(n)"
        )
        db.execute(
            f"create table {name['feat_arrivals']} as select 'i' || n as item_id,"
            f" 1.0 / (n + 1) as buyers_per_day, false as has_graduated"
            f" from range({FAST + WAITING}) as numbers(n)"
        )
        yield db


def shown(project, shop, night: date, source: str, context: str = "all") -> set[str]:
    sql = project.compiled["rec_new_arrivals"].replace(f"date '{NIGHT}'", f"date '{night}'")
    rows = shop.execute(
        f"select item_id from ({sql}) where source = ? and context_type = ?", [source, context]
    ).fetchall()
    assert len(rows) == 10
    return {item for (item,) in rows}


@pytest.mark.parametrize("first", [NIGHT, NIGHT + timedelta(days=3)])
def test_of_25_that_wait_for_10_slots_each_is_shown_twice_in_any_five_nights(project, shop, first):
    nights = [first + timedelta(days=n) for n in range(5)]
    turns = Counter(item for n in nights for item in shown(project, shop, n, "rotation"))
    assert turns == {f"i{n}": 2 for n in range(FAST, FAST + WAITING)}


def test_the_fastest_are_there_every_night(project, shop):
    for n in range(3):
        found = shown(project, shop, NIGHT + timedelta(days=n), "arrivals")
        assert found == {f"i{n}" for n in range(FAST)}


def test_lists_have_orders_of_their_own(project, shop):
    assert shown(project, shop, NIGHT, "rotation") != shown(
        project, shop, NIGHT, "rotation", "category"
    )
