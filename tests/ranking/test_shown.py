"""Where an item was shown is learnt from, and never ranked by."""

from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nightshelf.evaluation import METRICS
from nightshelf.evaluation.split import Labels
from nightshelf.night import TRAIN_ROLES
from nightshelf.ranking import choice, shown
from nightshelf.ranking.boosting import BoostingParams
from nightshelf.ranking.choice import RankerParams, RankerSettings
from nightshelf.ranking.features import ALL
from nightshelf.ranking.labelled import LabelledCut
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.shown import SHOWN
from tests.support.rankers import logistic_ranker

CUTS = (date(2026, 1, 18), date(2026, 2, 1), date(2026, 2, 15))

# ------------------------------------------------------------------ from the night's file


def exposures(*rows) -> duckdb.DuckDBPyConnection:
    """(cut, user, item, position)."""
    db = duckdb.connect()
    db.execute("create schema intermediate")
    db.execute(
        "create table intermediate.int_exposures"
        " (cut date, user_id varchar, item_id varchar, position integer)"
    )
    db.execute("create table intermediate.int_as_ofs (role varchar, as_of date)")
    roles = zip((*TRAIN_ROLES, "evaluate", "serve"), (*CUTS, date(2026, 3, 1)), strict=True)
    db.executemany("insert into intermediate.int_as_ofs values (?, ?)", list(roles))
    if rows:
        db.executemany("insert into intermediate.int_exposures values (?, ?, ?, ?)", rows)
    return db


def pool(n_users: int, n_items: int) -> Pool:
    """Every user is proposed every item."""
    ids = [np.array([f"{kind}{n:03d}" for n in range(size)], dtype=object)
           for kind, size in (("u", n_users), ("i", n_items))]  # fmt: skip
    users = np.repeat(np.arange(n_users, dtype=np.int32), n_items)
    items = np.tile(np.arange(n_items, dtype=np.int32), n_users)
    return Pool(*ids, users, items, {}, {})


IN_EVERY_WINDOW = [(cut, "stranger", "i000", 1) for cut in CUTS]


def test_each_row_says_where_its_item_was_shown_in_the_cut_s_own_window():
    db = exposures(
        *IN_EVERY_WINDOW,
        (CUTS[1], "u000", "i001", 1),
        (CUTS[1], "u001", "i000", 3),
        (CUTS[0], "u000", "i000", 2),
        (CUTS[1], "u001", "gone", 1),
    )
    found = shown.attach(db, pool(2, 2), CUTS[1])
    assert found.dtype == np.float32
    assert found.tolist() == [0, 1, 0.5, 0]


@pytest.mark.parametrize("missing", range(2))
@pytest.mark.parametrize("cut", CUTS)
def test_a_training_window_without_impressions_leaves_all_cuts_without_the_feature(missing, cut):
    db = exposures(*(row for n, row in enumerate(IN_EVERY_WINDOW) if n != missing))
    assert shown.attach(db, pool(2, 2), cut) is None


def test_what_the_examination_s_window_has_decides_for_it_alone():
    db = exposures(*IN_EVERY_WINDOW[:2])
    told = [shown.attach(db, pool(2, 2), cut) is not None for cut in CUTS]
    assert told == [True, True, False]


def test_a_shop_that_logs_no_impressions_has_no_such_feature():
    assert shown.attach(exposures(), pool(2, 2), CUTS[1]) is None


# ------------------------------------------------------------------ in a ranker


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=2), min_size=1))
@settings(deadline=None)
def test_every_row_is_ranked_as_if_it_were_shown_at_the_top(rows):
    matrix = np.array(rows, dtype=np.float32)
    blind, seeing = logistic_ranker(0.5), logistic_ranker(0.5, ("a", "b", SHOWN))
    np.testing.assert_allclose(seeing.raw(matrix), blind.raw(matrix) + 0.5)
    contributions = seeing.contributions(matrix)
    np.testing.assert_allclose(contributions[:, 2], 0.5)
    odds = seeing.offset + seeing.slope * seeing.raw(matrix)
    np.testing.assert_allclose(contributions.sum(axis=1), odds)


def test_a_ranker_asks_for_all_its_features_but_the_one_that_only_training_knows():
    assert logistic_ranker(1, ("a", "b", SHOWN)).needs == ("a", "b")
    assert logistic_ranker(1, ("a", "b")).needs == ("a", "b")


def test_rows_ranked_by_batches_get_what_they_get_alone(monkeypatch):
    matrix = np.random.default_rng(1).normal(size=(10, 2)).astype(np.float32)
    ranker = logistic_ranker(0.5, ("a", "b", SHOWN))
    whole = ranker.raw(matrix)
    monkeypatch.setattr("nightshelf.ranking.ranker.BATCH_ROWS", 3)
    assert ranker.raw(matrix).tobytes() == whole.tobytes()


# ------------------------------------------------------------------ against a known truth

