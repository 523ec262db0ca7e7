"""Models that describe users and items by a few dozen numbers: iALS, truncated SVD, NMF.

Score: the inner product of the two. They see items with at least `min_buyers` only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel, enough_buyers
from nightshelf.candidates.best import Recommendations
from nightshelf.candidates.inner_products import TILE, Items, best_products, products_at
from nightshelf.candidates.params import need
from nightshelf.candidates.top_k import LEAST, NO
from nightshelf.dataset.interactions import Interactions
from nightshelf.errors import ModelError


class FactorModel(CandidateModel):
    """Keeps `user_factors` (n_users, f) and `item_factors` (n_active, f), both float32.

    Memory of `recommend`: 3 MB a core and k × 8 bytes a user, and the item factors twice more.
    """

    block = TILE
    floor: ClassVar[np.float32] = LEAST
    """The least score that is offered."""

    def _fit(self, interactions: Interactions) -> None:
        values = interactions.matrix(self.params.half_life_days or None, log=True)
        buyers = np.bincount(values.indices, minlength=values.shape[1])
        needed = enough_buyers(self.params.min_buyers, values.shape[0])
        self.active = np.flatnonzero(buyers >= needed).astype(np.int32)
        values = values[:, self.active]
        width = min(self.params.factors, *values.shape)
        if width and values.nnz:
            users, items = self._factorise(values.tocsr(), width)
            # What none of those who teach has taken says nothing, and would stand before what is disliked.
            told = items.any(axis=1)
            self.active, items = self.active[told], items[told]
        else:
            self.active = self.active[:0]
            users, items = (np.zeros((n, 0), dtype=np.float32) for n in (values.shape[0], 0))
        self._keep(users, items)

    def _keep(self, users: np.ndarray, items: np.ndarray) -> None:
        if not (np.isfinite(users).all() and np.isfinite(items).all()):
            raise ModelError(
                f"The factors of {self.name} are not all numbers.",
                "Run the night again; if it stays so, mend the model's settings in ml/config/models.toml.",
            )
        self.user_factors, self.item_factors = users, items
        self._ordered = Items(items, self.active)

    @abstractmethod
    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]: ...

    def _asked(self, n_users: int) -> np.ndarray:
        """Rows of those whose factors are needed."""
        return np.arange(n_users) if self.asked is None else self.asked[self.asked >= 0]

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        """Who has taken no item with factors has none, and gets no rows."""
        rows = super()._rows(users)
        known = self.user_factors.any(axis=1)
        return np.where((rows >= 0) & known[rows], rows, -1) if len(known) else rows

    def _columns(self) -> np.ndarray:
        return self.active

    def _scored(self, rows: np.ndarray) -> np.ndarray:
        return self.user_factors[rows]

    def _best(self, users, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return [
            Recommendations(asked[at].astype(np.int32), codes, scores, ranks)
            for at, codes, scores, ranks in best_products(
                users, self._ordered, excludes, k, self.floor
            )
        ]

    def _at(self, users, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        found = products_at(users, self._ordered, at, places)
        return np.where(found >= self.floor, found, NO)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "active": self.active,
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.active = arrays["active"]
        self._keep(arrays["user_factors"], arrays["item_factors"])


def check_factors(params: Any) -> None:
    """The settings that all of them have."""
    need(params.factors >= 1, "factors", params.factors, "at least 1")
    need(params.min_buyers >= 1, "min_buyers", params.min_buyers, "at least 1")
    need(params.half_life_days >= 0, "half_life_days", params.half_life_days, "0 or more")
    need(0 <= params.seed < 2**32, "seed", params.seed, "from 0 to 4294967295")
