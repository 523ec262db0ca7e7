"""feat_arrivals and the source new_arrivals have one rule of what has arrived."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from nightshelf.candidates import NewArrivals
from nightshelf.dataset.interactions import day_number
from tests.support.typed import typed_shop

NIGHT = date(2017, 12, 1)
"""The project's own."""
WINDOWS = {"log of half a year": 180, "log of seven weeks": 49, "log of three weeks": 21}


def shop(first: int, seed: int) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """(item, days ago) of sales, and item → days ago that it was listed. A third of the items is
    undated, a third never sold, and many days lie on an edge of some window."""
    rng = np.random.default_rng(seed)
    edges = [1, 2, 27, 28, 29, first - 29, first - 28, first - 27, first - 1, first]
    days = [d for d in edges if 1 <= d <= first]
    sales = [("first", first)]
    listed = {}
    for n in range(60):
        if n % 3:
            sales += [(f"i{n}", int(d)) for d in rng.choice(days, rng.integers(1, 4))]
        if n % 3 != 1:
            listed[f"i{n}"] = int(rng.choice([*days, first + 1, first + 9]))
    return sales, listed


def by_sql(project, sales, listed) -> list[str]:
    name = {model: node["relation_name"] for model, node in project.nodes("model").items()}
    first_sale = {item: max(d for i, d in sales if i == item) for item, _ in sales}
    known = {item: listed.get(item, first_sale.get(item)) for item in {*listed, *first_sale}}
    with duckdb.connect() as db:
        db.execute("attach ':memory:' as night; use night")
        db.execute("create schema night.marts; create schema night.features")
        db.execute(
            f"create table {name['fct_interactions']} (item_id varchar, interaction_date date,"
            " cancelled_on date, joined_on date, left_on date)"
        )
        db.execute(
            f"create table {name['feat_catalogue']} (as_of date, item_id varchar, category varchar, listed_on date)"
        )
        db.execute(
            f"create table {name['feat_item']} (as_of date, item_id varchar, n_buyers integer)"
        )
        db.executemany(
            f"insert into {name['fct_interactions']} values (?, ?, null, null, null)",
            [(item, NIGHT - timedelta(days=ago)) for item, ago in sales],
        )
        db.executemany(
            f"insert into {name['feat_catalogue']} values (date '{NIGHT}', ?, null, ?)",
            [(item, NIGHT - timedelta(days=ago)) for item, ago in known.items()],
        )
        rows = db.execute(f"select item_id from ({project.compiled['feat_arrivals']})").fetchall()
    return sorted(item for (item,) in rows)


def by_python(sales, listed) -> list[str]:
    as_of = day_number(NIGHT)
    rows = [("u", item, "purchase", as_of - ago) for item, ago in sales]
    catalogue = {"listed_on": {item: as_of - ago for item, ago in listed.items()}}
    model = NewArrivals().fit(typed_shop(rows, as_of, catalogue))
    return sorted(model.items[model.columns])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("first", WINDOWS.values(), ids=WINDOWS)
def test_both_find_the_same_arrivals(project, first, seed):
    sales, listed = shop(first, seed)
    found = by_sql(project, sales, listed)
    assert found == by_python(sales, listed)
    assert 0 < len(found) < 60
