"""What is nearest to what: exact top-n of sparse products, in blocks of rows.

A row's answer depends on that row alone: blocks bound memory and change nothing. No approximate
index: at these sizes exact search wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix, identity

from nightshelf.candidates.base import cores, cut

PRODUCTS_AT_ONCE = 10_000_000
"""Entries of a whole product held at a time, 24 bytes each while they are rescored."""
ROWS_AT_ONCE = 65_536
"""Rows of a product of which only the top is kept."""

Rescore = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(rows, columns, products) → scores; what scores 0 or less is nobody's neighbour."""


def nearest(
    left: csr_matrix,
    right: csr_matrix,
    k: int,
    rescore: Rescore | None = None,
    itself: bool = False,
) -> csr_matrix:
    """Each row's k largest scores above 0 in the square `left @ right`; `itself`: with the diagonal.

    float32, each row sorted by (score falling, column). A score is the product or what `rescore`
    makes of it. Where several tie for the last place, sparse_dot_topn keeps one by its order of
    visit, which depends on the data alone, not on threads or blocks. About 2 s for 800 thousand
    pairs on 2 cores; rescoring whole products takes four times as long.
    """
    n_rows = left.shape[0]
    right = right.tocsr()
    parts = []
    for rows in _blocks(left, right, whole=rescore is not None):
        # One more than wanted, as what is alike is alike to itself.
        found = _top(left[rows], right, k + (not itself), rows.start, rescore)
        parts.append(_cut(found, k, None if itself else rows.start))
    return _stacked(parts, (n_rows, right.shape[1]))


def _top(
    left: csr_matrix, right: csr_matrix, k: int, first: int, rescore: Rescore | None
) -> csr_matrix:
    from sparse_dot_topn import sp_matmul, sp_matmul_topn

    if rescore is None:
        return sp_matmul_topn(left, right, k, threshold=0.0, n_threads=cores())
    product = sp_matmul(left, right, n_threads=cores())
    codes = np.arange(first, first + product.shape[0], dtype=np.int32)
    rows = np.repeat(codes, np.diff(product.indptr))
    product.data = rescore(rows, product.indices, product.data)
    same = identity(product.shape[1], dtype=np.float32, format="csr")
    return sp_matmul_topn(product, same, k, threshold=0.0, n_threads=cores())


def _blocks(left: csr_matrix, right: csr_matrix, whole: bool) -> Iterator[slice]:
    """Slices of rows; if `whole`, of so few that their product stays within PRODUCTS_AT_ONCE."""
    if whole:
        meets = np.append(0, np.cumsum(np.diff(right.indptr)[left.indices], dtype=np.int64))
        entries = np.minimum(np.diff(meets[left.indptr]), right.shape[1])
        filled = np.cumsum(entries) // PRODUCTS_AT_ONCE
    else:
        filled = np.arange(left.shape[0]) // ROWS_AT_ONCE
    edges = np.flatnonzero(np.diff(filled)) + 1
    for start, end in pairwise([0, *edges.tolist(), left.shape[0]]):
        yield slice(start, end)


def _cut(found: csr_matrix, k: int, first: int | None) -> tuple[np.ndarray, ...]:
    """(counts of each row, columns, scores): the k best; less itself if `first` numbers the rows."""
    rows, columns, values = ranked(found)
    if first is not None:
        other = rows + first != columns
        rows, columns, values = rows[other], columns[other], values[other]
    rows, columns, values, _ = cut(rows, columns, values, found.shape[0], k)
    return np.bincount(rows, minlength=found.shape[0]), columns, values


def _stacked(parts: list[tuple[np.ndarray, ...]], shape: tuple[int, int]) -> csr_matrix:
    counts, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    return csr_matrix((values, columns, indptr), shape)


def ranked(found: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column, value > 0 of every entry, sorted by (row, value falling, column)."""
    found.sort_indices()
    rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    # The bits of a positive float rise with it: one integer key, four times as fast as lexsort.
    falling = np.int64(2**31 - 1) - found.data.view(np.int32)
    order = np.argsort((rows << 32) | falling, kind="stable")
    return rows[order], found.indices[order], found.data[order]


def each_column_cut(square: csr_matrix, k: int) -> csr_matrix:
    """The k largest entries above 0 of each column."""
    same = identity(square.shape[0], dtype=np.float32, format="csr")
    return nearest(square.T.tocsr(), same, k, itself=True).T.tocsr()


def spread(square: csr_matrix, codes: np.ndarray, n: int) -> csr_matrix:
    """A square matrix over `codes` as one over n × n; rows stay in the order they are in."""
    counts = np.zeros(n, dtype=np.int32)
    counts[codes] = np.diff(square.indptr)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    return csr_matrix((square.data, codes[square.indices].astype(np.int32), indptr), (n, n))
