"""From a model's log odds to chances that can be believed: a logistic model, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nightshelf.audience.figures import log_loss
from nightshelf.ranking.logistic import Logistic

ENOUGH_FOR_STEPS = 1000
"""Isotonic regression overfits below about a thousand rows (Niculescu-Mizil and Caruana 2005)."""
ENOUGH_OF_EACH = 200


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -35, 35)))


def fit_linear(
    matrix: np.ndarray, came: np.ndarray, c: float, columns: list[int] | None = None
) -> Logistic:
    """Logistic regression on standardised features; only `columns` may weigh anything."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    used = np.arange(matrix.shape[1]) if columns is None else np.array(columns)
    mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
    scale[scale == 0] = 1
    # One BLAS thread: sums in another order would give other last bits.
    with threadpool_limits(1):
        model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-6)
        model.fit(((matrix - mean) / scale)[:, used], came)
    weights = np.zeros(matrix.shape[1])
    weights[used] = model.coef_[0]
    low, high = matrix.min(axis=0), matrix.max(axis=0)
    return Logistic(low, high, mean, scale, weights, float(model.intercept_[0]))


@dataclass(frozen=True, eq=False)
class Calibrator:
    """Logit → chance. `sigmoid`: a logistic curve, `knots` holds its slope and constant (Platt 1999).
    `isotonic`: steps that never fall, `knots` holds logits and `levels` the chances there."""

    kind: str
    knots: np.ndarray
    levels: np.ndarray

    def chances(self, logits: np.ndarray) -> np.ndarray:
        if self.kind == "sigmoid":
            return sigmoid(self.knots[0] * logits + self.knots[1])
        return np.interp(logits, self.knots, self.levels)

    def arrays(self) -> dict[str, np.ndarray]:
        steps = np.array([self.kind == "isotonic"])
        return {"is_steps": steps, "knots": self.knots, "levels": self.levels}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Calibrator:
        kind = "isotonic" if arrays["is_steps"][0] else "sigmoid"
        return cls(kind, arrays["knots"], arrays["levels"])


def calibrate(logits: np.ndarray, came: np.ndarray) -> Calibrator:
    """Isotonic where there are rows enough, else a sigmoid, else, of one kind only, the share of it."""
    n_came = int(came.sum())
    least = min(n_came, len(came) - n_came)
    if least == 0:
        return base_rate(came)
    if len(came) >= ENOUGH_FOR_STEPS and least >= ENOUGH_OF_EACH:
        return _steps(logits, came)
    curve = fit_linear(logits[:, None], came, c=1e3)
    slope = float(curve.coefficients[0] / curve.scale[0])
    if slope <= 0:  # it orders users the wrong way round: then it says nothing
        return base_rate(came)
    constant = curve.intercept - slope * float(curve.mean[0])
    return Calibrator("sigmoid", np.array([slope, constant]), np.zeros(0))


def base_rate(came: np.ndarray) -> Calibrator:
    """The same chance for everybody: how often it came, one half of a user added to either side."""
    share = (int(came.sum()) + 0.5) / (len(came) + 1)
    return Calibrator("sigmoid", np.array([0.0, np.log(share / (1 - share))]), np.zeros(0))


def _steps(logits: np.ndarray, came: np.ndarray) -> Calibrator:
    from sklearn.isotonic import IsotonicRegression

    # The outermost steps may hold one kind only; no step says "never" or "always".
    edge = 1 / (2 * len(came))
    fitted = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(logits, came.astype(np.float64))
    return Calibrator("isotonic", fitted.X_thresholds_, fitted.y_thresholds_)


def cross_calibrated_loss(logits: np.ndarray, came: np.ndarray) -> float:
    """The log loss of chances that are calibrated on one half of the rows and judged on the other."""
    half = np.arange(len(came)) % 2 == 0
    chances = np.empty(len(came))
    for part in (half, ~half):
        chances[part] = calibrate(logits[~part], came[~part]).chances(logits[part])
    return log_loss(chances, came)
