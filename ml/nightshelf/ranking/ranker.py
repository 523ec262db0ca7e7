"""A logistic regression over the union of the sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import pack_ids, unpack_ids


@dataclass(frozen=True)
class RankerParams:
    negatives_per_positive: int = 20
    """Rows without a label that are kept for each with one; the intercept is corrected for it."""
    c: float = 1.0
    """Inverse strength of the L2 penalty on standardised features."""
    min_positives: int = 50
    """With fewer labels than this no ranker is trained: its weights would be chance."""
    seed: int = 20171201

    def __post_init__(self) -> None:
        need(
            self.negatives_per_positive >= 1,
            "negatives_per_positive",
            self.negatives_per_positive,
            "at least 1",
        )  # noqa: E501
        need(self.c > 0, "c", self.c, "above 0")
        need(self.min_positives >= 1, "min_positives", self.min_positives, "at least 1")


@dataclass(frozen=True, eq=False)
class Ranker:
    """score = sigmoid(intercept + Σ coefficient × (feature - mean) / scale)."""

    features: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows,) float32 in 0..1: the chance that the user takes the item in the window.

        Rows are taken one block at a time in float64, so that a score depends on its row alone.
        """
        weights = self.coefficients / self.scale
        constant = self.intercept - float((self.mean * weights).sum())
        logits = np.full(len(matrix), constant)
        for column, weight in enumerate(weights):
            logits += matrix[:, column] * weight
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            **pack_ids("features", np.array(self.features, dtype=object)),
            "mean": self.mean,
            "scale": self.scale,
            "coefficients": self.coefficients,
            "intercept": np.array([self.intercept]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Ranker:
        return cls(
            tuple(unpack_ids("features", arrays)),
            arrays["mean"],
            arrays["scale"],
            arrays["coefficients"],
            float(arrays["intercept"][0]),
        )


def fit(
    matrix: np.ndarray, taken: np.ndarray, features: list[str], params: RankerParams
) -> Ranker | None:
    """Learns which rows were taken. None where there are too few labels of either kind.

    King and Zeng 2001: sampling negatives shifts a logistic model's intercept only, by the log of
    the share kept. About 1 s for 300 thousand kept rows.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    positives = np.flatnonzero(taken)
    negatives = np.flatnonzero(~taken)
    if len(positives) < params.min_positives or len(negatives) < params.min_positives:
        return None
    kept = min(len(negatives), params.negatives_per_positive * len(positives))
    rng = np.random.default_rng(params.seed)
    rows = np.sort(np.concatenate([positives, rng.choice(negatives, kept, replace=False)]))
    sample = matrix[rows].astype(np.float64)
    mean, scale = sample.mean(axis=0), sample.std(axis=0)
    scale[scale == 0] = 1
    # One BLAS thread: sums in another order would give other last bits on another machine.
    with threadpool_limits(1):
        # Newton's steps: 30 features make a small Hessian, and ten steps are enough.
        model = LogisticRegression(C=params.c, solver="newton-cholesky", tol=1e-6)
        model.fit((sample - mean) / scale, taken[rows])
    intercept = float(model.intercept_[0]) + float(np.log(kept / len(negatives)))
    return Ranker(tuple(features), mean, scale, model.coef_[0].copy(), intercept)
