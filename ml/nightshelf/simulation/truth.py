"""What a night's lists are worth, by the truth that no model sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshelf.simulation.shop import SimulatedShop, looks

SLOTS = 10
"""Of a list, as many as a page shows."""
NEW_DAYS = 28


@dataclass(frozen=True, eq=False)
class Shown:
    """What a night has for the page: item codes, -1 where a list is shorter. `lists` (n_users, SLOTS) is
    what each user sees, `is_exploration` which slots explore, `ranked` the candidates scored best, before
    rules and dice; `cold_start` and `bestsellers` (SLOTS,) are the same for all. Who is not known
    (`is_known` (n_users,) is false) sees `cold_start`, ranked or not."""

    lists: np.ndarray
    is_exploration: np.ndarray
    is_known: np.ndarray
    ranked: np.ndarray
    cold_start: np.ndarray
    bestsellers: np.ndarray
    rules_expected: float


@dataclass(frozen=True)
class Truth:
    """One night's. Values are clicks that a visit is expected to bring: of a user who has joined, or, in
    the last three, of a stranger."""

    night: str
    value: float
    ranked: float
    """Of the candidates scored best: what rules and exploration take is this less `value`."""
    best: float
    """Of the best list that there was."""
    crowd: float
    """Of the ten items that suit most users best, the same for all."""
    regret: float
    """The share of the best that the lists leave: 1 - value / best."""
    rules_expected: float
    """The share of nDCG that rpt_rule_cost expects the rules to take."""
    coverage: float
    """Items on anybody's list, of those that the shop has."""
    new_share: float
    """Slots that show what arrived within four weeks."""
    exploring_share: float
    cold_start: float
    bestsellers: float
    """Of what sold most in four weeks."""
    cold_best: float
    """Of the best list that is the same for all strangers."""


def truth_of(shop: SimulatedShop, day: int, shown: Shown) -> Truth:
    there = shop.joins <= day
    takes, lists = shop.takes(day)[there], shown.lists[there]
    strangers = shop.strangers_take(day)
    value, best = _worth(takes, lists), _worth(takes, _best(takes))
    slots = lists[lists >= 0]
    age = day - shop.arrives
    return Truth(
        night=shop.date(day).isoformat(),
        value=value,
        ranked=_worth(takes, shown.ranked[there]),
        best=best,
        crowd=_worth(takes, _best(takes.mean(axis=0))),
        regret=1 - value / best,
        rules_expected=shown.rules_expected,
        coverage=len(np.unique(slots)) / int((age >= 0).sum()),
        new_share=float(((age[slots] <= NEW_DAYS) & (shop.arrives[slots] > 0)).mean()),
        exploring_share=float(shown.is_exploration[there][lists >= 0].mean()),
        cold_start=_worth(strangers, shown.cold_start),
        bestsellers=_worth(strangers, shown.bestsellers),
        cold_best=_worth(strangers, _best(strangers.mean(axis=0))),
    )


def _best(takes: np.ndarray) -> np.ndarray:
    """The codes of the SLOTS items that are taken most, along the last axis."""
    return np.argsort(-takes, axis=-1, kind="stable")[..., :SLOTS]


def _worth(takes: np.ndarray, lists: np.ndarray) -> float:
    """Mean over users of the clicks that their list, or the one for all, is expected to bring."""
    lists = np.broadcast_to(lists, (len(takes), SLOTS))
    worth = np.where(lists >= 0, np.take_along_axis(takes, np.maximum(lists, 0), axis=1), 0.0)
    return float((worth * looks(SLOTS)).sum(axis=1).mean())
