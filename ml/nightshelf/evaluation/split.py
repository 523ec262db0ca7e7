"""Labels after a global cut in time: what did users who were there before take in the window?

Two views. `all`: everything they took. `new`: what they had never taken before the cut.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.dataset.interactions import Interactions, positions

View = Literal["all", "new"]


@dataclass(frozen=True, eq=False)
class Labels:
    """One row per user with an event on both sides of the cut."""

    users: np.ndarray
    """(n_users,) object: user ids, sorted."""
    relevant: csr_matrix
    """n_users × n_items bool. Columns are `train.items`, then items first seen in the window:
    nobody who learnt from `train` can offer those, and they count as missed."""
    seen: csr_matrix
    """n_users × len(train.items) bool: what the user took before the cut, looks aside; `exclude` of the
    view `new`."""
    view: View

    @property
    def exclude(self) -> csr_matrix | None:
        """What `recommend` must leave out in this view."""
        return self.seen if self.view == "new" else None

    def of_some(self, most: int) -> Labels:
        """At most so many of the users, those whose ids have the lowest sha256: a fair draw, and the same
        in either view and on every night."""
        if len(self.users) <= most:
            return self
        drawn = [hashlib.sha256(user.encode()).digest() for user in self.users]
        rows = np.sort(np.array(sorted(range(len(drawn)), key=drawn.__getitem__)[:most]))
        return replace(
            self, users=self.users[rows], relevant=self.relevant[rows], seen=self.seen[rows]
        )


def labels(train: Interactions, window: Interactions, view: View) -> Labels:
    """Labels of `window` for a model fitted on `train`.

    In the view `new` a user who took nothing new has an empty row, and NaN metrics.
    Raises ValueError where the window reaches back before the cut, or for an unknown view.
    """
    if view not in ("all", "new"):
        raise ValueError(f"view is {view!r}; it must be 'all' or 'new'")
    if len(window) and int(window.days.min()) < train.as_of:
        raise ValueError(
            f"the window begins on day {int(window.days.min())}, before the cut at day "
            f"{train.as_of}: labels would leak; pass rows with day >= as_of"
        )
    train_rows = positions(train.users, window.users)
    both = np.flatnonzero(train_rows >= 0)
    seen = train.taken()[train_rows[both]]
    relevant = _by_train_items(window.bought()[both], train.items, window.items)
    if view == "new":
        relevant = _without(relevant, seen)
    return Labels(window.users[both], relevant, seen, view)


def _by_train_items(bought: csr_matrix, known: np.ndarray, items: np.ndarray) -> csr_matrix:
    codes = positions(known, items)
    unseen = codes < 0
    codes[unseen] = len(known) + np.arange(unseen.sum())
    shape = (bought.shape[0], len(known) + int(unseen.sum()))
    matrix = csr_matrix((bought.data, codes[bought.indices], bought.indptr), shape=shape)
    matrix.sort_indices()
    return matrix


def _without(relevant: csr_matrix, seen: csr_matrix) -> csr_matrix:
    known = csr_matrix((seen.data, seen.indices, seen.indptr), shape=relevant.shape)
    return (relevant > known).tocsr()
