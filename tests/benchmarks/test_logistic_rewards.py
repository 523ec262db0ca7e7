"""The model of rewards that knows contexts, by known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from benchmarks.logistic_rewards import LogisticRewards
from nightshelf.errors import InputError
from nightshelf.ope import LoggedImpressions, Options, Policy, evaluate
from nightshelf.ope.rewards import cross_fitted


def even(item, reward, **more) -> LoggedImpressions:
    """Impressions of two items, each drawn evenly, under the policy that draws them so."""
    item = np.array(item)
    policy = Policy(csr_matrix([[0.5, 0.5]]), np.zeros(len(item), dtype=int))
    reward, propensity = np.array(reward, dtype=float), np.full(len(item), 0.5)
    return LoggedImpressions.under(policy, item, reward, propensity, **more)


def test_the_logistic_model_learns_what_suits_whom():
    generator = np.random.default_rng(1)
    n = 4000
    taste, item = generator.choice([-1.0, 1.0], n), generator.integers(0, 2, n)
    likes = np.where((taste > 0) == (item == 1), 0.8, 0.1)
    rows = even(item, generator.random(n) < likes, features=taste[:, None])
    expected, shown = cross_fitted(rows, LogisticRewards(), 3, seed=1)
    assert shown == pytest.approx(likes, abs=0.05)
    assert expected == pytest.approx(np.full(n, 0.45), abs=0.05)


def test_the_logistic_model_takes_clicks_only_and_bears_none_at_all():
    rows = even([0, 1, 0, 1], [0, 0, 0, 0], position=np.array([0, 1, 1, 0]))
    assert evaluate(rows, Options(model=LogisticRewards())).values["DM"].mean < 0.25
    with pytest.raises(InputError, match="rewards other than 0 and 1"):
        evaluate(even([0, 1], [0, 2.5]), Options(model=LogisticRewards()))
