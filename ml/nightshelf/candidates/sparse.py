"""Sparse matrices as numeric arrays, and the small operations that several models share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

LEAST_WEIGHT = 1e-12
"""The product of two such is still a normal number of float32."""
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


def distinct(keys: np.ndarray) -> np.ndarray:
    """Sorted, without repeats; numpy's own `unique` hashes first, which takes four times as long here."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def columns_of(*matrices: csr_matrix) -> np.ndarray:
    """Columns that have an entry in any of them, rising."""
    return np.flatnonzero(sum(np.bincount(m.indices, minlength=m.shape[1]) for m in matrices))


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
