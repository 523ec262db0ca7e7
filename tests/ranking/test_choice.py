"""Which kind of ranker ships, and that its score is a probability."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nightshelf.evaluation.split import Labels
from nightshelf.ranking import choice
from nightshelf.ranking.boosting import BoostingParams
from nightshelf.ranking.choice import RankerParams, RankerSettings, Trained
from nightshelf.ranking.features import ALL
from nightshelf.ranking.labelled import LabelledCut
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.ranker import Ranker

N_USERS, N_ITEMS = 150, 40
NAMES = ["steep", "curved", "noise"]
SETTINGS = RankerSettings(
    ranker=RankerParams(min_positives=20, min_positives_to_boost=50),
    boosting=BoostingParams(rounds=40, min_rows_in_leaf=20),
)


def cut(seed: int, unproposed: int = 0, taken_at_all: bool = True) -> LabelledCut:
    """Every user is proposed every item; what is taken depends on two of three features."""
    generator = np.random.default_rng(seed)
    n = N_USERS * N_ITEMS
    matrix = generator.normal(size=(n, 3)).astype(np.float32)
    odds = 1.5 * matrix[:, 0] + 2.0 * (np.abs(matrix[:, 1]) > 1) - 3.5
    taken = (generator.random(n) < 1 / (1 + np.exp(-odds))) & taken_at_all
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), N_ITEMS)
    items = np.tile(np.arange(N_ITEMS, dtype=np.int32), N_USERS)
    ids = [np.array([f"{k}{x:03d}" for x in range(m)], dtype=object)
           for k, m in (("u", N_USERS), ("i", N_ITEMS))]  # fmt: skip
    dense = np.zeros((N_USERS, N_ITEMS + 1), dtype=bool)
    dense[users[taken], items[taken]] = True
    dense[:unproposed, N_ITEMS] = True
    labels = Labels(ids[0], csr_matrix(dense), csr_matrix((N_USERS, N_ITEMS), dtype=bool), "all")
    return LabelledCut(
        Pool(*ids, users, items, {}, {}), matrix.__getitem__, taken, np.ones(n, dtype=bool), labels
    )


def train(cuts, names, settings, newest=None) -> Trained:
    lessons = [choice.lesson(each, settings.ranker, n) for n, each in enumerate(cuts)]
    last = newest and choice.lesson(newest, settings.ranker, len(cuts), compared=False)
    return choice.train(lessons, names, settings, last)


def test_what_no_source_proposed_is_counted_over_all_cuts():
    trained = train([cut(1, unproposed=7), cut(2, unproposed=3)], NAMES, SETTINGS)
    n_taken = int(cut(1).taken.sum() + cut(2).taken.sum())
    assert trained.unproposed == (10, n_taken + 10)


@pytest.mark.parametrize("sklearn", [False, True])
def test_all_kinds_and_the_blend_are_compared_on_the_later_cut(sklearn):
    settings = replace(SETTINGS, boosting=replace(SETTINGS.boosting, sklearn=sklearn))
    trained = train([cut(1), cut(2)], NAMES, settings)
    kinds = {"logistic", "lightgbm_binary", "lightgbm_lambdarank", *["sklearn_gb"] * sklearn}
    assert kinds < set(trained.compared)
    assert len(trained.compared) == len(kinds) + 1
    assert trained.compared[trained.ranker.kind] > 0


def test_the_chosen_kind_is_rehearsed_on_the_later_cut_before_it_learns_from_it():
    trained = train([cut(1), cut(2)], NAMES, SETTINGS)
    rehearsal = trained.rehearsal
    assert rehearsal.users.tolist() == cut(2).labels.users.tolist()
    assert np.nanmean(rehearsal.ranker) == pytest.approx(trained.compared[trained.ranker.kind])
    again = cut(2).quality(trained.ranker.score(cut(2).features(ALL)), 10)
    assert not np.array_equal(rehearsal.ranker, again, equal_nan=True)


def test_a_source_is_rehearsed_with_its_own_list():
    later = cut(2)
    best_first = np.where(later.pool.item_codes < 10, later.pool.item_codes + 1, 0).astype(np.int16)
    silent = np.zeros(len(later.pool), dtype=np.int16)
    pool = replace(later.pool, ranks={"ten": best_first, "silent": silent})
    rehearsal = train([cut(1), replace(later, pool=pool)], NAMES, SETTINGS).rehearsal
    expected = later.quality(np.where(best_first > 0, -best_first.astype(float), -np.inf), 10)
    assert set(rehearsal.sources) == {"ten"}
    np.testing.assert_allclose(rehearsal.sources["ten"], expected)


def test_what_serves_has_learnt_from_the_newest_labels_and_the_examined_one_has_not():
    cuts = [cut(1), cut(2)]
    alone, with_newest = (
        train(cuts, NAMES, SETTINGS), train(cuts, NAMES, SETTINGS, cut(3))
    )  # fmt: skip
    assert same(alone.ranker, with_newest.ranker) and alone.compared == with_newest.compared
    assert same(alone.renewed, alone.ranker) and not same(with_newest.renewed, alone.ranker)
    assert with_newest.renewed.kinds == alone.ranker.kinds
    barren = train(cuts, NAMES, SETTINGS, cut(3, taken_at_all=False))
    assert barren.renewed.kinds == alone.ranker.kinds


def same(one: Ranker, other: Ranker) -> bool:
    arrays = one.arrays(), other.arrays()
    return arrays[0].keys() == arrays[1].keys() and all(
        np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0]
    )


def test_with_one_cut_the_logistic_ranker_stands_alone():
    trained = train([cut(1)], NAMES, SETTINGS)
    assert (trained.ranker.kinds, trained.compared) == (("logistic",), {})
    assert trained.rehearsal is None


def test_a_cut_in_which_nothing_was_taken_does_not_choose():
    trained = train([cut(1), cut(2, taken_at_all=False)], NAMES, SETTINGS)
    assert trained.ranker.kinds == ("logistic",)


@pytest.mark.parametrize("cuts", [[], [cut(1, taken_at_all=False)]])
def test_without_labels_there_is_no_ranker(cuts):
    trained = train(cuts, NAMES, SETTINGS)
    assert trained.ranker is None
    assert trained.told == "none: too few labels"


def test_the_score_is_the_chance_that_the_item_is_taken():
    fresh = cut(3)
    for cuts in ([cut(1)], [cut(1), cut(2)]):
        score = train(cuts, NAMES, SETTINGS).ranker.score(fresh.features(ALL))
        for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 1)):
            here = (score >= low) & (score < high)
            assert score[here].mean() == pytest.approx(fresh.taken[here].mean(), rel=0.3)


def test_thinner_negatives_leave_the_chance_where_it_was():
    thin = replace(SETTINGS, ranker=replace(SETTINGS.ranker, negatives_per_positive=1))
    fresh = cut(3)
    for cuts in ([cut(1)], [cut(1), cut(2)]):
        score = train(cuts, NAMES, thin).ranker.score(fresh.features(ALL))
        assert score.mean() == pytest.approx(fresh.taken.mean(), rel=0.15)


def test_training_twice_gives_the_same_arrays_and_arrays_the_same_ranker():
    one, other = (train([cut(1), cut(2)], NAMES, SETTINGS).ranker for _ in range(2))
    assert {k: v.tobytes() for k, v in one.arrays().items()} == {
        k: v.tobytes() for k, v in other.arrays().items()
    }
    again = Ranker.from_arrays(one.arrays())
    assert again.score(cut(3).features(ALL)).tobytes() == one.score(cut(3).features(ALL)).tobytes()


def test_the_blend_ships_unless_another_is_surely_better():
    generator = np.random.default_rng(1)
    blend = generator.random(500)
    by_luck = blend + generator.normal(0.001, 0.5, 500)
    surely = blend + generator.normal(0.1, 0.2, 500)
    assert choice._best({"a": by_luck, "blend": blend}, "blend", 1) == "blend"
    assert choice._best({"a": surely, "blend": blend}, "blend", 1) == "a"


def test_importances_are_shares_and_the_planted_features_lead():
    importances = train([cut(1), cut(2)], NAMES, SETTINGS).ranker.importances()
    assert sum(importances.values()) == pytest.approx(1)
    assert list(importances)[-1] == "noise"
