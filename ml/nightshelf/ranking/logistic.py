"""Logistic regression on standardised features: the ranker that a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nightshelf.candidates.params import need
from nightshelf.ranking.rows import TrainingRows

FEWER = 10
"""Every so many rows tell nearly where the coefficients lie: from there all rows need few steps more."""


@dataclass(frozen=True)
class LogisticParams:
    c: float = 1.0
    """Inverse strength of the L2 penalty on standardised features."""

    def __post_init__(self) -> None:
        need(self.c > 0, "c", self.c, "above 0")


@dataclass(frozen=True, eq=False)
class Logistic:
    """raw = intercept + Σ coefficient × (feature - mean) / scale, each feature held to the range that
    it was learnt from: beyond it a straight line is a guess, and one item could top every list."""

    low: np.ndarray
    high: np.ndarray
    """(n_features,) float32: the least and the greatest value learnt from."""
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows,) float64, log odds. Column by column, so that a row's sum is always in one
        order and depends on the row alone."""
        weights = self.coefficients / self.scale
        found = np.full(len(matrix), self.intercept - float((self.mean * weights).sum()))
        for column, weight in enumerate(weights):
            found += np.clip(matrix[:, column], self.low[column], self.high[column]) * weight
        return found

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows, n_features + 1) float64: what each feature adds to `raw` beyond its mean, and last
        what every row has. A row's sum is its `raw`."""
        held = np.clip(matrix.astype(np.float64), self.low, self.high)
        terms = (held - self.mean) / self.scale * self.coefficients
        return np.column_stack([terms, np.full(len(matrix), self.intercept)])

    def importances(self) -> np.ndarray:
        """(n_features,) the size of a standardised coefficient."""
        return np.abs(self.coefficients)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "low": self.low,
            "high": self.high,
            "mean": self.mean,
            "scale": self.scale,
            "coefficients": self.coefficients,
            "intercept": np.array([self.intercept]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Logistic:
        return cls(
            arrays["low"],
            arrays["high"],
            arrays["mean"],
            arrays["scale"],
            arrays["coefficients"],
            float(arrays["intercept"][0]),
        )


def fit(rows: TrainingRows, params: LogisticParams) -> Logistic:
    """About 1 s for 300 thousand rows of 60 features.

    King and Zeng 2001: thinning the negatives shifts a logistic model's intercept only, by the log
    of the share kept.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    matrix = rows.matrix.astype(np.float64)
    mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
    scale[scale == 0] = 1
    # In place: one copy of all rows is enough.
    matrix -= mean
    matrix /= scale
    # Newton's steps: some dozens of features make a small Hessian, and ten steps are enough.
    model = LogisticRegression(C=params.c, solver="newton-cholesky", tol=1e-4, warm_start=True)
    # One BLAS thread: sums in another order would give other last bits on another machine.
    with threadpool_limits(1):
        few = slice(None, None, FEWER)
        if 0 < rows.taken[few].sum() < len(rows.taken[few]):
            model.set_params(C=params.c * FEWER).fit(matrix[few], rows.taken[few])
        model.set_params(C=params.c).fit(matrix, rows.taken)
    intercept = float(model.intercept_[0]) + float(np.log(rows.kept_share))
    low, high = rows.matrix.min(axis=0), rows.matrix.max(axis=0)
    return Logistic(low, high, mean, scale, model.coef_[0].copy(), intercept)
