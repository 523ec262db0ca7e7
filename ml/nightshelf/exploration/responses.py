"""What is believed of each item's response: a Beta for each, from clicks and impressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshelf.errors import InputError, SettingsError

STRENGTH = (20.0, 2000.0)
"""Bounds of the prior, in impressions: below, one click makes a new item the best; above, no item of a
modest shop would ever be told from the average."""
FIRST = (1, 50)
"""Clicks and impressions believed before the first: one click in fifty is what a slot of a shop's page
gets, about. Without them a new item would have nothing to be lifted from."""
BELIEVED = 5000
"""Impressions that an item's own past counts at most. Tastes drift, and a belief that has become sure
stops exploring: at 5,000 and a click rate of 1 % the standard deviation is a seventh of the rate."""


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Beta(alpha, beta) of each item's click rate, (n_items,) each."""

    alpha: np.ndarray
    beta: np.ndarray


def posteriors(
    clicks: np.ndarray, impressions: np.ndarray, is_new: np.ndarray, lift: float = 1.5
) -> Posteriors:
    """Beta-Bernoulli posteriors under a prior learnt from all items.

    The prior's mean is the shop's click rate m; its strength s (in impressions) is by moments: items'
    rates vary by m (1 - m) / (s + 1) beyond what counting explains (Kleinman 1973). A new item's prior
    mean is `lift` times m, at most one half. Without impressions every item that is not new is alike.
    """
    _check(clicks, impressions, is_new, lift)
    mean = (clicks.sum() + FIRST[0]) / (impressions.sum() + FIRST[1])
    strength = _strength(clicks, impressions, mean)
    begun = np.where(is_new, min(lift * mean, max(mean, 0.5)), mean)
    shown = np.minimum(impressions, BELIEVED)
    clicked = clicks * np.divide(shown, impressions, out=np.ones(len(shown)), where=impressions > 0)
    return Posteriors(begun * strength + clicked, (1 - begun) * strength + shown - clicked)


def _strength(clicks: np.ndarray, impressions: np.ndarray, mean: float) -> float:
    seen = impressions > 0
    n, rates = impressions[seen], clicks[seen] / impressions[seen]
    if len(n) < 2:
        return STRENGTH[0]
    even = mean * (1 - mean)
    spread = (n * (rates - mean) ** 2).sum() - even * (len(n) - 1)
    between = spread / (n.sum() - (n**2).sum() / n.sum())
    return float(np.clip(even / between - 1, *STRENGTH)) if between > 0 else STRENGTH[1]


def _check(clicks, impressions, is_new, lift: float) -> None:
    if not len(clicks) == len(impressions) == len(is_new):
        raise InputError(
            f"{len(clicks):,} items with clicks, {len(impressions):,} with impressions, "
            f"{len(is_new):,} new or not.",
            "Give one of each for every item.",
        )
    wrong = np.flatnonzero(~((clicks >= 0) & (clicks <= impressions)))
    if len(wrong):
        i = wrong[0]
        raise InputError(
            f"Item {i} has {clicks[i]} clicks of {impressions[i]} impressions.",
            "Count a click once for the impression that caused it.",
        )
    if not lift >= 1:
        raise SettingsError(f"A lift of {lift} hides new items.", "Give 1 or more, such as 1.5.")
