"""Estimators of a policy's value: the mean reward of a slot, had the evaluated policy chosen items.

With n slots, rewards r, weights w = π_e / π_0, q(x, a) a model of the reward and q̄ = Σ_a π_e(a) q(x, a):

IPS     1/n Σ w r                       unbiased under support; Horvitz and Thompson 1952
SNIPS   Σ w r / Σ w                     a little bias, less variance; Swaminathan and Joachims 2015
DM      1/n Σ q̄                         as good as the model, and without its own alarm
DR      1/n Σ [q̄ + w (r - q(x, a))]     right if π_0 or q is; Dudík, Langford and Li 2011

Each is a ratio of two sums over slots, which is what intervals are made of.
"""

from __future__ import annotations

import numpy as np

from nightshelf.errors import SettingsError


def clipped(weights: np.ndarray, most: float | None) -> np.ndarray:
    """min(w, most): less variance, and a bias downwards where rewards are not negative.

    None clips nothing, and is the default everywhere: a clipped estimate is of another policy.
    """
    if most is None:
        return weights
    if not most > 0:
        raise SettingsError(f"Clipping weights at {most} leaves none.", "Give a number above 0.")
    return np.minimum(weights, most)


def effective_size(weights: np.ndarray) -> float:
    """(Σ w)² / Σ w²: so many rows of equal weight would tell as much; Kish 1965. 0 without weight."""
    squares = (weights**2).sum()
    return float(weights.sum() ** 2 / squares) if squares > 0 else 0.0


def by_weight(reward: np.ndarray, weights: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Estimator → (n,) numerators and (n,) denominators."""
    return {
        "IPS": (weights * reward, np.ones(len(reward))),
        "SNIPS": (weights * reward, weights),
    }


def by_model(
    reward: np.ndarray, weights: np.ndarray, expected: np.ndarray, shown: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """As by_weight; `expected` is q̄ of each row, `shown` is q of the item shown."""
    one = np.ones(len(reward))
    return {"DM": (expected, one), "DR": (expected + weights * (reward - shown), one)}
