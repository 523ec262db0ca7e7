"""Who took what lately, where one day out of the ordinary counts for little.

A campaign, a mention on television or a robot can sell in a day what an item sells in a fortnight;
the day after it is over, and a count of buyers would go on showing it for a month. Whoever began with
the item on such a day counts for little; who had taken it before counts in full, and only once.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.dataset.interactions import Interactions

ORDINARY_DAYS = 0.75
"""The share of an item's days, its lowest, that tell its ordinary day: a campaign of a week in a
window of four is left out whole."""
REFERENCE_DAYS = 28
"""Days that an ordinary day is learnt from, where the window has fewer: what has won more users a
day for two weeks is no exception any more."""
CHANCE = 3.0
"""Standard deviations, and users, that a day may have above any multiple of the ordinary one."""


def taken_lately(interactions: Interactions, window_days: int, burst: float) -> csr_matrix:
    """Users × items float32: 1 where the user took the item in the last `window_days`.

    Less where the user first took it on a day out of the ordinary: where n users began with the item
    and `most_in_a_day` allows m < n, each of them counts m / n. `burst` = 0 counts everybody in full.
    If nothing happened in the window, all of history counts, in full. About 0.1 s a million pairs;
    memory: n_items × days × 8 bytes.
    """
    pairs = interactions.bought()
    lately = interactions.last_days() >= interactions.as_of - window_days
    counts = np.ones(pairs.nnz, dtype=np.float32)
    if lately.any():
        if burst:
            counts = _shares(interactions, pairs, max(window_days, REFERENCE_DAYS), burst)
        counts[~lately] = 0
    taken = csr_matrix((counts, pairs.indices, pairs.indptr), shape=pairs.shape)
    taken.eliminate_zeros()
    return taken


def takers(taken: csr_matrix) -> np.ndarray:
    """(n_items,) float64: the users of each item, as far as they count."""
    return np.bincount(taken.indices, taken.data.astype(np.float64), minlength=taken.shape[1])


def _shares(interactions: Interactions, pairs: csr_matrix, n_days: int, burst: float) -> np.ndarray:
    """(n_pairs,) float32 > 0: what each user counts, by the day on which the pair began."""
    first_day, n_items = interactions.as_of - n_days, len(interactions.items)
    began, items = _pair_begins(interactions) - first_day, pairs.indices
    known = began >= 0
    cells = items[known].astype(np.int64) * n_days + began[known]
    counts = np.bincount(cells, minlength=n_items * n_days).reshape(n_items, n_days)
    totals = counts.sum(axis=0)
    # Few items ever have more beginners in a day than chance allows: the rest count in full.
    busy = np.flatnonzero(counts.max(axis=1) > CHANCE)
    counts = counts[busy]
    days = np.arange(first_day, interactions.as_of)
    there = (days >= first_days(interactions)[busy][:, None]) & np.isin(days, interactions.days)
    most = most_in_a_day(counts, there, totals, burst)
    by_day = np.minimum(1, most / np.maximum(counts, 1))
    place = np.full(n_items, -1)
    place[busy] = np.arange(len(busy))
    shares = np.ones(len(items), dtype=np.float32)
    judged = np.flatnonzero(known & (place[items] >= 0))
    shares[judged] = by_day[place[items[judged]], began[judged]]
    return shares


def _pair_begins(interactions: Interactions) -> np.ndarray:
    """(n_pairs,) int32: the first day of each pair, in the order of `bought().indices`."""
    return interactions.days[interactions._pair_starts()]


def most_in_a_day(counts, there, totals, burst: float) -> np.ndarray:
    """(n_items, n_days) float64: the beginners that an item's ordinary days make likely on each.

    burst × u + 3 √u + 3, where u is the mean of the lowest three quarters of the item's days, by the
    day's traffic: the shop's `totals` (n_days,) without the item's own, which is what may be out of
    the ordinary. `there` (n_items × n_days) tells on which days the item could be taken; each has one.
    """
    others = np.where(there, totals - counts + 1, 0)
    traffic = others * there.sum(axis=1, keepdims=True) / others.sum(axis=1, keepdims=True)
    by_traffic = np.full(counts.shape, np.nan)
    np.divide(counts, traffic, out=by_traffic, where=there)
    by_traffic.sort(axis=1)  # NaN last
    ordinary = np.ceil(ORDINARY_DAYS * there.sum(axis=1)).astype(int)
    sums = np.cumsum(np.nan_to_num(by_traffic), axis=1)
    usual = sums[np.arange(len(counts)), ordinary - 1] / ordinary
    expected = usual[:, None] * traffic
    return burst * expected + CHANCE * np.sqrt(expected) + CHANCE


def first_days(interactions: Interactions) -> np.ndarray:
    """(n_items,) int32: the day of each item's first row, `as_of` where it has none."""
    first = np.full(len(interactions.items), interactions.as_of, dtype=np.int32)
    np.minimum.at(first, interactions.item_codes, interactions.days)
    return first
