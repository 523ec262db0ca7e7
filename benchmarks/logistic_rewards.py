"""A model of rewards that knows contexts, beside the table that `nightshelf ope` goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from nightshelf.errors import InputError
from nightshelf.ope import LoggedImpressions

ROWS_AT_ONCE = 2_000
"""Of (rows, n_items) predictions: 16 MB a thousand items."""


@dataclass(frozen=True, eq=False)
class LogisticRewards:
    """Logistic regression of a click on position, item, context, and context × item.

    `item_features` (n_items, d); without them each item has a feature of its own. The context's are
    the log's `features`. Ridge of scikit-learn's default strength; give features of unit scale.
    """

    item_features: np.ndarray | None = None
    c: float = 1.0

    def fit(self, log: LoggedImpressions) -> _Logistic:
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
        return expit(base + (tastes * self.items[log.item]).sum(axis=1))

    def expected(self, log: LoggedImpressions) -> np.ndarray:
        base, tastes = self._parts(log)
        found = np.empty(len(log))
        for start in range(0, len(log), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            q = expit(base[rows, None] + tastes[rows] @ self.items.T)
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
