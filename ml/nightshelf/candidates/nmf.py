"""Non-negative matrix factorisation of users × items, by scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import one_blas_thread
from nightshelf.candidates.factors import FactorModel, check_factors
from nightshelf.candidates.params import need
from nightshelf.candidates.teachers import teachers


@dataclass(frozen=True)
class NmfParams:
    factors: int = 64
    iterations: int = 15
    min_buyers: int = 5
    """Items with fewer get no factors and are nobody's."""
    half_life_days: float = 90.0
    """After so many days an event counts half; 0 means that old events count in full."""
    max_users: int = 100_000
    """Items' factors are learnt from so many users at most, `teachers`; the others' are then found beside
    them."""
    seed: int = 20170101
    """Of the randomised SVD that it starts from."""

    def __post_init__(self) -> None:
        check_factors(self)
        need(self.iterations >= 1, "iterations", self.iterations, "at least 1")
        need(self.max_users >= 1, "max_users", self.max_users, "at least 1")


SWEEPS_BESIDE = 5
"""Of users whose items' factors are given: each user is a small problem of its own, soon solved."""


class Nmf(FactorModel):
    """Factors without negatives, so that a user is a sum of parts (Lee and Seung 1999): squared error
    over all pairs, by coordinate descent (Cichocki and Phan 2009) from the SVD (NNDSVDa, Boutsidis and
    Gallopoulos 2008). Who shares no part with an item is not offered it.

    About 3 core-seconds for 700 thousand pairs of at most `max_users`; each user beyond them costs about
    a sixth of one of them.
    """

    name: ClassVar[str] = "nmf"
    Params: ClassVar[type] = NmfParams
    floor: ClassVar[np.float32] = np.nextafter(np.float32(0), np.float32(1))

    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.decomposition import NMF
        from sklearn.exceptions import ConvergenceWarning

        some = teachers(self.users, values, self.params.max_users)
        model = NMF(
            width if some is None else min(width, len(some)),
            init="nndsvda",
            max_iter=self.params.iterations,
            random_state=self.params.seed,
        )
        with one_blas_thread(), warnings.catch_warnings():
            # A fixed number of sweeps is the setting; more of them change no list worth the time.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if some is None:
                users = model.fit_transform(values)
            else:
                model.fit(values[some])
                users = self._beside(model, values)
        return users.astype(np.float32), np.ascontiguousarray(model.components_.T, np.float32)

    def _beside(self, model, values: csr_matrix) -> np.ndarray:
        """(n_users, width): users' factors beside the items' that `model` has; 0 for who is not asked about."""
        rows = self._asked(values.shape[0])
        users = np.zeros((values.shape[0], model.n_components_), dtype=values.dtype)
        model.set_params(max_iter=SWEEPS_BESIDE)
        if len(rows):
            users[rows] = model.transform(values[rows])
        return users
