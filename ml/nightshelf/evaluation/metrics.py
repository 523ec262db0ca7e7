"""Ranking metrics, one value per user.

All take `recommended` (n_users, width) int32, item codes by rank, filled up with -1, no item twice
in a row; `relevant` (n_users × n_items) CSR, True where the user took the item in the label window;
and k. They return (n_users,) float64, NaN for a user without relevant items: such a user says
nothing about the list and is left out of means. A list shorter than k counts as misses.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def recall(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """Relevant items in the first k, of all relevant items."""
    return _hits(recommended, relevant, k).sum(axis=1) / _relevant_counts(relevant)


def precision(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """Relevant items in the first k, of k."""
    return _defined(_hits(recommended, relevant, k).sum(axis=1) / k, relevant)


def hit_rate(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """1 if any of the first k is relevant, else 0."""
    return _defined(_hits(recommended, relevant, k).any(axis=1).astype(float), relevant)


def reciprocal_rank(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """1 / rank of the first relevant item, 0 if none of the first k is."""
    hits = _hits(recommended, relevant, k)
    ranks = np.arange(1, hits.shape[1] + 1)
    return _defined((hits / ranks).max(axis=1, initial=0.0), relevant)


def average_precision(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """The mean of precision at each hit, over min(k, relevant items)."""
    hits = _hits(recommended, relevant, k)
    ranks = np.arange(1, hits.shape[1] + 1)
    total = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1)
    return total / np.minimum(k, _relevant_counts(relevant))


def ndcg(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """Each hit counts 1 / log2(1 + rank), over what the best possible list would count."""
    hits = _hits(recommended, relevant, k)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    best = np.append(0.0, np.cumsum(discounts))
    counts = _relevant_counts(relevant)
    reachable = np.minimum(np.nan_to_num(counts), k).astype(int)
    ideal = np.where(np.isnan(counts), np.nan, best[reachable])
    return (hits * discounts[: hits.shape[1]]).sum(axis=1) / ideal


def coverage(recommended: np.ndarray, n_items: int, k: int) -> float:
    """The share of n_items that anyone is recommended in the first k. 0 if there are no items."""
    shown = np.unique(recommended[:, :k])
    return float((shown >= 0).sum()) / n_items if n_items else 0.0


METRICS = {
    metric.__name__: metric
    for metric in (ndcg, recall, precision, average_precision, hit_rate, reciprocal_rank)
}


def _hits(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """(n_users, min(k, width)) bool: is the item at this rank relevant?"""
    shown = np.asarray(recommended)[:, :k].astype(np.int64)
    _check(shown, relevant, k)
    width = relevant.shape[1]
    owners = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    wanted = owners * width + relevant.indices
    wanted = np.sort(wanted[relevant.data != 0])
    if not len(wanted):
        return np.zeros(shown.shape, dtype=bool)
    asked = np.arange(len(shown))[:, None] * width + shown
    place = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
    return (wanted[place] == asked) & (shown >= 0)


def _check(shown: np.ndarray, relevant: csr_matrix, k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    if len(shown) != relevant.shape[0]:
        raise ValueError(f"{len(shown)} lists for {relevant.shape[0]} users; align them by row")
    if shown.size and shown.max() >= relevant.shape[1]:
        raise ValueError(f"item code {shown.max()} is not among {relevant.shape[1]} items")
    ordered = np.sort(shown, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        raise ValueError(f"user {int(np.flatnonzero(twice.any(axis=1))[0])}: an item twice")


def _relevant_counts(relevant: csr_matrix) -> np.ndarray:
    """(n_users,) float64, NaN in place of 0."""
    owners = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    counts = np.bincount(owners[relevant.data != 0], minlength=relevant.shape[0]).astype(float)
    return np.where(counts > 0, counts, np.nan)


def _defined(values: np.ndarray, relevant: csr_matrix) -> np.ndarray:
    return np.where(np.isnan(_relevant_counts(relevant)), np.nan, values)
