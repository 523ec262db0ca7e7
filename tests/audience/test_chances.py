"""Log odds to chances: the same numbers as scikit-learn's, without its pickle."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nightshelf.audience.chances import (
    Calibrator,
    base_rate,
    calibrate,
    cross_calibrated_loss,
    fit_linear,
    sigmoid,
)
from nightshelf.ranking.logistic import Logistic

RNG = np.random.default_rng(3)
MATRIX = RNG.normal(size=(3_000, 4))
CAME = RNG.random(3_000) < sigmoid(2 * MATRIX[:, 0] - MATRIX[:, 1] ** 2)


def test_a_line_says_what_scikit_learn_says_within_what_it_saw():
    scaled = (MATRIX - MATRIX.mean(axis=0)) / MATRIX.std(axis=0)
    model = LogisticRegression(C=0.5, tol=1e-8).fit(scaled, CAME)
    found = sigmoid(fit_linear(MATRIX, CAME, c=0.5).raw(MATRIX))
    assert np.allclose(found, model.predict_proba(scaled)[:, 1], atol=1e-4)


def test_a_line_goes_no_further_than_what_it_saw():
    line = fit_linear(MATRIX, CAME, c=0.5)
    edge, beyond = MATRIX.max(axis=0), MATRIX.max(axis=0) + 100
    assert line.raw(beyond[None]) == line.raw(edge[None])
    again = Logistic.from_arrays(line.arrays())
    assert (again.raw(MATRIX) == line.raw(MATRIX)).all()


def test_only_the_named_columns_weigh():
    assert np.flatnonzero(fit_linear(MATRIX, CAME, 1.0, [2]).coefficients).tolist() == [2]


@pytest.mark.parametrize(("n_rows", "kind"), [(3_000, "isotonic"), (900, "sigmoid")])
def test_calibration_mends_chances_that_are_too_sure(n_rows, kind):
    truth = RNG.normal(size=n_rows)
    came = RNG.random(n_rows) < sigmoid(truth)
    made = calibrate(3 * truth + 1, came)
    assert made.kind == kind
    assert np.abs(made.chances(3 * truth + 1) - sigmoid(truth)).mean() < 0.05
    again = Calibrator.from_arrays(made.arrays())
    assert (again.chances(truth) == made.chances(truth)).all()


def test_no_chance_is_never_or_always():
    logits = np.linspace(-3, 3, 2_000)
    found = calibrate(logits, logits > 0).chances(np.array([-9.0, 9.0]))
    assert 0 < found[0] < 0.01 < 0.99 < found[1] < 1


def test_a_model_that_orders_the_wrong_way_round_says_nothing():
    truth = RNG.normal(size=500)
    came = RNG.random(500) < sigmoid(truth)
    assert len(np.unique(calibrate(-truth, came).chances(truth))) == 1


@pytest.mark.parametrize("came", [np.zeros(20, dtype=bool), np.ones(20, dtype=bool)])
def test_of_one_kind_alone_everybody_has_the_same_chance(came):
    found = calibrate(np.arange(20.0), came).chances(np.arange(3.0))
    assert found == pytest.approx(np.full(3, (came.sum() + 0.5) / 21))
    assert (found == base_rate(came).chances(np.zeros(3))).all()


def test_the_loss_of_the_choice_is_smaller_for_who_knows_more():
    noise = RNG.normal(size=3_000)
    knows = cross_calibrated_loss(2 * MATRIX[:, 0] - MATRIX[:, 1] ** 2, CAME)
    assert knows < cross_calibrated_loss(MATRIX[:, 0], CAME) < cross_calibrated_loss(noise, CAME)
