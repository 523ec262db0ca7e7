"""Exact top-k, ties by column: scores and columns packed into integers that sort themselves.

A key is 64 bits: the score's, turned so that a greater score is a smaller integer, then the column.
Sorting keys is sorting by (score falling, column), five times as fast as by two arrays.
"""

from __future__ import annotations

import numpy as np

NO = np.float32(-np.inf)
"""The score of what must not be offered."""
LEAST = np.finfo(np.float32).min
"""Below every score that may be offered, above NO."""
ABOVE_ZERO = np.nextafter(np.float32(0), np.float32(1))
"""The least score that may be offered where what scores nothing says nothing."""
NOTHING = np.uint64(2**64 - 1)
"""The key that fills up a row; after all others."""
NARROW = 2048
"""Of rows no longer than this the best are found by sorting alone."""
WIDE = 8
"""A row with so many times as many keys as others is cut by itself, or it would widen the table for all."""


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Exact top k of each row: (row, column int32, score, rank int16), sorted by (row, rank).

    Equal scores are ordered by column, also at the edge of the list. NO is never returned.
    """
    return unpacked(top_keys(scores, k))


def top_keys(scores: np.ndarray, k: int, floor: np.float32 = LEAST) -> np.ndarray:
    """(n_rows, at most k) uint64: the keys of each row's k best in order, filled up with NOTHING; no
    score below `floor`. Everything that reaches the k-th score is sorted, then cut."""
    n_rows, n_columns = scores.shape
    if not n_rows or not n_columns or k < 1:
        return np.zeros((n_rows, 0), dtype=np.uint64)
    k = min(k, n_columns)
    # A row with fewer than k scores that may be offered keeps just those.
    least = np.maximum(kth_at_least(scores, k), floor)
    reaching = np.flatnonzero(scores >= least[:, None])
    rows, columns = np.divmod(reaching, n_columns)
    return best_keys(rows, packed(scores.ravel()[reaching], columns), n_rows, k)


def reaching(rows: np.ndarray, scores: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Places among the `scores` of entries, `counts` of them in each of the `rows` one after the other, of
    those that may be among their row's k best. Ties for the last place are all there."""
    n_rows, longest = len(counts), counts.max(initial=0)
    if longest <= max(NARROW, k) or longest * n_rows > WIDE * len(scores):
        return np.arange(len(scores))
    table = np.full((n_rows, longest), NO)
    table[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = scores
    return np.flatnonzero(scores >= kth_at_least(table, k)[rows])


def gathered(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`table[:, places]` for many places of a row that fits a core's cache: a seventh of the time, as it goes
    row by row and looks for no place outside. `places`: intp, from 0 on."""
    found = np.empty((len(table), len(places)), table.dtype)
    for row, out in zip(table, found, strict=True):
        np.take(row, places, out=out, mode="clip")
    return found


def kth_at_least(scores: np.ndarray, k: int) -> np.ndarray:
    """A bound each row's k-th score reaches: the k-th of the maxima of many groups of columns.

    k groups have a maximum that high, so k scores do. Two passes at memory speed; a partition of
    the whole row takes three times as long, and longer still where most of it is NO.
    """
    n_rows, n_columns = scores.shape
    groups = max(1024, 4 * k)
    deep = n_columns // groups
    if deep >= 2:
        scores = scores[:, : deep * groups].reshape(n_rows, deep, groups).max(axis=1)
    width = scores.shape[1]
    return np.partition(scores, width - k, axis=1)[:, width - k]


def packed(scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """uint64 keys, the smallest first in rank; scores float32 and finite, columns below 2**32."""
    bits = (scores + np.float32(0)).view(np.uint32)  # + 0 makes -0 equal to 0, as it is
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    return falling.astype(np.uint64) << np.uint64(32) | columns.astype(np.uint64)


def scores_in(keys: np.ndarray) -> np.ndarray:
    """The float32 scores that were packed; NaN in NOTHING."""
    falling = (keys >> np.uint64(32)).astype(np.uint32)
    return np.where(falling >> 31, falling, ~falling & np.uint32(0x7FFFFFFF)).view(np.float32)


def best_keys(rows: np.ndarray, keys: np.ndarray, n_rows: int, k: int) -> np.ndarray:
    """(n_rows, at most k) uint64: each row's smallest keys in order, filled up with NOTHING.

    `rows` must not fall; a row's keys are all different.
    """
    if k < 1:
        return np.zeros((n_rows, 0), dtype=np.uint64)
    counts = np.bincount(rows, minlength=n_rows)
    if counts.max(initial=0) * n_rows > WIDE * max(len(keys), n_rows * k):
        rows, keys, counts = _narrowed(rows, keys, counts, k)
    table = np.full((n_rows, counts.max(initial=0)), NOTHING)
    table[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = keys
    if table.shape[1] > 2 * k:
        table.partition(k - 1, axis=1)
        table = table[:, :k]
    table.sort(axis=1)
    return table[:, :k]


def _narrowed(rows, keys, counts, k):
    """Less what is not among the k best of the rows that are longer than most."""
    most = max(WIDE * len(keys) // len(counts), k)
    ends = np.cumsum(counts)
    kept = np.ones(len(keys), dtype=bool)
    for row in np.flatnonzero(counts > most):
        part = slice(ends[row] - counts[row], ends[row])
        kept[part] = keys[part] <= np.partition(keys[part], k - 1)[k - 1]
    return rows[kept], keys[kept], np.minimum(counts, np.where(counts > most, k, counts))


def unpacked(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(row, column int32, score, rank int16) of a table as `best_keys` makes, sorted by (row, rank)."""
    rows, places = np.nonzero(table != NOTHING)
    keys = table[rows, places]
    columns = (keys & np.uint64(2**32 - 1)).astype(np.int32)
    return rows, columns, scores_in(keys), (places + 1).astype(np.int16)
