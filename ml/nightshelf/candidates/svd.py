"""Truncated SVD of users × items, by scikit-learn's randomised method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from nightshelf.candidates.base import one_blas_thread
from nightshelf.candidates.factors import FactorModel, check_factors
from nightshelf.candidates.params import need
from nightshelf.candidates.weighting import rarity


@dataclass(frozen=True)
class SvdParams:
    factors: int = 64
    weighting: str = "none"
    """"none", or "tfidf": an item counts log(n_users / (1 + buyers)), the rare ones more."""
    power_iterations: int = 2
    """Of the randomised method (Halko et al. 2011): 4 is scikit-learn's default for accuracy."""
    min_buyers: int = 5
    """Items with fewer get no factors and are nobody's."""
    half_life_days: float = 90.0
    """After so many days an event counts half; 0 means that old events count in full."""
    seed: int = 20170101

    def __post_init__(self) -> None:
        check_factors(self)
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
        if weighted.shape[0] < weighted.shape[1]:
            # By columns a product jumps about in the users' factors, which are the fewer: half the time.
            weighted = weighted.tocsc()
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
        return rarity(buyers, of=values.shape[0]).astype(np.float32)


def _sign_fixed(right: np.ndarray) -> np.ndarray:
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    return right * np.where(signs == 0, 1, signs)[:, None]
