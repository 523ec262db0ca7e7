"""Item-kNN: items that the same people take, by cosine over users.

Source: Sarwar et al. 2001; Deshpande and Karypis 2004. Exact: no approximate index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from nightshelf.candidates.base import (
    NO,
    CandidateModel,
    Recommendations,
    cores,
    cut,
    enough_buyers,
)
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class ItemKnnParams:
    neighbours: int = 50
    """Kept for each item."""
    weighting: str = "tfidf"
    """"none": every user counts alike. "tfidf": who takes everything says little about any pair."""
    shrinkage: float = 20.0
    """Added to each item's squared norm: pulls items with few buyers towards similarity 0."""
    min_buyers: int = 5
    """Items with fewer have no neighbours and are nobody's: one basket alone can make them alike.
    On a grocery year 2, 3 and 5 give the same nDCG@10 (.027 new), and 5 takes half the time."""
    max_items_per_user: int = 2000
    """Who took more is a shop or a robot: left out of similarity, where cost grows with the square.
    Such a user is still given a list."""
    half_life_days: float = 0.0
    """Of the user's own profile; 0 means that old events count in full."""
    similarity_days: int = 182
    """Similarity is learnt from so many days before `as_of`; 0 means from all."""

    def __post_init__(self) -> None:
        need(self.neighbours >= 1, "neighbours", self.neighbours, "at least 1")
        need(self.weighting in ("none", "tfidf"), "weighting", self.weighting, "none or tfidf")
        need(self.shrinkage >= 0, "shrinkage", self.shrinkage, "0 or more")
        need(self.min_buyers >= 1, "min_buyers", self.min_buyers, "at least 1")
        need(
            self.max_items_per_user >= 2, "max_items_per_user", self.max_items_per_user, "2 or more"
        )
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")
        need(self.similarity_days >= 0, "similarity_days", self.similarity_days, "0 or more")


class ItemKnn(CandidateModel):
    """Score: for each candidate, the sum of its similarity to the user's items, weighted by them.

    A candidate looks at its own nearest neighbours only. Scores are above 0. An item is not its own
    neighbour, so what a user has taken comes back only on the strength of other items.
    """

    name: ClassVar[str] = "item_knn"
    Params: ClassVar[type] = ItemKnnParams

    def _fit(self, interactions: Interactions) -> None:
        since = (
            interactions.as_of - self.params.similarity_days if self.params.similarity_days else 0
        )
        self.similarity = _nearest(interactions.bought(since), self.params)
        self.profile = interactions.matrix(self.params.half_life_days or None, log=True)
        self._count_votes()

    def _count_votes(self) -> None:
        """Own items × candidates: who has no neighbours is never a candidate."""
        self._candidates = np.flatnonzero(np.diff(self.similarity.indptr)).astype(np.int32)
        self._votes = self.similarity[self._candidates].T.tocsr()

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _score(self, rows: np.ndarray) -> np.ndarray:
        scores = (self.profile[rows] @ self._votes).toarray()
        scores[scores <= 0] = NO
        return scores

    def similar_items(self, k: int) -> Recommendations:
        """One row per (item, neighbour): `users` holds item codes; at most min(k, neighbours) each.

        Scores are cosines, at most 1.
        """
        similarity = self.similarity
        items = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
        at, codes, scores, ranks = cut(
            items, similarity.indices, similarity.data, similarity.shape[0], k
        )
        return Recommendations(at.astype(np.int32), codes, scores, ranks)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            **_csr_arrays("similarity", self.similarity),
            **_csr_arrays("profile", self.profile),
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_users, n_items = len(self.users), len(self.items)
        self.similarity = _csr("similarity", arrays, (n_items, n_items))
        self.profile = _csr("profile", arrays, (n_users, n_items))
        self._count_votes()


def _nearest(bought: csr_matrix, params: ItemKnnParams) -> csr_matrix:
    """Items × items: the nearest of each item by cosine, sorted by (similarity, code).

    Where several items tie for the last place, sparse_dot_topn keeps one by its order of visit,
    which depends on the data alone, not on threads. About 2 s for 800 thousand pairs on 2 cores.
    """
    from sparse_dot_topn import sp_matmul_topn

    n_items = bought.shape[1]
    vectors, active = _unit_columns(bought, params)
    if not len(active):
        return csr_matrix((n_items, n_items), dtype=np.float32)
    # One more than wanted, as an item's best match is itself.
    found = sp_matmul_topn(
        vectors.T.tocsr(), vectors, params.neighbours + 1, threshold=0.0, n_threads=cores()
    )
    rows, columns, values = _ranked(found)
    other = rows != columns
    rows, columns, values = rows[other], columns[other], values[other]
    rows, columns, values, _ = cut(
        active[rows], active[columns], values, n_items, params.neighbours
    )
    indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=n_items))).astype(np.int32)
    return csr_matrix((np.minimum(values, np.float32(1)), columns, indptr), (n_items, n_items))


def _ranked(found: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column, value > 0 of every entry, sorted by (row, value falling, column)."""
    found.sort_indices()
    rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    # The bits of a positive float rise with it: one integer key, four times as fast as lexsort.
    falling = np.int64(2**31 - 1) - found.data.view(np.int32)
    order = np.argsort((rows << 32) | falling, kind="stable")
    return rows[order], found.indices[order], found.data[order]


def _unit_columns(bought: csr_matrix, params: ItemKnnParams) -> tuple[csr_matrix, np.ndarray]:
    """Weighted columns of (damped) length 1 for items with enough buyers, and their codes."""
    bought = bought[np.diff(bought.indptr) <= params.max_items_per_user]
    buyers = np.bincount(bought.indices, minlength=bought.shape[1])
    active = np.flatnonzero(buyers >= enough_buyers(params.min_buyers, bought.shape[0]))
    weights = diags(_user_weights(bought, params.weighting))
    vectors = (weights @ bought[:, active].astype(np.float64)).tocsc()
    squares = np.asarray(vectors.multiply(vectors).sum(axis=0)).ravel() + params.shrinkage
    lengths = np.sqrt(np.where(squares > 0, squares, 1.0))
    return (vectors @ diags(1.0 / lengths)).tocsr().astype(np.float32), active


def _user_weights(bought: csr_matrix, weighting: str) -> np.ndarray:
    """TF-IDF with users as terms: log(n_items / (1 + items of the user)), as in the published
    comparison of Ferrari Dacrema et al. Never below a small positive number, or the user who took
    everything would turn similarity round."""
    if weighting == "none":
        return np.ones(bought.shape[0])
    lengths = np.diff(bought.indptr)
    return np.maximum(np.log(bought.shape[1] / (1.0 + lengths)), 1e-3)


def _csr_arrays(name: str, matrix: csr_matrix) -> dict[str, np.ndarray]:
    return {
        f"{name}_indptr": matrix.indptr,
        f"{name}_indices": matrix.indices,
        f"{name}_data": matrix.data,
    }


def _csr(name: str, arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> csr_matrix:
    parts = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    return csr_matrix(tuple(parts), shape=shape)
