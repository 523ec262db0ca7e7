import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss

from nightshelf.evaluation import METRICS
from nightshelf.evaluation.curves import (
    calibration,
    ndcg_by_k,
    partial_dependence,
    precision_recall,
    spaced,
)

RNG = np.random.default_rng(3)
CHANCES = RNG.random(2000) ** 3
TAKEN = RNG.random(2000) < CHANCES


def test_ndcg_by_k_is_the_metric_at_each_k():
    lists = np.array([[0, 1, 2], [2, 0, -1], [1, 2, 0]])
    relevant = csr_matrix(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=bool))
    expected = [np.nanmean(METRICS["ndcg"](lists, relevant, k)) for k in (1, 2, 3)]
    assert ndcg_by_k(lists, relevant, 3) == pytest.approx(expected)


def test_ndcg_by_k_of_nobody_is_undefined():
    assert np.isnan(ndcg_by_k(np.array([[0, 1]]), csr_matrix((1, 3), dtype=bool), 2)).all()


def test_calibration_agrees_with_scikit_learn():
    found = calibration(CHANCES, TAKEN)
    came, foretold = calibration_curve(TAKEN, CHANCES, n_bins=10, strategy="quantile")
    assert found["foretold"] == pytest.approx(foretold, abs=0.002)
    assert found["came"] == pytest.approx(came, abs=0.01)
    assert found["brier"] == pytest.approx([brier_score_loss(TAKEN, CHANCES)])
    assert sum(found["rows"]) == len(CHANCES)


def test_what_is_foretold_right_has_a_small_error_and_double_the_chance_a_large_one():
    assert calibration(CHANCES, TAKEN)["error"][0] < 0.02
    assert calibration(np.minimum(2 * CHANCES, 1), TAKEN)["error"][0] > 0.1


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_rows_of_equal_chance_are_calibrated_together_in_whatever_order(order):
    chances = np.repeat(np.float32([0.1, 0.5]), 1000)
    taken = np.tile(np.arange(1000) < 100, 2)  # takers first, or last
    found = calibration(chances[order], taken[order])
    assert found["foretold"] == pytest.approx([0.1, 0.5])
    assert (found["came"], found["rows"]) == ([0.1, 0.1], [1000, 1000])
    assert found["error"] == pytest.approx([0.2])


def test_calibration_of_no_rows_is_empty():
    found = calibration(CHANCES[:0], TAKEN[:0])
    assert (found["foretold"], found["error"]) == ([], [0.0])


def test_a_precision_recall_curve_is_thinned_and_keeps_its_ends():
    found = precision_recall(CHANCES, TAKEN)
    assert len(found["recall"]) <= 200
    assert (max(found["recall"]), min(found["recall"])) == (1.0, 0.0)
    assert found["average_precision"] == [average_precision_score(TAKEN, CHANCES)]


def test_where_nothing_was_taken_there_is_no_curve():
    assert precision_recall(CHANCES, np.zeros(2000, dtype=bool))["recall"] == []


def test_partial_dependence_follows_the_feature_and_no_other():
    matrix = RNG.random((3000, 3)).astype(np.float32)
    found = partial_dependence(lambda m: 2 * m[:, 1], matrix, {"used": 1, "idle": 2})
    assert found["used"]["mean"] == pytest.approx([2 * v for v in found["used"]["grid"]])
    assert np.ptp(found["idle"]["mean"]) == pytest.approx(0, abs=1e-6)


def test_partial_dependence_leaves_the_matrix_as_it_was():
    matrix = RNG.random((50, 2))
    before = matrix.copy()
    partial_dependence(lambda m: m[:, 0], matrix, {"a": 0})
    assert (matrix == before).all()
    assert partial_dependence(lambda m: m[:, 0], matrix[:0], {"a": 0}) == {}


@pytest.mark.parametrize("n_rows", [0, 1, 499, 500, 501, 12_345])
def test_a_sample_is_evenly_spaced_from_end_to_end_and_its_own_sample(n_rows):
    rows = spaced(n_rows)
    assert len(rows) == min(n_rows, 500)
    assert rows[[0, -1]].tolist() == [0, n_rows - 1] if n_rows else not len(rows)
    assert np.ptp(np.diff(rows)) <= 1 if n_rows > 1 else True
    assert spaced(len(rows)).tolist() == list(range(len(rows)))
