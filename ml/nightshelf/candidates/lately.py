"""Who took what lately, where one day out of the ordinary counts for little.

A campaign, a mention on television or a robot can sell in a day what an item sells in a fortnight;
the day after it is over, and a count of buyers would go on showing it for a month.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.dataset.interactions import Interactions

ORDINARY_DAYS = 0.75
"""The share of an item's days, its lowest, that tell its ordinary day: a campaign of a week in a
window of four is left out whole."""
CHANCE = 3.0
"""Standard deviations, and takers, that a day may have above any multiple of the ordinary one."""


def taken_lately(interactions: Interactions, window_days: int, burst: float) -> csr_matrix:
    """Users × items float32: 1 where the user took the item in the last `window_days`.

    Less where the user took it on extraordinary days only: on a day with n takers of the item, where
    `most_in_a_day` allows m < n, each counts m / n. A user with an ordinary day counts 1. `burst` = 0
    counts every day in full. If nothing happened in the window, all of history counts, in full.
    About 0.1 s a hundred thousand recent rows.
    """
    recent = np.flatnonzero(interactions.days >= interactions.as_of - window_days)
    if len(recent):
        shares = (
            _shares(interactions, recent, window_days, burst) if burst else np.ones(len(recent))
        )
    else:
        recent = np.arange(len(interactions))
        shares = np.ones(len(recent))
    users, items = interactions.user_codes[recent], interactions.item_codes[recent]
    # Rows are sorted by user and item: a pair begins where either changes.
    begins = np.ones(len(recent), dtype=bool)
    begins[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    starts = np.flatnonzero(begins)
    best = np.maximum.reduceat(shares, starts) if len(starts) else shares
    indptr = np.append(0, np.cumsum(np.bincount(users[starts], minlength=len(interactions.users))))
    return csr_matrix((best.astype(np.float32), items[starts], indptr), shape=interactions.shape)


def takers(taken: csr_matrix) -> np.ndarray:
    """(n_items,) float64: the users of each item, as far as they count."""
    return np.bincount(taken.indices, taken.data.astype(np.float64), minlength=taken.shape[1])


def _shares(interactions: Interactions, recent: np.ndarray, window: int, burst: float):
    """(len(recent),) float64: what a taker on that row's (item, day) counts, at most 1."""
    first_day = interactions.as_of - window
    days = (interactions.days[recent] - first_day).astype(np.int64)
    sold, at, counts = np.unique(
        interactions.item_codes[recent] * np.int64(window) + days,
        return_inverse=True,
        return_counts=True,
    )
    items, days_sold = np.divmod(sold, window)
    shares = np.ones(len(sold))
    # Few items ever have more takers in a day than chance allows: the table is of those alone.
    busy = np.unique(items[counts > CHANCE])
    place = np.full(len(interactions.items), -1)
    place[busy] = np.arange(len(busy))
    rows = place[items]
    of_busy = rows >= 0
    rows, columns, n = rows[of_busy], days_sold[of_busy], counts[of_busy]
    table = np.zeros((len(busy), window))
    table[rows, columns] = n
    there = np.arange(first_day, interactions.as_of) >= first_days(interactions)[busy][:, None]
    traffic = _traffic(interactions.user_codes[recent], days, window)
    shares[of_busy] = np.minimum(1, most_in_a_day(table, there, traffic, burst)[rows, columns] / n)
    return shares[at]


def most_in_a_day(counts, there, traffic, burst: float) -> np.ndarray:
    """(n_items, n_days) float64: the takers that an item's ordinary days make likely on each day.

    burst × u + 3 √u + 3, where u is the mean of the lowest three quarters of the item's days, each
    day measured by the shop's traffic (1 on average). `there` tells the days since the item came.
    """
    by_traffic = np.full(counts.shape, np.nan)
    np.divide(counts, traffic, out=by_traffic, where=there & (traffic > 0))
    by_traffic.sort(axis=1)  # NaN last
    ordinary = np.ceil(ORDINARY_DAYS * np.isfinite(by_traffic).sum(axis=1)).astype(int)
    sums = np.cumsum(np.nan_to_num(by_traffic), axis=1)
    usual = sums[np.arange(len(counts)), ordinary - 1] / ordinary
    expected = usual[:, None] * traffic
    return burst * expected + CHANCE * np.sqrt(expected) + CHANCE


def _traffic(users: np.ndarray, days: np.ndarray, window: int) -> np.ndarray:
    """(window,) float64: users of each day over the mean of the days that had any."""
    visits = np.unique(users * np.int64(window) + days)
    counts = np.bincount(visits % window, minlength=window)
    return counts / counts[counts > 0].mean()


def first_days(interactions: Interactions) -> np.ndarray:
    """(n_items,) int32: the day of each item's first row, `as_of` where it has none."""
    first = np.full(len(interactions.items), interactions.as_of, dtype=np.int32)
    np.minimum.at(first, interactions.item_codes, interactions.days)
    return first
