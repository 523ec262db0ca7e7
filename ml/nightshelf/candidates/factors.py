"""Models that describe users and items by a few dozen numbers: iALS, truncated SVD, NMF.

Score: the inner product of the two. They see items with at least `min_buyers` only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel, enough_buyers
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import Interactions

TILE = 64
"""Users in one matrix product, always: BLAS picks its kernels by shape, and another kernel rounds
another way, so a product of fixed shape is what makes a score independent of the block."""


class FactorModel(CandidateModel):
    """Keeps `user_factors` (n_users, f) and `item_factors` (n_active, f), both float32."""

    def _fit(self, interactions: Interactions) -> None:
        values = interactions.matrix(self.params.half_life_days or None, log=True)
        buyers = np.bincount(values.indices, minlength=values.shape[1])
        needed = enough_buyers(self.params.min_buyers, values.shape[0])
        self.active = np.flatnonzero(buyers >= needed).astype(np.int32)
        values = values[:, self.active]
        width = min(self.params.factors, *values.shape)
        if width and values.nnz:
            users, items = self._factorise(values.tocsr(), width)
        else:
            users, items = (np.zeros((n, 0), dtype=np.float32) for n in values.shape)
        self.user_factors, self.item_factors = users, items

    @abstractmethod
    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]: ...

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        """Who has taken no item with factors has none, and gets no rows."""
        rows = super()._rows(users)
        known = self.user_factors.any(axis=1)
        return np.where((rows >= 0) & known[rows], rows, -1) if len(known) else rows

    def _columns(self) -> np.ndarray:
        return self.active if self.item_factors.shape[1] else self.active[:0]

    def _score(self, rows: np.ndarray) -> np.ndarray:
        if not self.item_factors.shape[1]:
            return np.zeros((len(rows), 0), dtype=np.float32)
        return _tiled_product(self.user_factors[rows], self.item_factors)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "active": self.active,
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.active = arrays["active"]
        self.user_factors, self.item_factors = arrays["user_factors"], arrays["item_factors"]


def check_factors(params: Any) -> None:
    """The settings that all of them have."""
    need(params.factors >= 1, "factors", params.factors, "at least 1")
    need(params.min_buyers >= 1, "min_buyers", params.min_buyers, "at least 1")
    need(params.half_life_days >= 0, "half_life_days", params.half_life_days, "0 or more")
    need(0 <= params.seed < 2**32, "seed", params.seed, "from 0 to 4294967295")


def _tiled_product(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """users @ items.T, (n, n_active), by tiles of TILE users, the last one filled up with zeros."""
    product = np.empty((len(users), len(items)), dtype=np.float32)
    tile = np.zeros((TILE, users.shape[1]), dtype=np.float32)
    for start in range(0, len(users), TILE):
        part = users[start : start + TILE]
        tile[: len(part)] = part
        product[start : start + TILE] = (tile @ items.T)[: len(part)]
    return product
