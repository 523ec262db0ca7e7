"""Models that describe users and items by a few dozen numbers: iALS and truncated SVD.

Score: the inner product of the two. Both see items with at least `min_buyers` only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from nightshelf.candidates.base import CandidateModel, cores, enough_buyers, one_blas_thread
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


@dataclass(frozen=True)
class IalsParams:
    factors: int = 64
    regularization: float = 1.0
    alpha: float = 1.0
    """Confidence of a taken pair: alpha × log(1 + decayed weight)."""
    iterations: int = 6
    min_buyers: int = 5
    """Items with fewer get no factors and are nobody's."""
    half_life_days: float = 180.0
    """After so many days an event counts half; 0 means that old events count in full."""
    seed: int = 20170101
    """Any number; fixed so that the same rows give the same model."""

    def __post_init__(self) -> None:
        _check_factors(self)
        need(self.regularization >= 0, "regularization", self.regularization, "0 or more")
        need(self.alpha > 0, "alpha", self.alpha, "above 0")
        need(self.iterations >= 1, "iterations", self.iterations, "at least 1")


class Ials(FactorModel):
    """Implicit alternating least squares (Hu, Koren, Volinsky 2008), by the `implicit` library.

    Each user's and item's equations are solved apart, so threads change no bit of the result.
    """

    name: ClassVar[str] = "ials"
    Params: ClassVar[type] = IalsParams

    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
        from implicit.cpu.als import AlternatingLeastSquares

        with one_blas_thread():
            model = AlternatingLeastSquares(
                factors=width,
                regularization=self.params.regularization,
                alpha=self.params.alpha,
                iterations=self.params.iterations,
                num_threads=cores(),
                random_state=self.params.seed,
            )
            model.fit(values, show_progress=False)
        return model.user_factors, model.item_factors


@dataclass(frozen=True)
class SvdParams:
    factors: int = 64
    weighting: str = "none"
    """"none", or "tfidf": an item counts log(n_users / (1 + buyers)), the rare ones more."""
    power_iterations: int = 2
    """Of the randomised method (Halko et al. 2011): 4 is scikit-learn's default for accuracy."""
    min_buyers: int = 5
    """Items with fewer get no factors and are nobody's."""
    half_life_days: float = 180.0
    """After so many days an event counts half; 0 means that old events count in full."""
    seed: int = 20170101

    def __post_init__(self) -> None:
        _check_factors(self)
        need(self.weighting in ("none", "tfidf"), "weighting", self.weighting, "none or tfidf")
        need(self.power_iterations >= 0, "power_iterations", self.power_iterations, "0 or more")


class Svd(FactorModel):
    """PureSVD (Cremonesi et al. 2010): a user's row, projected on the first right singular vectors.

    Each vector's sign is set so that its largest entry is positive.
    """

    name: ClassVar[str] = "svd"
    Params: ClassVar[type] = SvdParams

    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.utils.extmath import randomized_svd

        weighted = values @ diags(self._item_weights(values))
        with one_blas_thread():
            _, _, right = randomized_svd(
                weighted.astype(np.float32),
                width,
                n_iter=self.params.power_iterations,
                random_state=self.params.seed,
            )
        vectors = _sign_fixed(right).T.astype(np.float32)
        return np.asarray(weighted @ vectors, dtype=np.float32), np.ascontiguousarray(vectors)

    def _item_weights(self, values: csr_matrix) -> np.ndarray:
        if self.params.weighting == "none":
            return np.ones(values.shape[1], dtype=np.float32)
        buyers = np.bincount(values.indices, minlength=values.shape[1])
        # Never 0 or less, or what everybody takes would vanish or turn round.
        weights = np.maximum(np.log(values.shape[0] / (1.0 + buyers)), 1e-3)
        return weights.astype(np.float32)


def _check_factors(params: IalsParams | SvdParams) -> None:
    need(params.factors >= 1, "factors", params.factors, "at least 1")
    need(params.min_buyers >= 1, "min_buyers", params.min_buyers, "at least 1")
    need(params.half_life_days >= 0, "half_life_days", params.half_life_days, "0 or more")
    need(0 <= params.seed < 2**32, "seed", params.seed, "from 0 to 4294967295")


def _sign_fixed(right: np.ndarray) -> np.ndarray:
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    return right * np.where(signs == 0, 1, signs)[:, None]


def _tiled_product(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """users @ items.T, (n, n_active), by tiles of TILE users, the last one filled up with zeros."""
    product = np.empty((len(users), len(items)), dtype=np.float32)
    tile = np.zeros((TILE, users.shape[1]), dtype=np.float32)
    for start in range(0, len(users), TILE):
        part = users[start : start + TILE]
        tile[: len(part)] = part
        product[start : start + TILE] = (tile @ items.T)[: len(part)]
    return product
