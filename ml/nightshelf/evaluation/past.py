"""What was known at a cut of users and items: what novelty, repeats and cohorts are measured by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from nightshelf.dataset.interactions import Interactions, positions

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, eq=False)
class Past:
    """Counts of the target event before the cut."""

    n_users: int
    """Users with one, examined or not."""
    item_users: np.ndarray
    """(n_items,) int64: users who took the item; 0 where nobody did."""
    item_age: np.ndarray
    """(n_items,) int64: days since the item was first taken; -1 where it never was."""
    user_days: np.ndarray
    """(n_examined,) int64: dates on which the examined user took anything; 0 for a stranger."""

    @classmethod
    def of(cls, train: Interactions, users: np.ndarray) -> Past:
        """From the training rows. `users` are the examined ones."""
        target = train.typed.get(train.target, train)
        buyers = np.bincount(target.bought().indices, minlength=len(train.items))
        first = np.full(len(train.items), target.as_of + 1, dtype=np.int64)
        np.minimum.at(first, target.item_codes, target.days)
        days = np.bincount(_distinct_days(target), minlength=len(target.users))
        rows = positions(target.users, users)
        return cls(
            n_users=len(np.unique(target.user_codes)),
            item_users=buyers.astype(np.int64),
            item_age=target.as_of - first,
            user_days=np.append(days, 0)[rows].astype(np.int64),
        )


def _distinct_days(rows: Interactions) -> np.ndarray:
    """User codes, once for each date that the user has."""
    pairs = np.unique(np.stack([rows.user_codes, rows.days], axis=1), axis=0)
    return pairs[:, 0]


def load_past(
    db: duckdb.DuckDBPyConnection, as_of: date, items: np.ndarray, users: np.ndarray
) -> Past:
    """The same from feat_item and feat_user as of the cut. About 0.2 s for 100 thousand items."""
    by_item = db.execute(
        "select item_id, n_buyers, days_since_first from features.feat_item"
        " where as_of = ? order by item_id",
        [as_of],
    ).fetchall()
    by_user = dict(
        db.execute(
            "select user_id, n_active_days from features.feat_user where as_of = ?", [as_of]
        ).fetchall()
    )
    known = {item: (buyers, age) for item, buyers, age in by_item}
    of_items = np.array([known.get(i, (0, -1)) for i in items], dtype=np.int64).reshape(-1, 2)
    user_days = np.array([by_user.get(u, 0) for u in users], dtype=np.int64)
    return Past(len(by_user), of_items[:, 0], of_items[:, 1], user_days)
