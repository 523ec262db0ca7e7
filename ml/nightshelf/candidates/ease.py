"""EASE^R: the linear item-item model with a closed form.

Source: Steck 2019, Embarrassingly shallow autoencoders for sparse data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel, cores, enough_buyers, one_blas_thread
from nightshelf.candidates.params import MOST_REGULARIZATION, need
from nightshelf.candidates.sparse import csr_arrays, csr_of, without_traces
from nightshelf.dataset.interactions import Interactions
from nightshelf.errors import ModelError

MOST_ITEMS = 20_000
"""Beyond, the matrix alone is over 1.6 GB and its inverse takes minutes."""
TILE = 1024
"""Columns of the square matrix in hand at a time: 80 MB at 20 thousand items."""


@dataclass(frozen=True)
class EaseParams:
    regularization: float = 30.0
    """λ, added to each item's sum of squares: the larger, the less an item with few buyers says."""
    max_items: int = 5000
    """Those bought most, old events counting less; the others are nobody's. Time grows with the
    cube."""
    min_buyers: int = 5
    """Items with fewer are nobody's, also where there is room."""
    half_life_days: float = 90.0
    """After so many days an event counts half; 0 means that old events count in full."""

    def __post_init__(self) -> None:
        rule = f"above 0, at most {MOST_REGULARIZATION:g}"
        need(
            0 < self.regularization <= MOST_REGULARIZATION,
            "regularization",
            self.regularization,
            rule,
        )
        rule = f"from 1 to {MOST_ITEMS}"
        need(1 <= self.max_items <= MOST_ITEMS, "max_items", self.max_items, rule)
        need(self.min_buyers >= 1, "min_buyers", self.min_buyers, "at least 1")
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")


class Ease(CandidateModel):
    """Score: the user's row times B, above 0. B minimises |X - XB|² + λ|B|² with a zero diagonal:
    with P = (XᵀX + λI)⁻¹, B is -P[i, j] / P[j, j].

    X holds log(1 + decayed weight). One matrix of n² float32 is filled, inverted and divided in
    place: 100 MB at 5 thousand items, 1.6 GB at 20 thousand; fit takes n³ multiplications on one
    core, some 2 s and 2 minutes. A user costs n times the user's items.
    """

    name: ClassVar[str] = "ease"
    Params: ClassVar[type] = EaseParams

    def _fit(self, interactions: Interactions) -> None:
        values = without_traces(interactions.matrix(self.params.half_life_days or None, log=True))
        self.active = _most_bought(values, self.params)
        self.profile = values[:, self.active]
        with one_blas_thread():
            self.weights = _weights(self.profile, self.params.regularization)

    def _columns(self) -> np.ndarray:
        return self.active

    def _score(self, rows: np.ndarray) -> np.ndarray:
        # Row by row, one multiple of a row of B after the other: no kernel is chosen by shape.
        return self.profile[rows] @ self.weights

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "active": self.active,
            "weights": self.weights,
            **csr_arrays("profile", self.profile),
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.active, self.weights = arrays["active"], arrays["weights"]
        self.profile = csr_of("profile", arrays, (len(self.users), len(self.active)))


def _most_bought(values: csr_matrix, params: EaseParams) -> np.ndarray:
    """(n_active,) int32, rising: the items with the largest sums; equal ones by item code."""
    n_users, n_items = values.shape
    sums = np.bincount(values.indices, values.data, n_items)
    most = np.argsort(-sums, kind="stable")[: params.max_items]
    buyers = np.bincount(values.indices, minlength=n_items)
    enough = buyers[most] >= enough_buyers(params.min_buyers, n_users)
    return np.sort(most[enough]).astype(np.int32)


def _weights(values: csr_matrix, regularization: float) -> np.ndarray:
    """B, (n, n) float32, from n columns of users × items."""
    weights = _inverse(_gram(values, regularization))
    scales = -1.0 / np.diag(weights)
    for part in _tiles(len(weights)):
        weights[:, part] *= scales[part]
    np.fill_diagonal(weights, 0.0)
    return weights


def _gram(values: csr_matrix, regularization: float) -> np.ndarray:
    """XᵀX + λI, symmetric to the last bit: either half adds the same products in the same order."""
    from sparse_dot_topn import sp_matmul

    n_items = values.shape[1]
    square = np.empty((n_items, n_items), dtype=np.float32)
    columns = values.T.tocsr()
    for part in _tiles(n_items):
        square[part] = sp_matmul(columns[part], values, n_threads=cores()).toarray()
    square[np.diag_indices(n_items)] += np.float32(regularization)
    return square


def _inverse(square: np.ndarray) -> np.ndarray:
    """The inverse of a symmetric positive matrix, by Cholesky (LAPACK), in its place."""
    from scipy.linalg.lapack import spotrf, spotri

    if not len(square):
        return square
    # Its transpose is itself, and in the order of columns that LAPACK works on without a copy.
    factor, failed = spotrf(square.T, lower=True, clean=False, overwrite_a=True)
    if failed:
        raise ModelError(
            f"ease: the {len(square)} × {len(square)} matrix of item pairs has no inverse in float32",
            "raise regularization in [ease] of ml/config/models.toml",
        )
    inverse = spotri(factor, lower=True, overwrite_c=True)[0].T
    for part in _tiles(len(inverse)):
        tile = inverse[part, part]
        inverse[part, part] = np.triu(tile) + np.triu(tile, 1).T
        inverse[part, : part.start] = inverse[: part.start, part].T
    return inverse


def _tiles(n: int) -> Iterator[slice]:
    for start in range(0, n, TILE):
        yield slice(start, min(start + TILE, n))
