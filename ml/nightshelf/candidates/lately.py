"""Who took what lately, where one day out of the ordinary counts for little.

A campaign, a mention on television or a robot can sell in a day what an item sells in a fortnight;
the day after it is over, and a count of buyers would go on showing it for a month. Whoever began with
the item on such a day counts for little; who had taken it a little before counts in full, and only once.
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
    """Users × items float32: 1 where the user took the item in the last `window_days`; less where a
    burst brought the user (`counting`). If nothing happened in the window, all of history counts, in
    full."""
    pairs = interactions.bought()
    lately = interactions.last_days() >= interactions.as_of - window_days
    counts = np.ones(pairs.nnz, dtype=np.float32)
    if lately.any():
        counts = counting(interactions, burst, max(window_days, REFERENCE_DAYS)).data
        counts[~lately] = 0
    taken = csr_matrix((counts, pairs.indices, pairs.indptr), shape=pairs.shape)
    taken.eliminate_zeros()
    return taken


def brought_by_a_burst(interactions: Interactions, since: int, burst: float) -> csr_matrix:
    """Users × items bool: who began with an item since that day, on a day of a burst."""
    pairs = counting(interactions, burst)
    begins = _pair_begins(interactions, interactions.as_of - REFERENCE_DAYS)
    data = (pairs.data < 1) & (begins >= since)
    brought = csr_matrix((data, pairs.indices, pairs.indptr), shape=pairs.shape)
    brought.eliminate_zeros()
    return brought


def takers(taken: csr_matrix) -> np.ndarray:
    """(n_items,) float64: the users of each item, as far as they count."""
    return np.bincount(taken.indices, taken.data.astype(np.float64), minlength=taken.shape[1])


def counting(interactions: Interactions, burst: float, n_days: int = REFERENCE_DAYS) -> csr_matrix:
    """Users × items float32: what each user counts for an item that they took, by the day on which they
    began with it, the first in the last `n_days`: 1 on an ordinary day, and where there is none.

    Where n users began on a day for which `ordinary_days` allow m < n, all of them together count
    m² / n, or as many as an ordinary day brings, if that is more: a day just beyond the bound counts
    as much as one just within. `burst` = 0 counts everybody in full. About 0.1 s a million pairs;
    memory: n_items × days × 8 bytes.
    """
    pairs = interactions.bought()
    if burst:
        counts = _shares(interactions, pairs, n_days, burst)
    else:
        counts = np.ones(pairs.nnz, dtype=np.float32)
    return csr_matrix((counts, pairs.indices, pairs.indptr), shape=pairs.shape)


def _shares(interactions: Interactions, pairs: csr_matrix, n_days: int, burst: float) -> np.ndarray:
    """(n_pairs,) float32 > 0, in the order of `pairs`."""
    first_day, n_items = interactions.as_of - n_days, len(interactions.items)
    began, items = _pair_begins(interactions, first_day) - first_day, pairs.indices
    known = began < n_days
    cells = items[known].astype(np.int64) * n_days + began[known]
    counts = np.bincount(cells, minlength=n_items * n_days).reshape(n_items, n_days)
    totals = counts.sum(axis=0)
    # Few items ever have more beginners in a day than chance allows: the rest count in full.
    busy = np.flatnonzero(counts.max(axis=1) > CHANCE)
    counts = counts[busy]
    days = np.arange(first_day, interactions.as_of)
    there = (days >= first_days(interactions)[busy][:, None]) & np.isin(days, interactions.days)
    usual = ordinary_days(counts, there, totals)
    most = burst * usual + CHANCE * np.sqrt(usual) + CHANCE
    n = np.maximum(counts, 1)
    by_day = np.where(counts > most, np.maximum(usual, most**2 / n) / n, 1)
    place = np.full(n_items, -1)
    place[busy] = np.arange(len(busy))
    shares = np.ones(len(items), dtype=np.float32)
    judged = np.flatnonzero(known & (place[items] >= 0))
    shares[judged] = by_day[place[items[judged]], began[judged]]
    return shares


def _pair_begins(interactions: Interactions, since: int) -> np.ndarray:
    """(n_pairs,) int32: the first day of each pair from `since` on, `as_of` where it has none; in the
    order of `bought().indices`."""
    starts = interactions._pair_starts()
    if not len(starts):
        return np.zeros(0, dtype=np.int32)
    recent = np.where(interactions.days >= since, interactions.days, interactions.as_of)
    return np.minimum.reduceat(recent, starts)


def ordinary_days(counts, there, totals) -> np.ndarray:
    """(n_items, n_days) float64: the beginners that each day would have if it were an ordinary one.

    The mean pace of the lowest three quarters of the item's days, times the day's traffic: the shop's
    `totals` (n_days,) without the item's own, which is what may be out of the ordinary. A day's pace is
    its beginners over its traffic. `there` (n_items × n_days) tells on which days the item could be
    taken; each has one. feat_item_bursts.sql is the same rule.
    """
    traffic = totals - counts + 1
    pace = np.where(there, counts / traffic, np.nan)
    pace.sort(axis=1)  # NaN last
    ordinary = np.ceil(ORDINARY_DAYS * there.sum(axis=1)).astype(int)
    sums = np.cumsum(np.nan_to_num(pace), axis=1)
    usual = sums[np.arange(len(counts)), ordinary - 1] / ordinary
    return usual[:, None] * traffic


def first_days(interactions: Interactions) -> np.ndarray:
    """(n_items,) int32: the day of each item's first row, `as_of` where it has none."""
    first = np.full(len(interactions.items), interactions.as_of, dtype=np.int32)
    np.minimum.at(first, interactions.item_codes, interactions.days)
    return first
