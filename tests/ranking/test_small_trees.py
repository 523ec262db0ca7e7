"""Trees by whole columns give LightGBM's own sums, to the last bit."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshelf.ranking import small_trees
from nightshelf.ranking.boosting import Boosted, BoostingParams, fit_lightgbm, fit_sklearn
from nightshelf.ranking.rows import TrainingRows
from nightshelf.ranking.small_trees import MOST_SPLITS, SmallTrees
from tests.support.core_seconds import core_seconds


def rows(generator, n=400, n_features=5) -> TrainingRows:
    """Some features are counts, where many values are thresholds."""
    matrix = generator.normal(size=(n, n_features)).astype(np.float32)
    matrix[:, ::2] = np.round(matrix[:, ::2] * 3)
    taken = matrix.sum(axis=1) + generator.normal(size=n) > 0
    return TrainingRows(matrix, taken, np.full(n // 10, 10, dtype=np.int32), 1.0)


def by_lightgbm(model: Boosted, matrix: np.ndarray) -> np.ndarray:
    return model.booster.predict(matrix, raw_score=True, num_threads=1)


def near_thresholds(model: Boosted, matrix: np.ndarray) -> np.ndarray:
    """`matrix` with the values around every threshold in it."""
    splits = [s for t in model.booster.dump_model()["tree_info"]
              for s in small_trees._splits(t["tree_structure"])]  # fmt: skip
    near = np.zeros((3 * len(splits), matrix.shape[1]), dtype=np.float32)
    for n, split in enumerate(splits):
        at = np.float32(split["threshold"])
        around = at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))
        near[3 * n : 3 * n + 3, split["split_feature"]] = around
    return np.concatenate([matrix, near])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    leaves=st.integers(2, MOST_SPLITS + 1),
    fit=st.sampled_from(["binary", "lambdarank", "sklearn"]),
    rounds=st.integers(1, 12),
    order=st.sampled_from("CF"),
)
def test_small_trees_equal_lightgbm_to_the_last_bit(seed, leaves, fit, rounds, order):
    learnt = rows(np.random.default_rng(seed))
    params = BoostingParams(rounds=rounds, leaves=leaves, min_rows_in_leaf=5, feature_share=1.0)
    model = (
        fit_sklearn(learnt, params, seed)
        if fit == "sklearn"
        else fit_lightgbm(learnt, fit, params, seed)
    )
    asked = near_thresholds(model, learnt.matrix)
    asked[::7, 1] = np.nan
    asked[::11, 2] = np.inf
    found = model.small.raw(np.asarray(asked, order=order))
    assert found.tobytes() == by_lightgbm(model, asked).tobytes()


def test_blocks_of_rows_change_nothing(monkeypatch):
    learnt = rows(np.random.default_rng(1))
    model = fit_lightgbm(learnt, "binary", BoostingParams(rounds=5, min_rows_in_leaf=5), 1)
    whole = model.raw(learnt.matrix)
    monkeypatch.setattr(small_trees, "ROWS_AT_ONCE", 7)
    assert model.raw(learnt.matrix).tobytes() == whole.tobytes()


def test_a_tree_with_more_splits_than_a_byte_has_bits_is_left_to_lightgbm():
    learnt = rows(np.random.default_rng(2), n=2000)
    params = BoostingParams(rounds=3, leaves=MOST_SPLITS + 2, min_rows_in_leaf=5, feature_share=1.0)
    model = fit_lightgbm(learnt, "binary", params, 1)
    assert model.small is None
    assert model.raw(learnt.matrix).tobytes() == by_lightgbm(model, learnt.matrix).tobytes()


@pytest.mark.parametrize("asks", ["which category", "where a number is missing"])
def test_trees_that_ask_something_else_are_left_to_lightgbm(asks):
    generator = np.random.default_rng(3)
    matrix = generator.integers(0, 6, (600, 2)).astype(np.float32)
    taken = matrix[:, 0] % 2 == 0
    if asks == "where a number is missing":
        matrix[taken, 0] = np.nan
    data = lightgbm.Dataset(
        matrix, taken.astype(np.int8), categorical_feature=[0] if asks == "which category" else []
    )
    params = {"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 5, "verbosity": -1,
              "min_data_per_group": 1, "cat_smooth": 0.1, "num_threads": 1}  # fmt: skip
    assert SmallTrees.of(lightgbm.train(params, data, 8)) is None


def test_numbers_of_double_precision_are_left_to_lightgbm():
    learnt = rows(np.random.default_rng(4))
    model = fit_lightgbm(learnt, "binary", BoostingParams(rounds=5, min_rows_in_leaf=5), 1)
    wide = near_thresholds(model, learnt.matrix).astype(np.float64) + 1e-12
    assert model.raw(wide).tobytes() == by_lightgbm(model, wide).tobytes()


def test_the_night_s_trees_cost_less_than_half_of_what_lightgbm_takes(monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")
    learnt = rows(np.random.default_rng(5), n=20_000, n_features=40)
    model = fit_lightgbm(learnt, "binary", BoostingParams(min_rows_in_leaf=20), 1)
    ours, peer = core_seconds(
        lambda: model.raw(learnt.matrix), lambda: by_lightgbm(model, learnt.matrix)
    )
    assert ours < peer / 2
