"""What a night's lists are worth, by the truth that no model sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshelf.simulation.shop import SimulatedShop, looks

SLOTS = 10
"""Of a list, as many as a page shows."""
NEW_DAYS = 28


@dataclass(frozen=True)
class Truth:
    """One night's. Values are clicks that a user's visit is expected to bring."""

    night: str
    value: float
    best: float
    """Of the best list that there was."""
    crowd: float
    """Of the ten items that suit most users best, the same for all."""
    regret: float
    """The share of the best that the lists leave: 1 - value / best."""
    coverage: float
    """Items on anybody's list, of those that the shop has."""
    new_share: float
    """Slots that show what arrived within four weeks."""
    exploring_share: float


def truth_of(shop: SimulatedShop, day: int, lists: np.ndarray, is_exploration: np.ndarray) -> Truth:
    """`lists` (n_users, SLOTS) are item codes, -1 where a list is shorter; `is_exploration` alike."""
    takes, seen = shop.takes(day), looks(SLOTS)
    value = _worth(takes, lists, seen)
    best = _worth(takes, np.argsort(-takes, axis=1, kind="stable")[:, :SLOTS], seen)
    same = np.argsort(-takes.mean(axis=0), kind="stable")[:SLOTS]
    crowd = _worth(takes, np.broadcast_to(same, lists.shape), seen)
    shown = lists[lists >= 0]
    age = day - shop.arrives
    return Truth(
        night=shop.date(day).isoformat(),
        value=value,
        best=best,
        crowd=crowd,
        regret=1 - value / best,
        coverage=len(np.unique(shown)) / int((age >= 0).sum()),
        new_share=float(((age[shown] <= NEW_DAYS) & (shop.arrives[shown] > 0)).mean()),
        exploring_share=float(is_exploration[lists >= 0].mean()),
    )


def _worth(takes: np.ndarray, lists: np.ndarray, seen: np.ndarray) -> float:
    worth = np.where(lists >= 0, np.take_along_axis(takes, np.maximum(lists, 0), axis=1), 0.0)
    return float((worth * seen).sum(axis=1).mean())
