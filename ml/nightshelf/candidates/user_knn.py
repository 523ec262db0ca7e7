"""User-kNN: what people alike have taken lately, and what the user has taken before.

Sources: Herlocker et al. 1999 (neighbours); Hu et al. 2020, Modeling personalized item frequency
information for next-basket recommendation (TIFU-kNN: a user's decayed counts, mixed with the mean
of the neighbours'). Exact: every user is compared with all of those who may be neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags, issparse

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.lately import counting
from nightshelf.candidates.params import need
from nightshelf.candidates.similarity import nearest
from nightshelf.candidates.sparse import columns_of, csr_arrays, csr_of, product, without_traces
from nightshelf.candidates.teachers import teachers
from nightshelf.candidates.weighting import rarity, unit_rows
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class UserKnnParams:
    neighbours: int = 100
    """Kept for each user, 8 bytes each."""
    similarity: str = "cosine"
    """"cosine", or "pearson": correlation over all items, those not taken as 0, which holds against
    a user that many items were taken; some four times the fit time."""
    weighting: str = "none"
    """"none": every item counts alike. "tfidf": what everybody takes says little about any pair."""
    own_weight: float = 0.4
    """Of the user's own history against the neighbours', from 0 (theirs alone) to 1."""
    half_life_days: float = 90.0
    """Of the own history, and of what users are compared by; 0 means that old events count in
    full."""
    neighbour_half_life_days: float = 14.0
    """Of what neighbours took: short, as they are asked for what one takes now."""
    burst: float = 2.0
    """Times an item's ordinary day beyond which neighbours who begin with it count for less, as in
    `lately`; 0 counts all of them in full."""
    max_users_per_item: int = 10000
    """What more, of all users, have taken is left out of similarity, where cost grows with the square. It is
    still recommended."""
    max_users: int = 100_000
    """Neighbours are sought among so many users at most, `teachers`: a hundred are found there as well, and
    cost grows with users, no longer with their square."""

    def __post_init__(self) -> None:
        need(self.neighbours >= 1, "neighbours", self.neighbours, "at least 1")
        measures = ("cosine", "pearson")
        need(self.similarity in measures, "similarity", self.similarity, " or ".join(measures))
        need(self.weighting in ("none", "tfidf"), "weighting", self.weighting, "none or tfidf")
        need(0 <= self.own_weight <= 1, "own_weight", self.own_weight, "from 0 to 1")
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")
        half_life = self.neighbour_half_life_days
        need(half_life >= 0, "neighbour_half_life_days", half_life, "0 or more")
        need(
            self.max_users_per_item >= 2, "max_users_per_item", self.max_users_per_item, "2 or more"
        )
        need(self.max_users >= 1, "max_users", self.max_users, "at least 1")


class UserKnn(CandidateModel):
    """Score: own_weight × the own row + (1 - own_weight) × the neighbours' mean row, weighted by
    similarity; rows are log(1 + decayed weight).

    Neighbours are found at fit: for 750 thousand users among a hundred thousand in 35 s of two cores,
    where they take 600 MB at 100 each; for few who are asked about in next to nothing.
    """

    name: ClassVar[str] = "user_knn"
    Params: ClassVar[type] = UserKnnParams

    def _fit(self, interactions: Interactions) -> None:
        params = self.params
        own = interactions.matrix(params.half_life_days or None, log=True)
        recent = interactions.matrix(params.neighbour_half_life_days or None, log=True)
        recent.data *= counting(interactions, params.burst).data
        found = _neighbours(own, params, self.users, self.asked)
        self.neighbours = _shares(found, 1.0 - params.own_weight)
        self.own, self.recent = own * np.float32(params.own_weight), recent
        self._take_columns()

    def _take_columns(self) -> None:
        """Items that nobody has taken are never offered."""
        self._candidates = columns_of(self.own).astype(np.int32)
        self._own, self._recent = (m[:, self._candidates] for m in (self.own, self.recent))

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _score(self, rows: np.ndarray) -> np.ndarray | csr_matrix:
        scores, own = product(self.neighbours[rows], self._recent), self._own[rows]
        if issparse(scores):
            scores = scores + own
            scores.sort_indices()
            return scores
        scores[np.repeat(np.arange(len(rows)), np.diff(own.indptr)), own.indices] += own.data
        return scores

    def _arrays(self) -> dict[str, np.ndarray]:
        # Both rows hold the same pairs, so the second adds its values alone.
        return {
            **csr_arrays("neighbours", self.neighbours),
            **csr_arrays("own", self.own),
            "recent_data": self.recent.data,
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_users, n_items = len(self.users), len(self.items)
        self.neighbours = csr_of("neighbours", arrays, (n_users, n_users))
        self.own = csr_of("own", arrays, (n_users, n_items))
        pairs = (arrays["recent_data"], self.own.indices, self.own.indptr)
        self.recent = csr_matrix(pairs, shape=(n_users, n_items))
        self._take_columns()


def _neighbours(
    rows: csr_matrix, params: UserKnnParams, users: np.ndarray, asked: np.ndarray | None
) -> csr_matrix:
    """Users × users: the nearest of each user, or of each who is `asked`, sorted by (similarity, code)."""
    takers = np.bincount(rows.indices, minlength=rows.shape[1])
    telling = np.flatnonzero((takers > 0) & (takers <= params.max_users_per_item))
    rows = rows[:, telling].astype(np.float64)
    if params.weighting == "tfidf":
        rows = (rows @ diags(rarity(takers[telling], of=rows.shape[0]))).tocsr()
    if params.similarity == "pearson":
        return _by_pearson(rows, params, users, asked)
    return nearest(*_sides(unit_rows(rows), params, users, asked), params.neighbours)


def _sides(
    vectors: csr_matrix, params: UserKnnParams, users: np.ndarray, asked: np.ndarray | None
) -> tuple[csr_matrix, csr_matrix]:
    """Users × items, of those who are asked about; items × users, of those who may be neighbours."""
    others = _only(vectors, teachers(users, vectors, params.max_users))
    return _only(vectors, asked), others.T.tocsr()


def _only(matrix: csr_matrix, rows: np.ndarray | None) -> csr_matrix:
    """The other rows are empty; all are there if `rows` is None."""
    if rows is None:
        return matrix
    lengths, wanted = np.diff(matrix.indptr), np.zeros(matrix.shape[0], dtype=bool)
    wanted[rows[rows >= 0]] = True
    kept, ends = np.repeat(wanted, lengths), np.cumsum(lengths * wanted)
    indptr = np.append(0, ends).astype(matrix.indptr.dtype)
    return csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)


def _by_pearson(
    rows: csr_matrix, params: UserKnnParams, users: np.ndarray, asked: np.ndarray | None
) -> csr_matrix:
    """With x over its root sum of squared deviations, correlation is x·y - n × mean(x) × mean(y):
    a product of what both took, less a term of each user's own. Below 0 where nothing is shared."""
    n_items = max(rows.shape[1], 1)
    means = np.asarray(rows.sum(axis=1)).ravel() / n_items
    squares = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    deviations = np.sqrt(np.maximum(squares - n_items * means**2, 0.0))
    # Who takes everything alike deviates by a rounding only, and correlates with nobody.
    varied = deviations > 1e-6 * np.sqrt(squares)
    scales = np.where(varied, 1.0 / np.where(varied, deviations, 1.0), 0.0)
    vectors = without_traces((diags(scales) @ rows).tocsr().astype(np.float32))
    shifts = (np.sqrt(n_items) * means * scales).astype(np.float32)

    def correlation(ours: np.ndarray, theirs: np.ndarray, products: np.ndarray) -> np.ndarray:
        return products - shifts[ours] * shifts[theirs]

    return nearest(*_sides(vectors, params, users, asked), params.neighbours, correlation)


def _shares(neighbours: csr_matrix, total: float) -> csr_matrix:
    """Rows that sum to `total`, so that own and neighbours' rows are of one scale."""
    sums = np.asarray(neighbours.sum(axis=1, dtype=np.float64)).ravel()
    factors = total / np.where(sums > 0, sums, 1.0)
    data = neighbours.data * np.repeat(factors, np.diff(neighbours.indptr))
    return csr_matrix(
        (data.astype(np.float32), neighbours.indices, neighbours.indptr), neighbours.shape
    )
