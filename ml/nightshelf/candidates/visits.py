"""Visits: what a user did on one day, the finest order in time that an `Interactions` has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.dataset.interactions import Interactions

SPAN = 2**21
"""Days between two users' visit keys: day 0 is 1970-01-01, so there is room until the year 7711."""


class Steps(NamedTuple):
    """One row per (user, item, day), sorted so."""

    users: np.ndarray
    items: np.ndarray
    days: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[Interactions]) -> Steps:
        """The rows of all parts; what happened in several counts once."""
        users, items, days = (
            np.concatenate([getattr(part, column) for part in parts])
            for column in ("user_codes", "item_codes", "days")
        )
        if len(parts) == 1:
            return cls(users, items, days)
        order = np.lexsort((days, items, users))
        users, items, days = users[order], items[order], days[order]
        new = np.ones(len(users), dtype=bool)
        new[1:] = (np.diff(users) != 0) | (np.diff(items) != 0) | (np.diff(days) != 0)
        return cls(users[new], items[new], days[new])

    def where(self, kept: np.ndarray) -> Steps:
        return Steps(*(column[kept] for column in self))

    def buyers(self, n_items: int) -> np.ndarray:
        """(n_items,) int64: users with a row."""
        new = np.ones(len(self.users), dtype=bool)
        new[1:] = (np.diff(self.users) != 0) | (np.diff(self.items) != 0)
        return np.bincount(self.items[new], minlength=n_items)


class Visits(NamedTuple):
    """The visits of some steps: one row per (user, day), sorted so."""

    keys: np.ndarray
    """(n_visits,) int64: user and day as one number; a day later is one more."""
    sizes: np.ndarray
    """(n_visits,) int64: steps of each."""
    of_step: np.ndarray
    """(n_steps,) int64: the visit of each step."""

    @classmethod
    def of(cls, steps: Steps) -> Visits:
        """Steps are sorted by user already, and by day within each by counting, twice transposed: a tenth
        of a sort's time. 0.03 s a million steps."""
        first = int(steps.days.min()) if len(steps.days) else 0
        n_users = int(steps.users.max(initial=-1)) + 1
        starts = np.append(0, np.cumsum(np.bincount(steps.users, minlength=n_users)))
        width = int(steps.days.max(initial=first)) - first + 1
        places = (np.arange(len(steps.days)), steps.days - first, starts)
        by_day = csr_matrix(places, (n_users, width)).tocsc().tocsr()
        users = np.repeat(np.arange(n_users), np.diff(by_day.indptr))
        begins = np.append(True, (np.diff(users) != 0) | (np.diff(by_day.indices) != 0))
        begins = begins[: len(users)]
        of_step = np.empty(len(users), dtype=np.int64)
        of_step[by_day.data] = np.cumsum(begins) - 1
        keys = users[begins] * SPAN + (by_day.indices[begins] + np.int64(first))
        sizes = np.diff(np.append(np.flatnonzero(begins), len(users)))
        return cls(keys, sizes, of_step)

    def days(self) -> np.ndarray:
        """(n_visits,) int64: days since 1970-01-01."""
        return self.keys % SPAN

    def where(self, kept: np.ndarray) -> Visits:
        """Those of the steps that are `kept` (n_steps,) bool."""
        sizes = np.bincount(self.of_step[kept], minlength=len(self.keys))
        left = sizes > 0
        return Visits(self.keys[left], sizes[left], (np.cumsum(left) - 1)[self.of_step[kept]])


def without_large(steps: Steps, visits: Visits, max_items: int) -> tuple[Steps, Visits]:
    """Steps and their visits, less the days on which a user had more items: a robot's, or a reseller's."""
    small = visits.sizes <= max_items
    if small.all():
        return steps, visits
    kept = small[visits.of_step]
    return steps.where(kept), visits.where(kept)
