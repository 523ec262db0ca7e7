"""Models of the reward, for the direct method and for doubly robust; each is cross-fitted.

A model that has seen a row's reward would call it expected: so contexts are dealt into folds, and a
row is predicted by a model of the other folds (Chernozhukov et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nightshelf.ope.log import LoggedImpressions


class Fitted(Protocol):
    def shown(self, log: LoggedImpressions) -> np.ndarray:
        """(n,): q(x, a) of the item that was shown."""

    def expected(self, log: LoggedImpressions) -> np.ndarray:
        """(n,): Σ_a π_e(a | x) q(x, a)."""


class RewardModel(Protocol):
    def fit(self, log: LoggedImpressions) -> Fitted: ...


@dataclass(frozen=True)
class TabularRewards:
    """q(item, position): the item's mean reward, drawn towards the mean of all, times the position's
    over that mean. Of rewards that may be negative the mean is no unit: there the position's distance
    from it is added.

    `prior` is so many impressions of the average mixed into each item's: at a click rate of 1 %, a
    hundred are one click.
    """

    prior: float = 100.0

    def fit(self, log: LoggedImpressions) -> _Table:
        n_items = log.policy.chances.shape[1]
        mean = log.reward.mean()
        rate = self._drawn(log.item, log.reward, n_items, mean)
        at = self._drawn(log.position, log.reward, log.n_positions, mean)
        if log.reward.min() < 0:
            return _Table((at - mean)[:, None] + rate, mean)
        return _Table(np.outer(at / mean if mean else np.ones_like(at), rate), mean)

    def _drawn(self, code, reward, n: int, mean: float) -> np.ndarray:
        total = np.bincount(code, reward, minlength=n) + self.prior * mean
        return total / (np.bincount(code, minlength=n) + self.prior)


@dataclass(frozen=True, eq=False)
class _Table:
    """`q` (n_positions, n_items); a position that was not seen is like none in particular."""

    q: np.ndarray
    mean: float

    def _at(self, n_positions: int) -> np.ndarray:
        unseen = np.full((max(n_positions - len(self.q), 0), self.q.shape[1]), self.mean)
        return np.vstack([self.q, unseen])

    def shown(self, log: LoggedImpressions) -> np.ndarray:
        return self._at(log.n_positions)[log.position, log.item]

    def expected(self, log: LoggedImpressions) -> np.ndarray:
        by_group = log.policy.chances @ self._at(log.n_positions).T
        return by_group[log.policy.group, log.position]


def cross_fitted(
    log: LoggedImpressions, model: RewardModel, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) each: Σ_a π_e q and q of the shown item, by models that saw none of the row's context."""
    contexts, code = np.unique(log.context, return_inverse=True)
    folds = min(folds, len(contexts))
    dealt = np.random.default_rng(seed).permutation(len(contexts)) % folds
    expected, shown = np.empty(len(log)), np.empty(len(log))
    for fold in range(folds):
        held = dealt[code] == fold
        # A log of one context has no other to learn from.
        fitted = model.fit(log.rows(~held) if folds > 1 else log)
        expected[held], shown[held] = (f(log.rows(held)) for f in (fitted.expected, fitted.shown))
    return expected, shown
