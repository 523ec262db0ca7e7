"""What an entry of users × items weighs before rows or columns are compared.

Users stand for terms where items are compared, and items where users are.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags


def rarity(taken: np.ndarray, of: int) -> np.ndarray:
    """TF-IDF's log(of / (1 + taken)), as in the published comparison of Ferrari Dacrema et al.

    Never below a small positive number, or what takes everything would turn similarity round.
    """
    return np.maximum(np.log(of / (1.0 + taken)), 1e-3)


def saturated(counts: csr_matrix, k1: float, b: float) -> csr_matrix:
    """BM25's share of the term frequency (Robertson and Zaragoza 2009), columns as documents:
    count × (k1 + 1) / (count + k1 × (1 - b + b × length / mean length)), length the column's sum.
    """
    lengths = np.bincount(counts.indices, counts.data, counts.shape[1])
    norms = 1.0 - b + b * lengths / (lengths.mean() or 1.0)
    tamed = counts.data * (k1 + 1.0) / (counts.data + k1 * norms[counts.indices])
    return csr_matrix((tamed, counts.indices, counts.indptr), counts.shape)


def unit_columns(values: csr_matrix, shrinkage: float = 0.0) -> csr_matrix:
    """Columns over their length, whose square is raised by `shrinkage`; float32."""
    squares = np.bincount(values.indices, values.data**2, values.shape[1]) + shrinkage
    return (values @ diags(_inverse_roots(squares))).tocsr().astype(np.float32)


def unit_rows(values: csr_matrix) -> csr_matrix:
    """Rows over their length; float32."""
    squares = np.asarray(values.multiply(values).sum(axis=1)).ravel()
    return (diags(_inverse_roots(squares)) @ values).tocsr().astype(np.float32)


def _inverse_roots(squares: np.ndarray) -> np.ndarray:
    """1 / sqrt, and 1 where there is nothing to divide."""
    return 1.0 / np.sqrt(np.where(squares > 0, squares, 1.0))
