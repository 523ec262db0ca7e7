"""Estimators and intervals by known answers, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nightshelf.errors import InputError, SettingsError
from nightshelf.ope import (
    LoggedImpressions,
    Options,
    Policy,
    Sampling,
    TabularRewards,
    evaluate,
)
from nightshelf.ope.estimators import effective_size
from nightshelf.ope.log import uncovered_share
from nightshelf.ope.rewards import cross_fitted

NORMAL = Options(sampling=Sampling("normal"))


def log(
    reward=(1, 0, 0, 1), propensity=(0.5, 0.5, 0.25, 0.25), evaluation=(1, 0.5, 0.5, 0), **more
):
    arrays = (np.array(a, dtype=float) for a in (reward, propensity, evaluation))
    return LoggedImpressions(*arrays, **more)


def under(chances, item, reward, propensity=0.5, **more) -> LoggedImpressions:
    """All impressions in one group of the policy `chances`."""
    item = np.array(item)
    policy = Policy(csr_matrix(np.atleast_2d(chances)), np.zeros(len(item), dtype=int))
    reward, propensity = np.array(reward, dtype=float), np.full(len(item), propensity)
    return LoggedImpressions.under(policy, item, reward, propensity, **more)


# ------------------------------------------------------------------ values


def test_ips_and_snips_are_the_sums_of_weighted_rewards_over_rows_and_over_weights():
    found = evaluate(log()).values  # weights 2, 1, 2, 0
    assert found["IPS"].mean == 2 / 4
    assert found["SNIPS"].mean == 2 / 5
    assert list(found) == ["IPS", "SNIPS"]  # no items, so no model


def test_a_policy_that_logged_itself_is_worth_what_it_earned():
    found = evaluate(log(evaluation=(0.5, 0.5, 0.25, 0.25)))
    assert {v.mean for v in found.values.values()} == {found.logged.mean} == {0.5}
    assert found.effective_size == 4


def test_the_effective_size_is_kish_s():
    assert effective_size(np.array([2.0, 1.0, 2.0, 0.0])) == 25 / 9
    assert effective_size(np.zeros(3)) == 0


def test_weights_are_clipped_only_when_asked_and_then_counted():
    assert evaluate(log()).clipped == 0
    found = evaluate(log(), Options(clip=1.5))
    assert found.clipped == 2
    assert found.values["IPS"].mean == 1.5 / 4
    assert found.mean_weight.mean == 5 / 4  # of the weights as they are
    with pytest.raises(SettingsError, match="Clipping weights at 0"):
        evaluate(log(), Options(clip=0))


class Truth:
    """A model that knows q of each item."""

    def __init__(self, *q):
        self.q = np.array(q)

    def fit(self, log):
        return self

    def shown(self, log):
        return self.q[log.item]

    def expected(self, log):
        return (log.policy.chances @ self.q)[log.policy.group]


def test_doubly_robust_is_exact_where_the_model_is_whatever_the_propensities():
    rows = under([0.9, 0.1], [0, 1, 0, 1], [0.2, 0.6, 0.2, 0.6], propensity=0.123)
    found = evaluate(rows, Options(model=Truth(0.2, 0.6))).values
    assert found["DR"].mean == pytest.approx(0.9 * 0.2 + 0.1 * 0.6)
    assert found["DM"].mean == pytest.approx(0.24)
    assert found["IPS"].mean != pytest.approx(0.24)


def test_doubly_robust_is_ips_where_the_model_knows_nothing():
    rows = under([0.9, 0.1], [0, 1, 0, 1], [1, 0, 0, 1])
    found = evaluate(rows, Options(model=Truth(0, 0))).values
    assert found["DR"].mean == found["IPS"].mean
    assert found["DM"].mean == 0


def test_the_tabular_model_draws_an_item_towards_the_mean_and_scales_it_by_position():
    rows = under(
        [0.5, 0.5],
        [0, 0, 0, 1],
        [1, 1, 0, 0],
        position=np.array([0, 0, 1, 1]),
        context=np.arange(4),
    )
    q = TabularRewards(prior=2).fit(rows).shown(rows)
    # mean 1/2; items (2 + 1) / 5 and 1 / 3; positions (2 + 1) / 4 and 1 / 4, over the mean
    assert q == pytest.approx([0.9, 0.9, 0.3, 1 / 6])


def test_the_tabular_model_adds_the_positions_where_rewards_may_be_negative():
    rows = under(
        [0.5, 0.5],
        [0, 0, 0, 1],
        [1, 1, 0, -2],  # their mean is 0, and no position's is a multiple of it
        position=np.array([0, 0, 1, 1]),
        context=np.arange(4),
    )
    q = TabularRewards(prior=1).fit(rows).shown(rows)
    # items 2 / 4 and -2 / 2; positions 2 / 3 and -2 / 3
    assert q == pytest.approx([7 / 6, 7 / 6, -1 / 6, -5 / 3])


def test_doubly_robust_is_no_wider_than_ips_where_rewards_of_both_signs_cancel():
    generator = np.random.default_rng(1)
    n = 4000
    item, position = generator.integers(0, 4, n), generator.integers(0, 2, n)
    reward = np.array([-0.4, -0.1, 0.1, 0.4])[item] + np.array([0.3, -0.3])[position]
    reward = reward + generator.normal(0, 0.2, n)
    rows = under(
        [0.1, 0.2, 0.3, 0.4],
        item,
        reward - reward.mean() + 1e-3,
        propensity=0.25,
        position=position,
    )
    found = evaluate(rows, NORMAL).values
    width = {name: value.high - value.low for name, value in found.items()}
    assert found["DR"].mean == pytest.approx(found["IPS"].mean, abs=0.02)
    assert width["DR"] <= width["IPS"]


def test_a_model_never_sees_the_context_that_it_predicts():
    seen = []

    class Spy(Truth):
        def fit(self, log):
            seen.append(set(log.context))
            return self

        def expected(self, log):
            assert not seen[-1] & set(log.context)
            return super().expected(log)

    rows = under([0.5, 0.5], [0, 1] * 6, [0, 1] * 6, context=np.repeat(np.arange(4), 3))
    cross_fitted(rows, Spy(0, 1), 3, seed=1)
    assert len(seen) == 3


# ------------------------------------------------------------------ intervals


@pytest.mark.parametrize("method", ["bootstrap_t", "percentile", "normal"])
def test_slots_of_one_context_are_drawn_together(method):
    generator = np.random.default_rng(1)
    reward = (generator.random(300) < 0.3).astype(float)
    rows = log(reward, np.full(300, 0.5), np.full(300, 0.5))
    fourfold = log(
        np.repeat(reward, 4), np.full(1200, 0.5), np.full(1200, 0.5), context=np.repeat(np.arange(300), 4)
    )  # fmt: skip
    one, other = (evaluate(r, Options(sampling=Sampling(method))).logged for r in (rows, fourfold))
    assert (other.low, other.high) == pytest.approx((one.low, one.high))
    assert one.low < 0.3 < one.high


def test_the_normal_interval_is_two_standard_errors_wide():
    found = evaluate(log([1, 0] * 50, [0.5] * 100, [0.5] * 100), NORMAL).logged
    assert found.high - found.mean == pytest.approx(1.95996 * np.sqrt(0.25 / 99), rel=1e-4)


@pytest.mark.parametrize("method", ["bootstrap_t", "percentile", "normal"])
def test_rewards_that_never_vary_leave_no_doubt(method):
    found = evaluate(log([0.1] * 30, [0.3] * 30, [0.3] * 30), Options(sampling=Sampling(method)))
    for value in (*found.values.values(), found.mean_weight):
        assert value.low == pytest.approx(value.mean) == pytest.approx(value.high)


def test_one_click_bounds_a_rate_from_below_only():
    found = evaluate(log([1] + [0] * 99, [0.5] * 100, [0.5] * 100)).values["IPS"]
    assert found.low == 0  # no mean of clicks is below
    assert found.high == np.inf  # a third of the draws have no click, and no error to measure by


@pytest.mark.parametrize("method", ["bootstrap_t", "percentile", "normal"])
def test_one_context_tells_nothing_of_chance(method):
    found = evaluate(log(context=np.zeros(4, dtype=int)), Options(sampling=Sampling(method)))
    for value in (*found.values.values(), found.logged, found.mean_weight):
        assert np.isnan([value.low, value.high]).all()
    assert found.values["IPS"].mean == 2 / 4
    assert found.fits  # nothing speaks against it


def test_equal_logs_give_equal_bounds():
    rows = under([0.9, 0.1], [0, 1] * 20, [0, 1, 1, 1] * 10)
    assert evaluate(rows).values["DR"] == evaluate(rows).values["DR"]


def test_an_unknown_kind_of_interval_is_refused():
    with pytest.raises(SettingsError, match="no intervals 'exact'(.|\n)*bootstrap_t, percentile"):
        Sampling("exact")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"propensity": (0.5, 0, 0.5, 0.5)}, r"propensity is 0.0 in row 2, .* 1 of 4 rows"),
        ({"propensity": (0.5, 1.2, 0.5, -1)}, r"propensity is 1.2 in row 2, .* 2 of 4 rows"),
        ({"propensity": (0.5, 0.5, 0.5, np.nan)}, "propensity is nan in row 4"),
        ({"reward": (1, np.nan, 0, 0)}, "reward is nan in row 2"),
        ({"evaluation": (1, 0, 2, 0)}, "evaluation is 2.0 in row 3"),
        ({"evaluation": (1, 0, np.nan, 0)}, "evaluation is nan in row 3"),
        ({"propensity": (0.5, 1e-300, 1, 1)}, "propensity is 1e-300 in row 2.*at least 1e-12"),
        ({"reward": (1, 0, 0, -1e308)}, "reward is -1e\\+308 in row 4"),
        ({"reward": (), "propensity": (), "evaluation": ()}, "The log has no impressions"),
        ({"propensity": (0.5, 0.5)}, "4 rewards, but 2 of propensity"),
    ],
)
def test_a_log_that_cannot_be_weighted_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        log(**wrong)


def test_mass_on_items_that_were_never_shown_is_refused_unless_allowed():
    rows = under([0.7, 0.1, 0.2], [0, 1, 0, 1], [1, 0, 0, 1])
    assert uncovered_share(rows) == pytest.approx(0.2)
    with pytest.raises(InputError, match="20.0% of the evaluated policy's mass(.|\n)*--allow-unc"):
        evaluate(rows)
    assert evaluate(rows, Options(allow_uncovered=0.21)).uncovered == pytest.approx(0.2)


def test_an_item_shown_at_another_position_only_is_not_covered():
    rows = under([0.5, 0.5], [0, 1, 0, 0], [1, 0, 0, 1], position=np.array([0, 0, 1, 1]))
    assert uncovered_share(rows) == pytest.approx(0.25)


def test_a_log_without_items_cannot_tell_what_it_covers():
    assert np.isnan(evaluate(log()).uncovered)


def test_a_policy_whose_chances_do_not_sum_to_one_is_refused():
    with pytest.raises(InputError, match="sum to 0.9000 in group 0"):
        under([0.5, 0.4], [0, 1], [0, 1])
    with pytest.raises(InputError, match="chance is -0.5 in row 1"):
        under([-0.5, 1.5], [0, 1], [0, 1])


def test_weights_that_do_not_average_to_one_are_told():
    assert evaluate(log([0, 1] * 50, [0.5] * 100, [0.4, 0.6] * 50)).fits
    assert not evaluate(log([0, 1] * 50, [0.5] * 100, [0.2, 0.4] * 50)).fits
