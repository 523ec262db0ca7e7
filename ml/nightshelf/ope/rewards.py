"""Models of the reward, for the direct method and for doubly robust; each is cross-fitted.

A model that has seen a row's reward would call it expected: so contexts are dealt into folds, and a
row is predicted by a model of the other folds (Chernozhukov et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nightshelf.errors import InputError
from nightshelf.ope.log import LoggedImpressions

ROWS_AT_ONCE = 2_000
"""Of (rows, n_items) predictions: 16 MB a thousand items."""


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


@dataclass(frozen=True, eq=False)
class LogisticRewards:
    """Logistic regression of a click on position, item, context, and context × item.

    `item_features` (n_items, d); without them each item has a feature of its own. The context's are
    the log's `features`. Ridge of scikit-learn's default strength; give features of unit scale.
    """

    item_features: np.ndarray | None = None
    c: float = 1.0

    def fit(self, log: LoggedImpressions) -> _Logistic:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        if not np.isin(log.reward, (0, 1)).all():
            raise InputError(
                "The logistic model was given rewards other than 0 and 1.",
                "Use the tabular model for other rewards.",
            )
        items = self.item_features
        items = np.eye(log.policy.chances.shape[1]) if items is None else items
        clicks = log.reward.sum()
        if clicks in (0, len(log)):  # one class: nothing to tell apart
            even = np.log((clicks + 0.5) / (len(log) - clicks + 0.5))
            return _Logistic(items, np.zeros(_design(log, items, 1).shape[1]), even)
        model = LogisticRegression(C=self.c, max_iter=300)
        with threadpool_limits(1, "blas"):  # equal bytes on any number of cores
            model.fit(_design(log, items, log.n_positions), log.reward)
        return _Logistic(items, model.coef_[0], float(model.intercept_[0]))


@dataclass(frozen=True, eq=False)
class _Logistic:
    items: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def shown(self, log: LoggedImpressions) -> np.ndarray:
        base, tastes = self._parts(log)
        return _sigmoid(base + (tastes * self.items[log.item]).sum(axis=1))

    def expected(self, log: LoggedImpressions) -> np.ndarray:
        base, tastes = self._parts(log)
        found = np.empty(len(log))
        for start in range(0, len(log), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            q = _sigmoid(base[rows, None] + tastes[rows] @ self.items.T)
            chances = log.policy.chances[log.policy.group[rows]]
            found[rows] = np.asarray(chances.multiply(q).sum(axis=1)).ravel()
        return found

    def _parts(self, log: LoggedImpressions) -> tuple[np.ndarray, np.ndarray]:
        """(n,) what hangs on position and context alone; (n, d) the weight of each item feature."""
        x, d = _features(log), self.items.shape[1]
        n_positions = len(self.coefficients) - d - x.shape[1] - d * x.shape[1]
        places, own, context, both = np.split(
            self.coefficients, np.cumsum([n_positions, d, x.shape[1]])
        )
        place = np.append(places, np.zeros(max(log.n_positions - n_positions, 0)))[log.position]
        return self.intercept + place + x @ context, own + x @ both.reshape(x.shape[1], d)


def _design(log: LoggedImpressions, items: np.ndarray, n_positions: int) -> np.ndarray:
    """(n, n_positions + d + d_x + d_x d): position, item, context, context × item."""
    x, z = _features(log), items[log.item]
    both = (x[:, :, None] * z[:, None, :]).reshape(len(log), -1)
    place = np.eye(n_positions)[np.minimum(log.position, n_positions - 1)]
    return np.hstack([place, z, x, both])


def _features(log: LoggedImpressions) -> np.ndarray:
    return np.zeros((len(log), 0)) if log.features is None else log.features


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(x)


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
