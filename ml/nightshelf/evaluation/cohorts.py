"""Cohorts: a mean hides whom a model serves badly, and which items it never finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshelf.evaluation.past import Past

COLD_DAYS = 1
"""With one date nobody's rhythm or taste is known; what is offered is what others do."""
NEW_DAYS = 28
"""Two label windows: an item younger than this has been learnt from for at most one of them whole."""
HEAD_SHARE = 0.5
"""The head is as few items as make up half of what was taken."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Some of the examined users, or some of the items."""

    name: str
    told: str
    """Who is in it, in words."""
    members: np.ndarray
    """(n,) bool."""

    def __len__(self) -> int:
        return int(self.members.sum())


def user_cohorts(past: Past) -> list[Cohort]:
    """cold, light and heavy users, by dates before the cut; each examined user is in one.

    The cut between light and heavy is the median of those who are not cold, so that it suits a
    grocer as well as a furniture shop; who stands on it is light.
    """
    days = past.user_days
    cold = days <= COLD_DAYS
    middle = int(np.median(days[~cold])) if (~cold).any() else COLD_DAYS + 1
    first = COLD_DAYS + 1
    light = f"{first} to {middle} dates" if middle > first else f"{first} dates"
    return [
        Cohort("cold", "no or one date", cold),
        Cohort("light", light, ~cold & (days <= middle)),
        Cohort("heavy", f"over {middle} dates", ~cold & (days > middle)),
    ]


def item_cohorts(past: Past, n_columns: int) -> list[Cohort]:
    """new, head and tail items; each of the labels' `n_columns` is in one.

    New comes first: an item first taken less than NEW_DAYS before the cut, or never before. Columns
    beyond the training's are of items first seen in the window: new, and beyond anybody's reach.
    """
    n_later = n_columns - len(past.item_users)
    age = np.append(past.item_age, np.full(n_later, -1))
    new = age < NEW_DAYS
    head = np.append(_head(past.item_users), np.zeros(n_later, dtype=bool))
    return [
        Cohort("new", f"not {NEW_DAYS} days old", new),
        Cohort("tail", "the rest", ~new & ~head),
        Cohort("head", "half of what was taken", ~new & head),
    ]


def _head(item_users: np.ndarray) -> np.ndarray:
    """(n_items,) bool; equal counts by item code."""
    order = np.argsort(-item_users, kind="stable")
    before = np.cumsum(item_users[order]) - item_users[order]
    head = np.zeros(len(item_users), dtype=bool)
    head[order[before < HEAD_SHARE * item_users.sum()]] = True
    return head & (item_users > 0)
