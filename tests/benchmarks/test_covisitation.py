"""Sparse products and an explosion of pairs in SQL find the same neighbours, and the products cost less."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import made_up_log
from benchmarks.covisitation import STAGES, exploded, interactions
from nightshelf.candidates.covisitation import PAIRS, Covisitation, CovisitationParams
from tests.support.core_seconds import core_seconds

N_ITEMS = 9


def in_duckdb(columns) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(config={"threads": 1})
    db.register("given", pa.table(columns))
    db.execute("create table events as from given")
    return db


def by_sql(columns, params) -> np.ndarray:
    """(stages × items, items): the votes, as the model has them."""
    db = in_duckdb(columns)
    exploded(db, int(columns["user"].max()) + 1, params)
    present = [stage for n, stage in enumerate(STAGES) if (columns["type"] == n).any()]
    votes = np.zeros((len(present), N_ITEMS, N_ITEMS))
    weights = {pair: getattr(params, key) for key, pair in PAIRS.items()}
    for first, second, a, b, score in db.execute("from led_to").fetchall():
        one, other = STAGES[first], STAGES[second]
        votes[present.index(one), a, b] += weights[one, other] * score
    return votes.reshape(-1, N_ITEMS)


@st.composite
def logs(draw):
    row = st.tuples(
        st.integers(0, 4),
        st.integers(0, N_ITEMS - 1),
        st.integers(70, made_up_log.DAYS - 1),
        st.integers(0, 2),
    )
    rows = np.array(sorted(draw(st.sets(row, min_size=1, max_size=60))), dtype=np.int32)
    user, item, day, kind = rows.T.copy()
    return {"user": user, "item": item, "day": day, "type": kind.astype(np.int8)}


@settings(max_examples=30, deadline=None)
@given(
    logs(),
    st.integers(0, 9),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.integers(2, 6),
    st.sampled_from([3.0, 90.0]),
    st.integers(5, 30),
)
def test_every_vote_is_what_sql_makes_of_the_pairs(log, window, power, largest, half_life, days):
    params = CovisitationParams(
        neighbours=N_ITEMS, window_days=window, popularity_power=power, max_items_per_day=largest,
        gap_half_life_days=half_life, half_life_days=half_life, days=days, min_buyers=1,
    )  # fmt: skip
    model = Covisitation(params).fit(interactions(log, N_ITEMS))
    expected = by_sql(log, params)
    assert model.votes.toarray() == pytest.approx(expected, rel=1e-5)


def test_products_cost_no_more_than_the_explosion(monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")
    columns = made_up_log.events(100_000, 3_000)
    params = CovisitationParams(neighbours=50)
    log, db = interactions(columns, 3_000), in_duckdb(columns)
    n_users = int(columns["user"].max()) + 1
    ours, peer = core_seconds(
        lambda: Covisitation(params).fit(log), lambda: exploded(db, n_users, params)
    )
    assert ours < peer
