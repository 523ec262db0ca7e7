"""Trend: what more people take this week than in the weeks before. The same list for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import NO
from nightshelf.candidates.lately import counting
from nightshelf.candidates.one_list import OneList, offerable
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.dataset.interactions import Interactions

LEAST_PRIOR, MOST_PRIOR = 2.0, 1000.0
"""Bounds of the learnt prior, in users: below, one buyer could make a trend; above, a shop whose
items all kept their pace would never let one rise."""


@dataclass(frozen=True)
class TrendParams:
    recent_days: int = 7
    """What counts as now: a whole week, so that a Saturday is not a trend."""
    before_days: int = 28
    """What now is measured against: so many days before those, a multiple of `recent_days`."""
    confidence: float = 0.95
    """The score is what the rise exceeds with this probability: 2 buyers against 0 do not win."""

    burst: float = 2.0
    """Times an item's ordinary day beyond which those who begin with it count for less, as in
    `lately`: what rises for a day is over tomorrow. 0 counts everybody in full."""

    def __post_init__(self) -> None:
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")
        need(1 <= self.recent_days <= MOST_DAYS, "recent_days", self.recent_days, DAYS)
        whole = 1 <= self.before_days <= MOST_DAYS and self.before_days % self.recent_days == 0
        need(whole, "before_days", self.before_days, f"a multiple of recent_days, {DAYS}")
        need(0.5 <= self.confidence < 1, "confidence", self.confidence, "from 0.5 to below 1")


class Trend(OneList):
    """Score: log of how many times the item's share of takings has grown, at its lower bound. Above
    0 it rises for certain; what sells much and steadily stands just below 0.

    Time is cut into periods of `recent_days`, and a user counts once in each: nobody's spree is a
    trend. Of an item's n user-periods, y fell in the last period; if nothing had changed, y would be
    binomial with the shop's share p. Each item's own share has a Beta prior around p, whose strength
    is learnt from how much items differ (`prior_strength`); the bound is a quantile of the posterior
    (the conditional comparison of two Poisson rates, Przyborowski and Wilenski 1940, with an
    empirical prior as in DuMouchel 1999). Offered: what anyone took in the last period. Nothing, if
    the log does not reach back before it.
    """

    name: ClassVar[str] = "trend"
    Params: ClassVar[type] = TrendParams

    def _fit(self, interactions: Interactions) -> None:
        now, before = self._user_periods(interactions)
        scores = np.full(len(self.items), NO, dtype=np.float32)
        if now.any() and before.any():
            rising = (now > 0) & offerable(interactions)
            bound = least_rise(now, before, self.params.confidence)
            scores[rising] = bound[rising].astype(np.float32)
        self._keep(scores)

    def more_users(self, interactions: Interactions) -> np.ndarray:
        """(n_items,) float64: by how many users the last period exceeds what the item's own past has it
        at, were the rise the one that `confidence` tells; 0 of what may not be offered."""
        now, before = self._user_periods(interactions)
        if not (now.any() and before.any()):
            return np.zeros(len(interactions.items))
        rise = least_rise(now, before, self.params.confidence)
        return np.where(offerable(interactions), -now * np.expm1(-rise), 0.0)

    def _user_periods(self, interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
        """(n_items,) each: users in the last period, and user-periods in those before, as far as they
        count."""
        length = self.params.recent_days
        periods = (interactions.as_of - 1 - interactions.days) // length
        kept = periods <= self.params.before_days // length
        counts = np.repeat(
            counting(interactions, self.params.burst).data, interactions.pair_sizes()
        )
        columns = (interactions.user_codes, interactions.item_codes, periods, counts)
        users, items, periods, counts = (column[kept] for column in columns)
        # Rows are sorted by user, item and day, so those of one period stand together.
        first = np.ones(len(users), dtype=bool)
        first[1:] = (
            (users[1:] != users[:-1]) | (items[1:] != items[:-1]) | (periods[1:] != periods[:-1])
        )
        items, is_now, counts = items[first], periods[first] == 0, counts[first].astype(np.float64)
        n_items = len(interactions.items)
        return tuple(
            np.bincount(items[part], counts[part], minlength=n_items) for part in (is_now, ~is_now)
        )


def least_rise(now: np.ndarray, before: np.ndarray, confidence: float) -> np.ndarray:
    """(n_items,) float64: log of the factor by which each share grew, at its lower bound."""
    from scipy.special import betaincinv

    share = now.sum() / (now.sum() + before.sum())
    strength = prior_strength(now, before)
    low = betaincinv(share * strength + now, (1 - share) * strength + before, 1 - confidence)
    low = np.clip(low, 1e-12, 1 - 1e-12)
    return np.log(low / (1 - low)) - np.log(share / (1 - share))


def prior_strength(now: np.ndarray, before: np.ndarray) -> float:
    """How many users the shop's own pace weighs as, by the variance of a beta-binomial:
    n p (1 - p) (1 + (n - 1) / (strength + 1)), summed over items."""
    n = now + before
    p = now.sum() / n.sum()
    by_chance = p * (1 - p) * n
    beyond = ((now - n * p) ** 2 - by_chance).sum()
    if beyond <= 0:
        return MOST_PRIOR
    return float(np.clip((by_chance * (n - 1.0)).sum() / beyond - 1, LEAST_PRIOR, MOST_PRIOR))
