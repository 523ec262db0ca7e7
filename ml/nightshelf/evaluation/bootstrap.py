"""How far a mean over users could be chance: the percentile bootstrap, resampling users.

Source: Efron 1979. NaN (a user without relevant items) is left out. Values are sorted first, so the
order of users changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS_AT_ONCE = 1_000_000
"""Bounds memory at 16 MB; changes nothing else, as draws come from one stream."""


@dataclass(frozen=True)
class Interval:
    """A mean over `n_users`, and the bounds of its confidence interval. All NaN without users."""

    mean: float
    low: float
    high: float
    n_users: int

    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def mean_interval(
    values: np.ndarray, seed: int, repetitions: int = 1000, level: float = 0.95
) -> Interval:
    """The mean of per-user values. 0.02 s for 2,500 users, 1 s for 100 thousand."""
    values = np.asarray(values, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0)
    means = _resampled_means(values, seed, repetitions)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def paired_difference_interval(
    a: np.ndarray, b: np.ndarray, seed: int, repetitions: int = 1000, level: float = 0.95
) -> Interval:
    """The mean of a - b over users where both are defined; both must be aligned by user."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} values against {len(b)}; pair them user by user")
    return mean_interval(a - b, seed, repetitions, level)


def _resampled_means(values: np.ndarray, seed: int, repetitions: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    n_users = len(values)
    at_once = max(1, DRAWS_AT_ONCE // n_users)
    means = np.empty(repetitions)
    for start in range(0, repetitions, at_once):
        part = means[start : start + at_once]
        part[:] = values[generator.integers(0, n_users, (len(part), n_users))].mean(axis=1)
    return means