N_USERS, N_ITEMS, ON_THE_SHELF = 400, 30, 10
NAMES = ["taste", "pushed"]
SETTINGS = RankerSettings(
    ranker=RankerParams(min_positives=20, min_positives_to_boost=50),
    boosting=BoostingParams(rounds=60, min_rows_in_leaf=50),
)
UNSEEN = 0.05
"""Chance that a user comes across an item that the shelf did not show."""


def test_what_was_shown_and_not_taken_is_kept_as_often_as_the_rest():
    cut = fortnight(0)[0]
    rows = choice.lesson(cut, RankerParams(negatives_per_positive=5), 0).rows
    others = ~rows.taken
    kept = (rows.matrix[others, -1] > 0).sum() / (~cut.taken & (cut.shown > 0)).sum()
    assert kept == pytest.approx(rows.kept_share, rel=0.1)


def fortnight(seed: int) -> tuple[LabelledCut, np.ndarray]:
    """A cut of a shop whose shelf stands by what it wants to sell, and what its users truly want.

    A user takes an item that they look at and want (the position-based model: Richardson et al. 2007).
    They look at place n with the chance 1 / n, and want by their taste alone.
    """
    generator = np.random.default_rng(seed)
    n = N_USERS * N_ITEMS
    taste, pushed = generator.normal(size=(2, n)).astype(np.float32)
    wanted = 1 / (1 + np.exp(-(1.5 * taste - 1)))
    by_place = (pushed + generator.normal(0, 0.7, n)).reshape(N_USERS, N_ITEMS)
    places = 1 + np.argsort(np.argsort(-by_place, axis=1), axis=1).ravel()
    # Half of the users visited.
    places[(places > ON_THE_SHELF) | np.repeat(generator.random(N_USERS) < 0.5, N_ITEMS)] = 0
    looked_at = np.where(places > 0, 1 / np.maximum(places, 1), UNSEEN)
    taken = generator.random(n) < looked_at * wanted
    relevant = csr_matrix(taken.reshape(N_USERS, N_ITEMS))
    of = pool(N_USERS, N_ITEMS)
    labels = Labels(of.users, relevant, csr_matrix(relevant.shape, dtype=bool), "all")
    matrix, teaches = np.column_stack([taste, pushed]), np.ones(n, dtype=bool)
    visible = shown.near_top(places)
    return LabelledCut(of, matrix.__getitem__, taken, teaches, labels, visible), wanted


def blind(cut: LabelledCut) -> LabelledCut:
    return replace(cut, shown=None)


def ranker_of(*cuts: LabelledCut) -> Ranker:
    lessons = [choice.lesson(cut, SETTINGS.ranker, n) for n, cut in enumerate(cuts)]
    return choice.train(lessons, NAMES, SETTINGS).ranker


def quality(ranker: Ranker, cut: LabelledCut, wanted: np.ndarray) -> float:
    """nDCG@10 over what a user would take of everything, were it all looked at: the five they want most."""
    each = wanted.reshape(N_USERS, N_ITEMS)
    relevant = csr_matrix(each >= np.sort(each, axis=1)[:, -5:-4])
    lists = cut.pool.lists_by(ranker.score(cut.features(ALL)), 10)
    return float(np.nanmean(METRICS["ndcg"](lists, relevant, 10)))


@pytest.mark.parametrize("n_cuts", [1, 2], ids=["logistic", "chosen"])
def test_knowing_the_place_a_ranker_learns_what_users_want_and_not_what_was_pushed(n_cuts):
    cuts = [fortnight(seed)[0] for seed in range(n_cuts)]
    fresh, wanted = fortnight(9)
    seeing, unseeing = ranker_of(*cuts), ranker_of(*map(blind, cuts))
    assert seeing.features == (*NAMES, SHOWN) and unseeing.features == tuple(NAMES)
    with_place, without = (quality(each, fresh, wanted) for each in (seeing, unseeing))
    assert with_place > 0.9
    assert with_place > without + 0.1


def test_contenders_are_compared_as_if_everything_were_shown_at_the_top():
    """Places of the last cut stop trees and teach who is chosen, and are never ranked by."""
    cuts = [fortnight(seed)[0] for seed in range(2)]
    lessons = [choice.lesson(cut, SETTINGS.ranker, n) for n, cut in enumerate(cuts)]
    _, per_user = choice._chosen(
        lessons[0].rows, lessons[1].rows, cuts[1], (*NAMES, SHOWN), SETTINGS
    )
    alone = choice.train(lessons[:1], NAMES, SETTINGS).ranker
    expected = cuts[1].quality(alone.score(cuts[1].features(ALL)), 10)
    np.testing.assert_array_equal(per_user["logistic"], expected)


@pytest.mark.parametrize("n_cuts", [1, 2], ids=["logistic", "chosen"])
def test_the_chance_stays_that_of_the_shop_as_it_is(n_cuts):
    """Of one in thirty items that a user is proposed, and not of one in three at the top."""
    cuts, fresh = [fortnight(seed)[0] for seed in range(n_cuts)], fortnight(9)[0]
    assert ranker_of(*cuts).score(fresh.features(ALL)).mean() == pytest.approx(
        fresh.taken.mean(), rel=0.1
    )
