"""Sparse matrices as numeric arrays, and the small operations that several models share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, issparse

LEAST_WEIGHT = 1e-12
"""The product of two such is still a normal number of float32."""
DENSE_SHARE = 8
"""A term of a sparse product costs as much as so many places of a dense one, with what is done to them
afterwards."""
TERMS_AT_ONCE = 1 << 17
"""Of a product, about: 1 MB, which stays in a core's cache."""


def csr_arrays(name: str, matrix: csr_matrix) -> dict[str, np.ndarray]:
    return {f"{name}_{part}": getattr(matrix, part) for part in ("indptr", "indices", "data")}


def csr_of(name: str, arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> csr_matrix:
    """What `csr_arrays` gave. Raises KeyError where an array is missing."""
    return csr_matrix(
        tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr")), shape
    )


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … (lengths[0] of them), then starts[1], …"""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


def dense_product(left: csr_matrix, right: csr_matrix) -> np.ndarray:
    """`(left @ right).toarray()`, to the bit, in a half to a third of the time where rows have many terms.

    A sparse product goes through its terms twice, and keeps a list of the places that it has been to. Here
    some rows of it are one long vector, and each of their terms is added where it belongs, in the same order.
    """
    n_columns = right.shape[1]
    terms = np.append(0, np.cumsum(np.diff(right.indptr)[left.indices]))[left.indptr]
    found = np.empty((left.shape[0], n_columns), np.result_type(left.data, right.data))
    edges = np.flatnonzero(np.diff(terms[:-1] // TERMS_AT_ONCE)) + 1
    for first, end in pairwise([0, *edges.tolist(), left.shape[0]]):
        entries = slice(left.indptr[first], left.indptr[end])
        lists, size = right[left.indices[entries]], (end - first) * n_columns
        starts = np.arange(end - first, dtype=np.int32 if size < 2**31 else np.int64) * n_columns
        places = np.repeat(starts, np.diff(terms[first : end + 1]))
        places += lists.indices
        whole = csc_matrix((lists.data, places, lists.indptr), (size, lists.shape[0]))
        found[first:end] = (whole @ left.data[entries]).reshape(end - first, n_columns)
    return found


def product(left: csr_matrix, right: csr_matrix) -> np.ndarray | csr_matrix:
    """`left @ right`: as a csr_matrix (sorted) where its terms are few beside its places, and otherwise
    dense; every number is the same to the bit. A short history reaches a hundredth of a large shop's items:
    to write down the zeros, and to look for the best among them, would be most of the time."""
    terms = np.diff(right.indptr)[left.indices].sum(dtype=np.int64)
    if terms * DENSE_SHARE >= left.shape[0] * right.shape[1]:
        return dense_product(left, right)
    # Sorts by counting, in a third of the time that sorting each row takes.
    return (left @ right).tocsc().tocsr()


def entries_at(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(n,) int64: where in `matrix.data` (rows sorted) each place has its entry; -1 where it has none."""
    width = np.int64(matrix.shape[1])
    owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    keys, wanted = owners * width + matrix.indices, rows * width + columns
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def values_at(matrix: np.ndarray | csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(n,): what stands in each place of `matrix` (rows sorted if it is sparse), 0 where nothing does."""
    if not issparse(matrix):
        return matrix[rows, columns]
    at = entries_at(matrix, rows, columns)
    return np.where(at >= 0, np.append(matrix.data, np.zeros(1, matrix.dtype))[at], 0)


def distinct(keys: np.ndarray) -> np.ndarray:
    """Sorted, without repeats; numpy's own `unique` hashes first, which takes four times as long here."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def columns_of(*matrices: csr_matrix) -> np.ndarray:
    """Columns that have an entry in any of them, rising."""
    return np.flatnonzero(sum(np.bincount(m.indices, minlength=m.shape[1]) for m in matrices))


def without_columns(matrix: csr_matrix, columns: np.ndarray) -> csr_matrix:
    """The same shape, empty in the `columns`, an (n_columns,) mask."""
    kept = ~columns[matrix.indices]
    indptr = np.append(0, np.cumsum(kept))[matrix.indptr]
    return csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)


def strongest(matrix: csr_matrix, n: int) -> csr_matrix:
    """The n largest entries of each row; equal ones by column. Nothing is copied if none has more."""
    lengths = np.diff(matrix.indptr)
    long = np.flatnonzero(lengths > n)
    if not len(long):
        return matrix
    # Only rows that are cut are sorted.
    at = ranges(matrix.indptr[long], lengths[long])
    rows = np.repeat(np.arange(len(long)), lengths[long])
    order = np.lexsort((matrix.indices[at], -matrix.data[at], rows))
    place = ranges(np.zeros_like(long), lengths[long])
    kept = np.ones(matrix.nnz, dtype=bool)
    kept[at[order[place >= n]]] = False
    indptr = np.append(0, np.cumsum(np.minimum(lengths, n)))
    return csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)


def without_traces(matrix: csr_matrix) -> csr_matrix:
    """Less the entries whose products float32 cannot hold: sparse_dot_topn's product falls over a zero
    that it did not expect. Events of more than 39 half-lives ago weigh so little."""
    kept = csr_matrix(matrix, copy=True)
    kept.data[np.abs(kept.data) < LEAST_WEIGHT] = 0
    kept.eliminate_zeros()
    return kept
