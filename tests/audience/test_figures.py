"""Figures of foretold chances: known answers, and what scikit-learn says."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from nightshelf.audience.figures import calibration, figures, flat, lift

RNG = np.random.default_rng(7)
CHANCES = RNG.random(2_000).round(2)
CAME = RNG.random(2_000) < CHANCES


def test_they_are_scikit_learns_where_it_has_them():
    found = figures(CHANCES, CAME)
    assert found["pr_auc"] == pytest.approx(average_precision_score(CAME, CHANCES))
    assert found["log_loss"] == pytest.approx(
        sklearn_log_loss(CAME, np.clip(CHANCES, 1e-6, 1 - 1e-6))
    )
    assert found["brier"] == pytest.approx(brier_score_loss(CAME, CHANCES))


def test_a_perfect_order_lifts_as_far_as_there_are_hits():
    came = np.arange(100) >= 90
    found = figures(came.astype(float), came)
    assert (found["pr_auc"], found["lift@10%"], found["lift@20%"]) == (1.0, 10.0, 5.0)


def test_chances_that_are_all_equal_lift_nothing_in_whatever_order():
    came = np.arange(50) < 10
    assert lift(np.full(50, 0.2), came, 0.1) == pytest.approx(1.0)
    assert figures(np.full(50, 0.2), came)["pr_auc"] == pytest.approx(0.2)


def test_the_order_of_rows_changes_nothing():
    shuffled = RNG.permutation(len(CHANCES))
    assert flat(figures(CHANCES[shuffled], CAME[shuffled])) == pytest.approx(
        flat(figures(CHANCES, CAME))
    )


def test_where_nothing_came_nothing_is_ranked():
    found = figures(np.full(10, 0.1), np.zeros(10, dtype=bool))
    assert (found["pr_auc"], found["lift@10%"], found["prevalence"]) == (None, None, 0.0)


def test_without_rows_there_are_no_figures():
    assert set(flat(figures(np.zeros(0), np.zeros(0, dtype=bool)))) == {"n"}


def test_bins_of_calibration_hold_every_row_once_and_equal_chances_together():
    bins = calibration(np.array([0.1] * 15 + [0.9] * 5), np.array([False] * 15 + [True] * 5))
    assert [(b["foretold"], b["came"], b["n"]) for b in bins] == [
        (pytest.approx(0.1), 0.0, 15),
        (pytest.approx(0.9), 1.0, 5),
    ]


def test_honest_chances_lie_on_the_diagonal():
    assert figures(CHANCES, CAME)["calibration_error"] < 0.05
    assert figures(CHANCES / 2, CAME)["calibration_error"] > 0.2
