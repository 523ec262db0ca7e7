"""Against a truth that is known: coverage and error. `python benchmarks/ope.py` is the long form."""

from __future__ import annotations

import pytest

from benchmarks.ope import Setting, repeated
from benchmarks.simulated_log import SimulatedShop

REPETITIONS = 60
SETTING = Setting("", SimulatedShop.of(0.2, even=0.3, sharp=1.5), 600)


@pytest.fixture(scope="module")
def found():
    return repeated(SETTING, REPETITIONS, methods=("bootstrap_t",), logistic=False)


@pytest.mark.parametrize("estimator", ["IPS", "SNIPS", "DR"])
def test_the_interval_holds_the_truth_in_about_nineteen_of_twenty_logs(estimator, found):
    # Of 60 logs at 95 %, fewer than 51 happen once in 800 times.
    assert found[estimator, "bootstrap_t"].covered >= 51 / REPETITIONS


def test_doubly_robust_errs_less_than_inverse_propensities(found):
    assert found["DR", "bootstrap_t"].error < 0.95 * found["IPS", "bootstrap_t"].error


def test_estimates_by_weight_lean_to_neither_side_and_the_direct_method_does(found):
    for estimator in ("IPS", "SNIPS", "DR"):
        assert abs(found[estimator, "bootstrap_t"].bias) < 0.05
    assert found["DM", "bootstrap_t"].bias < -0.1


def test_the_truth_is_what_the_evaluated_policy_earns_when_it_logs():
    shop = SETTING.shop
    itself = SimulatedShop(
        shop.clicks, shop.evaluated, shop.evaluated, shop.features, shop.item_features
    )
    assert itself.log(50_000, 1).reward.mean() == pytest.approx(shop.truth, abs=0.004)
