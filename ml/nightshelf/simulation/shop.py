"""What is true of the made-up shop: tastes that turn, items that arrive, and what a look leads to.

A user's taste and an item lie in one space; what a user takes of what they look at has the logit
base + appeal + taste · item. Tastes turn, each user's at a speed of their own, so that what was learnt
goes stale. The eye goes down a list and stops: rank r is looked at with the chance PATIENCE^(r - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from scipy.special import expit

DIMENSIONS = 3
BASE = -3.5
"""The logit of an item that suits nobody in particular: three looks in a hundred."""
APPEAL, SUITS = 0.8, 1.2
"""Standard deviation of items' own appeal, and of what taste adds: the list that suits most users best
is worth six tenths of what each user's own is."""
FASTEST_TURN = np.pi / 180
"""Radians a day: the fastest tastes turn by half a year to their opposite."""
PATIENCE = 0.85
"""As in rank-biased precision (Moffat and Zobel 2008) for a patient user."""
FOUNDING_ITEMS = 0.6
"""The share that is there on the first day; the others arrive one by one."""
FOUNDING_USERS = 0.4
"""Likewise. Of 200 users four join in five days: from the second night on the log knows the 50 newcomers,
after its first four weeks, that `rec_cold_start` waits for."""
ARRIVAL_DAYS = 150
"""From the first day on; a run of more than 60 nights sees none arrive after that."""
HISTORY_DAYS = 90
"""Before the first night: three months, so that four cuts of two weeks leave a month to learn from."""
N_CATEGORIES = 6
N_STRANGERS = 1000
"""A thousand tastes tell what a list is worth to people whom nobody knows within a few hundredths."""


@dataclass(frozen=True)
class Size:
    users: int = 200
    items: int = 120
    nights: int = 30


@dataclass(frozen=True, eq=False)
class SimulatedShop:
    """`tastes` and `turned` (n_users, DIMENSIONS) are at right angles: a taste is the first, and turns
    towards the second by `speed` (n_users,) a day. `joins` (n_users,) is the first day, from 0, on which
    a user may come. `places` (n_items, DIMENSIONS), `appeal` (n_items,); `arrives` (n_items,) is the day
    on which the shop gets the item."""

    tastes: np.ndarray
    turned: np.ndarray
    speed: np.ndarray
    joins: np.ndarray
    places: np.ndarray
    appeal: np.ndarray
    arrives: np.ndarray
    seed: int
    first_day: date = date(2020, 1, 1)

    @classmethod
    def of(cls, size: Size, seed: int) -> SimulatedShop:
        dice = np.random.default_rng([seed, 0])
        turns = _turns(dice, size.users)
        return cls(
            tastes=turns[:, :, 0],
            turned=turns[:, :, 1],
            speed=dice.uniform(0, FASTEST_TURN, size.users),
            joins=_arrivals(size.users, FOUNDING_USERS),
            places=dice.normal(size=(size.items, DIMENSIONS)),
            appeal=dice.normal(0, APPEAL, size.items),
            arrives=_arrivals(size.items, FOUNDING_ITEMS),
            seed=seed,
        )

    def dice(self, day: int) -> np.random.Generator:
        """The day's own: what was thrown before changes nothing."""
        return np.random.default_rng([self.seed, 1, day])

    def date(self, day: int) -> date:
        return self.first_day + timedelta(days=day)

    def takes(self, day: int) -> np.ndarray:
        """(n_users, n_items) the chance that a look leads to a click; 0 where the item is not there."""
        angle = (self.speed * day)[:, None]
        return self._takes(np.cos(angle) * self.tastes + np.sin(angle) * self.turned, day)

    def strangers_take(self, day: int) -> np.ndarray:
        """(N_STRANGERS, n_items) the same of people who never come: whoever joins is one of their kind,
        and no log knows any of them. A crowd of turning tastes is as it was: theirs stand still."""
        dice = np.random.default_rng([self.seed, 3])
        return self._takes(_turns(dice, N_STRANGERS)[:, :, 0], day)

    def _takes(self, tastes: np.ndarray, day: int) -> np.ndarray:
        suits = SUITS * tastes @ self.places.T / np.sqrt(DIMENSIONS)
        return np.where(self.arrives <= day, expit(BASE + self.appeal + suits), 0.0)

    @cached_property
    def users(self) -> list[str]:
        return [f"user {n:04d}" for n in range(len(self.tastes))]

    @cached_property
    def items(self) -> list[str]:
        return [f"item {n:04d}" for n in range(len(self.places))]

    @cached_property
    def categories(self) -> list[str]:
        """Items that lie in one direction are of one category; the shop sees no more than that."""
        angle = np.arctan2(self.places[:, 1], self.places[:, 0]) / (2 * np.pi) + 0.5
        return [f"Shelf {min(int(a * N_CATEGORIES), N_CATEGORIES - 1)}" for a in angle]


def _turns(dice: np.random.Generator, n: int) -> np.ndarray:
    """(n, DIMENSIONS, 2) pairs of tastes at right angles, each as strong, and no direction likelier than
    another: qr() alone would give every first one the same sign."""
    axes, sides = np.linalg.qr(dice.normal(size=(n, DIMENSIONS, 2)))
    signs = np.sign(np.diagonal(sides, axis1=1, axis2=2))
    return axes * signs[:, None, :] * np.sqrt(DIMENSIONS)


def _arrivals(n: int, founding_share: float) -> np.ndarray:
    """(n,) days: 0 for those that are there, the others evenly through ARRIVAL_DAYS."""
    founding = round(founding_share * n)
    later = np.linspace(1, ARRIVAL_DAYS, n - founding).astype(int)
    return np.concatenate([np.zeros(founding, dtype=int), later])


def looks(k: int) -> np.ndarray:
    """(k,) the chance that each rank is looked at."""
    return PATIENCE ** np.arange(k)
