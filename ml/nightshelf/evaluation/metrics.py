"""Ranking metrics, one value per user.

All take `recommended` (n_users, width) int32, item codes by rank, filled up with -1, no item twice
in a row; `relevant` (n_users × n_items) CSR, True where the user took the item in the label window;
and k. They return (n_users,) float64.

Edge cases, the same for all: a user without relevant items is NaN, since such a user says nothing
about the list, and is left out of means. A list shorter than k counts as misses where it ends, an
empty one scores 0. Equal scores are no matter here: a list has been ordered, by item code where
scores tie, and the metric sees the order only. Definitions after Järvelin and Kekäläinen 2002 (nDCG,
binary gains) and Manning, Raghavan and Schütze 2008, chapter 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np
from scipy.sparse import csr_matrix

CUTOFFS = (5, 10, 20)
"""Lists are judged at a row of a phone, at a shelf, and at a page."""

Measure = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(hits (n_users, width) bool, relevant items of each user, NaN for none, k) → (n_users,)."""


def _of_lists(measure: Measure) -> Callable[[np.ndarray, csr_matrix, int], np.ndarray]:
    """The metric of lists that a measure of hits stands for."""

    @wraps(measure)
    def metric(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
        return measure(hits_of(recommended, relevant, k), relevant_counts(relevant), k)

    metric.measure = measure
    return metric


@_of_lists
def recall(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Relevant items in the first k, of all relevant items: below 1 where there are more than k."""
    return hits.sum(axis=1) / counts


@_of_lists
def precision(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Relevant items in the first k, of k, however long the list is."""
    return _defined(hits.sum(axis=1) / k, counts)


@_of_lists
def hit_rate(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """1 if any of the first k is relevant, else 0."""
    return _defined(hits.any(axis=1).astype(float), counts)


@_of_lists
def reciprocal_rank(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant item, 0 if none of the first k is. Its mean is MRR@k."""
    ranks = np.arange(1, hits.shape[1] + 1)
    return _defined((hits / ranks).max(axis=1, initial=0.0), counts)


@_of_lists
def average_precision(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """The mean of precision at each hit, over min(k, relevant items). Its mean is MAP@k."""
    ranks = np.arange(1, hits.shape[1] + 1)
    total = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1)
    return total / np.minimum(k, counts)


@_of_lists
def ndcg(hits: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Each hit counts 1 / log2(1 + rank), over what the best possible list of k would count."""
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    best = np.append(0.0, np.cumsum(discounts))
    reachable = np.minimum(np.nan_to_num(counts), k).astype(int)
    ideal = np.where(np.isnan(counts), np.nan, best[reachable])
    return (hits * discounts[: hits.shape[1]]).sum(axis=1) / ideal


METRICS = {
    metric.__name__: metric
    for metric in (ndcg, recall, precision, average_precision, hit_rate, reciprocal_rank)
}


def all_metrics(
    recommended: np.ndarray, relevant: csr_matrix, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, np.ndarray]:
    """Every metric at every cutoff, as "ndcg@10" → one value per user. Hits are looked up once."""
    hits, counts = hits_of(recommended, relevant, max(cutoffs)), relevant_counts(relevant)
    return {
        f"{name}@{k}": metric.measure(hits[:, :k], counts, k)
        for name, metric in METRICS.items()
        for k in cutoffs
    }


def hits_of(recommended: np.ndarray, relevant: csr_matrix, k: int) -> np.ndarray:
    """(n_users, min(k, width)) bool: is the item at this rank relevant?"""
    shown = np.asarray(recommended)[:, :k].astype(np.int64)
    _check(shown, relevant, k)
    return marked(shown, relevant)


def marked(shown: np.ndarray, matrix: csr_matrix) -> np.ndarray:
    """The shape of `shown`, bool: is the item true in its user's row of the matrix? Never for -1."""
    width = matrix.shape[1]
    owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    wanted = owners * width + matrix.indices
    wanted = np.sort(wanted[matrix.data != 0])
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


def relevant_counts(relevant: csr_matrix) -> np.ndarray:
    """(n_users,) float64, NaN in place of 0."""
    owners = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    counts = np.bincount(owners[relevant.data != 0], minlength=relevant.shape[0]).astype(float)
    return np.where(counts > 0, counts, np.nan)


def _defined(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(counts), np.nan, values)
