"""feat_item's damping in SQL and the sources' in Python are one rule."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nightshelf.candidates.lately import taken_lately, takers
from nightshelf.dataset import Interactions

AS_OF = date(2017, 12, 1)
DAYS = 32
BUILT = ("feat_user_item", "feat_item_bursts", "feat_item")

# Users who begin with the item on each day, today last: most days few, some days a crowd.
crowds = st.lists(st.sampled_from([0, 0, 1, 1, 2, 4, 9, 40]), min_size=DAYS, max_size=DAYS)


def lines_of(shop: list[list[int]]) -> list[tuple[str, str, int]]:
    """(user, item, days ago), every beginner a user of their own; every third comes back in a week."""
    found = []
    for item, counts in enumerate(shop):
        for ago, many in enumerate(reversed(counts), start=1):
            for n in range(many):
                user = f"{item} {ago} {n}"
                found.append((user, f"i{item}", ago))
                if n % 3 == 0 and ago > 7:
                    found.append((user, f"i{item}", ago - 7))
    return found


def by_sql(project, lines) -> dict[str, tuple[float, float]]:
    """Item → usual buyers of 7 and of 28 days, by dbt's compiled SQL."""
    name = {model: node["relation_name"] for model, node in project.nodes("model").items()}
    with duckdb.connect() as db:
        db.execute("attach ':memory:' as night; use night")
        for schema in ("intermediate", "marts", "features"):
            db.execute(f"create schema night.{schema}")
        db.execute(
            f"create table {name['int_as_ofs']} as select 'serve' as role, date '{AS_OF}' as as_of"
        )
        db.execute(
            f"create table {name['feat_catalogue']} (as_of date, item_id varchar, category varchar)"
        )
        db.execute(
            f"create table {name['fct_interactions']} (user_id varchar, item_id varchar, event_type varchar,"
            " interaction_date date, quantity bigint, revenue decimal(18, 4), cancelled_on date,"
            " joined_on date, left_on date)"
        )
        db.executemany(
            f"insert into {name['fct_interactions']}"
            " values (?, ?, 'purchase', ?, 1, null, null, null, null)",
            [(user, item, AS_OF - timedelta(days=ago)) for user, item, ago in lines],
        )
        for model in BUILT:
            db.execute(f"create table {name[model]} as {project.compiled[model]}")
        rows = db.execute(
            f"select item_id, usual_buyers_7d, usual_buyers_28d from {name['feat_item']}"
        ).fetchall()
    return {item: (week, month) for item, week, month in rows}


def by_python(lines) -> dict[str, tuple[float, float]]:
    users, items, ago = zip(*lines, strict=True)
    seen = Interactions.from_arrays(users, items, 100 - np.array(ago), None, 100)
    # Where nothing happened in a window, a source counts all of history; a table says 0.
    counts = [
        takers(taken_lately(seen, days, 2.0)) * bool((seen.days >= 100 - days).any())
        for days in (7, 28)
    ]
    return {item: (counts[0][n], counts[1][n]) for n, item in enumerate(seen.items.tolist())}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shop=st.lists(crowds, min_size=1, max_size=3).filter(lambda shop: any(map(any, shop))))
@example(shop=[[1] * 31 + [40], [2] * 32])
@example(shop=[[0] * 31 + [40]])
def test_buyers_of_a_burst_count_alike_in_sql_and_in_a_source(project, shop):
    lines = lines_of(shop)
    found, known = by_sql(project, lines), by_python(lines)
    assert found.keys() == known.keys()
    for item, counts in known.items():
        assert found[item] == pytest.approx(counts, abs=1e-4), item
