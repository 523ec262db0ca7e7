"""Intervals of ratios of sums over contexts. Bootstrap-t is the default: by measured coverage,
docs/decisions/0031-off-policy-estimators-of-our-own.md."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nightshelf.errors import SettingsError
from nightshelf.evaluation.bootstrap import Interval, over, resampled_totals

ROUNDING = 1e-12
METHODS = ("bootstrap_t", "percentile", "normal")


@dataclass(frozen=True)
class Sampling:
    """How intervals are made.

    `percentile`: percentiles of the estimate over resampled contexts (Efron 1979).
    `bootstrap_t`: percentiles of its distance from the estimate in standard errors (Efron and
    Tibshirani 1993, 12.5).
    `normal`: the estimate ± z standard errors, of a ratio by linearisation (Cochran 1977, ch. 6).
    """

    method: str = "bootstrap_t"
    level: float = 0.95
    repetitions: int = 1000
    seed: int = 20260101
    """Any number; fixed so that equal logs give equal bounds."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(
                f"There are no intervals '{self.method}'.", f"Choose one of {', '.join(METHODS)}."
            )


def ratio_intervals(
    numerators: np.ndarray, denominators: np.ndarray, context: np.ndarray, how: Sampling
) -> list[Interval]:
    """One interval for each column of (n, m) numerators and denominators: Σ numerator / Σ denominator.

    Rows of one context are drawn together. A bootstrap of six ratios takes 0.2 s for 5 thousand
    contexts and a minute for a million, normal intervals half a second. All NaN where denominators
    sum to 0, bounds NaN where there is one context.
    """
    tops, bottoms = _by_context(numerators, context), _by_context(denominators, context)
    products = np.stack([tops, bottoms, tops**2, tops * bottoms, bottoms**2])  # (5, n_contexts, m)
    value, error = _ratio(products.sum(axis=1), len(tops))
    low, high = _BOUNDS[how.method](products, value, error, how)
    if len(tops) < 2:  # every draw is the same
        low = high = np.full_like(value, np.nan)
    return [
        Interval(float(v), float(a), float(b), len(tops))
        for v, a, b in zip(value, low, high, strict=True)
    ]


def _ratio(sums: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The ratio and its standard error, from (5, …) sums over contexts; NaN without a denominator."""
    top, bottom, tops, both, bottoms = sums
    value = over(top, bottom)
    squares = tops - 2 * value * both + value**2 * bottoms
    # What is left of equal terms is rounding.
    squares = np.where(squares > ROUNDING * (tops + value**2 * bottoms), squares, 0)
    return value, over(np.sqrt(squares * n / max(n - 1, 1)), bottom)


def _normal(products, value, error, how: Sampling) -> tuple[np.ndarray, np.ndarray]:
    reach = NormalDist().inv_cdf((1 + how.level) / 2) * error
    return value - reach, value + reach


def _percentile(products, value, error, how: Sampling) -> tuple[np.ndarray, np.ndarray]:
    drawn, _ = _resampled(products, how)
    return _tails(np.where(np.isnan(drawn), value, drawn), how)


def _bootstrap_t(products, value, error, how: Sampling) -> tuple[np.ndarray, np.ndarray]:
    drawn, errors = _resampled(products, how)
    off = np.where(np.isnan(drawn), 0.0, drawn - value)
    # A draw without a click has no error to measure by: it is as far off as can be.
    t = np.where(off == 0, 0.0, np.copysign(np.inf, off))
    np.divide(off, errors, out=t, where=errors > 0)
    low, high = (np.multiply(end, error, where=error > 0, out=error * 0) for end in _tails(t, how))
    return value - high, value - low


_BOUNDS = {"bootstrap_t": _bootstrap_t, "percentile": _percentile, "normal": _normal}


def _resampled(products: np.ndarray, how: Sampling) -> tuple[np.ndarray, np.ndarray]:
    """(repetitions, m) ratios of resampled contexts and their errors."""
    n = products.shape[1]
    parts = np.moveaxis(products, 1, 0)
    totals = resampled_totals(parts.reshape(n, -1), how.seed, how.repetitions)
    return _ratio(np.moveaxis(totals.reshape(-1, *parts.shape[1:]), 1, 0), n)


def _tails(drawn: np.ndarray, how: Sampling) -> np.ndarray:
    """(2, m). By whole draws: between a finite one and an infinite one there is nothing."""
    ends = [(1 - how.level) / 2, (1 + how.level) / 2]
    return np.quantile(drawn, ends, axis=0, method="inverted_cdf")


def _by_context(columns: np.ndarray, context: np.ndarray) -> np.ndarray:
    """(n_contexts, m) sums."""
    contexts, code = np.unique(context, return_inverse=True)
    return np.stack([np.bincount(code, c, minlength=len(contexts)) for c in columns.T], axis=1)
