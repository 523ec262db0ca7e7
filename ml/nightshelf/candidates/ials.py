"""Implicit alternating least squares: factors of users and items by weighted least squares.

Why not the `implicit` library: docs/decisions/0028."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import one_blas_thread
from nightshelf.candidates.factors import FactorModel, check_factors
from nightshelf.candidates.least_squares import STEPS, Ratings, solve_rows
from nightshelf.candidates.params import MOST_REGULARIZATION, need
from nightshelf.candidates.teachers import teachers


@dataclass(frozen=True)
class IalsParams:
    factors: int = 64
    regularization: float = 0.6
    """The mean ridge, as a share of the matrix's noise: what is no stronger than chance is shrunk
    away, in a shop of any size. Above 1 little is left but popularity."""
    regularization_exponent: float = 1.0
    """How the ridge grows with what a user or item weighs: 0 not at all, 1 in proportion."""
    unobserved_weight: float = 1.0
    """What a pair that was not taken weighs; a taken one weighs log(1 + decayed events) more."""
    iterations: int = 6
    max_users: int = 100_000
    """Items' factors are learnt from so many users at most, `teachers`; everybody's are the answers to
    them."""
    min_buyers: int = 5
    """Items with fewer get no factors and are nobody's."""
    half_life_days: float = 90.0
    """After so many days an event counts half; 0 means that old events count in full."""
    seed: int = 20170101
    """Any number; fixed so that the same rows give the same model."""

    def __post_init__(self) -> None:
        check_factors(self)
        exponent = self.regularization_exponent
        rule = f"above 0, at most {MOST_REGULARIZATION:g}"
        need(
            0 < self.regularization <= MOST_REGULARIZATION,
            "regularization",
            self.regularization,
            rule,
        )
        need(0 <= exponent <= 1, "regularization_exponent", exponent, "from 0 to 1")
        need(self.unobserved_weight >= 0, "unobserved_weight", self.unobserved_weight, "0 or more")
        need(self.iterations >= 1, "iterations", self.iterations, "at least 1")
        need(self.max_users >= 1, "max_users", self.max_users, "at least 1")


class Ials(FactorModel):
    """Factors x of users and y of items that minimise

        Σ_taken c (1 - x·y)² + α Σ_all (x·y)² + Σ_users λ_u |x|² + Σ_items λ_i |y|²

    with c the pair's log value, α `unobserved_weight`, λ_u in proportion to (pairs taken + α n_items)^ν,
    λ_i to (pairs taken + α n_users)^ν, ν `regularization_exponent` (Rendle, Krichene, Zhang, Koren 2022,
    Revisiting the performance of iALS). The mean of the λ_u, and of the λ_i, is `regularization` × the
    noise of c; both means are of those who teach, where not all users do. Users are solved last, so that
    theirs are the answers to the items' final factors.

    Cost a sweep on one core: 0.2 s for 700 thousand pairs and 64 factors; it grows with pairs × factors.
    """

    name: ClassVar[str] = "ials"
    Params: ClassVar[type] = IalsParams

    def _factorise(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
        n_users, some = values.shape[0], teachers(self.users, values, self.params.max_users)
        with one_blas_thread():
            if some is None:
                return self._alternated(values, width)
            _, items = self._alternated(values[some], width)
            rows, users = self._asked(n_users), np.zeros((n_users, width), dtype=np.float32)
            ratings = self._ratings(values[rows], values[some])
            # Nobody has a last answer to begin from.
            users[rows] = solve_rows(ratings, items, users[rows], 2 * STEPS)
        return users, items

    def _alternated(self, values: csr_matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
        columns = values.T.tocsr()
        by_user, by_item = self._ratings(values, values), self._ratings(columns, columns)
        generator = np.random.default_rng(self.params.seed)
        users = generator.standard_normal((values.shape[0], width), dtype=np.float32)
        users *= 0.1 / np.sqrt(width)
        items = np.zeros((values.shape[1], width), dtype=np.float32)
        for _ in range(self.params.iterations):
            items = solve_rows(by_item, users, items)
            users = solve_rows(by_user, items, users)
        return users, items

    def _ratings(self, values: csr_matrix, of: csr_matrix) -> Ratings:
        """Every taken pair's target is 1, so its pull is its weight. The ridge is in units `of` what teaches."""
        share = self._weighs(values) / self._weighs(of).mean()
        ridge = self.params.regularization * noise(of)
        ridge *= share**self.params.regularization_exponent
        return Ratings(values, values.data, ridge, self.params.unobserved_weight)

    def _weighs(self, values: csr_matrix) -> np.ndarray:
        return np.diff(values.indptr) + self.params.unobserved_weight * values.shape[1]


def noise(values: csr_matrix) -> float:
    """The root mean square length of a row, and of a column, added up: about the largest singular value
    of a matrix as full as this one whose entries lie where chance put them (Latała 2005)."""
    energy = np.square(values.data, dtype=np.float64).sum()
    return float(sum(np.sqrt(energy / n) for n in values.shape))
