"""Item-kNN: items that the same people take, by cosine or Jaccard over users.

Sources: Sarwar et al. 2001; Deshpande and Karypis 2004; BM25: Robertson and Zaragoza 2009. Exact: no
approximate index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from nightshelf.candidates.base import cut, enough_buyers
from nightshelf.candidates.best import Recommendations
from nightshelf.candidates.linked import LinkedItems
from nightshelf.candidates.params import MOST_DAYS, need
from nightshelf.candidates.similarity import nearest, spread
from nightshelf.candidates.sparse import csr_arrays, csr_of
from nightshelf.candidates.weighting import rarity, saturated, unit_columns
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class ItemKnnParams:
    neighbours: int = 50
    """Kept for each item."""
    similarity: str = "cosine"
    """"cosine" of weighted columns. "jaccard": buyers of both over buyers of either, unweighted."""
    weighting: str = "tfidf"
    """"none": every user counts alike. "tfidf": who takes everything says little about any pair.
    "bm25": as tfidf, and how much each user took of the item counts too, saturating."""
    k1: float = 1.2
    """Of bm25: how much a repeat adds; 0 is nothing."""
    b: float = 0.75
    """Of bm25: how much of an item's volume is held against it, from 0 to 1."""
    shrinkage: float = 20.0
    """Added to each item's squared norm, or to the union: pulls items with few buyers towards
    similarity 0."""
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
        need(
            self.similarity in ("cosine", "jaccard"),
            "similarity",
            self.similarity,
            "cosine or jaccard",
        )
        weightings = ("none", "tfidf", "bm25") if self.similarity == "cosine" else ("none",)
        rule = " or ".join(weightings) + f" with similarity {self.similarity}"
        need(self.weighting in weightings, "weighting", self.weighting, rule)
        need(self.k1 >= 0, "k1", self.k1, "0 or more")
        need(0 <= self.b <= 1, "b", self.b, "from 0 to 1")
        need(self.shrinkage >= 0, "shrinkage", self.shrinkage, "0 or more")
        need(self.min_buyers >= 1, "min_buyers", self.min_buyers, "at least 1")
        need(
            self.max_items_per_user >= 2, "max_items_per_user", self.max_items_per_user, "2 or more"
        )
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")
        rule = f"from 0 to {MOST_DAYS}"
        need(0 <= self.similarity_days <= MOST_DAYS, "similarity_days", self.similarity_days, rule)


class ItemKnn(LinkedItems):
    """Score: for each candidate, the sum of its similarity to the user's items, weighted by them.

    A candidate looks at its own nearest neighbours only. Scores are above 0. An item is not its own
    neighbour, so what a user has taken comes back only on the strength of other items.
    """

    name: ClassVar[str] = "item_knn"
    Params: ClassVar[type] = ItemKnnParams

    def _fit(self, interactions: Interactions) -> None:
        self.similarity = _similarity(_taken(interactions, self.params), self.params)
        profile = interactions.matrix(self.params.half_life_days or None, log=True)
        self._link(profile, self.similarity.T.tocsr())

    def similar_items(self, k: int) -> Recommendations:
        """One row per (item, neighbour): `users` holds item codes; at most min(k, neighbours) each.

        Scores are cosines or shares, at most 1.
        """
        similarity = self.similarity
        items = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
        at, codes, scores, ranks = cut(
            items, similarity.indices, similarity.data, similarity.shape[0], k
        )
        return Recommendations(at.astype(np.int32), codes, scores, ranks)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            **csr_arrays("similarity", self.similarity),
            **csr_arrays("profile", self.profile),
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_users, n_items = len(self.users), len(self.items)
        self.similarity = csr_of("similarity", arrays, (n_items, n_items))
        profile = csr_of("profile", arrays, (n_users, n_items))
        self._link(profile, self.similarity.T.tocsr())


def _taken(interactions: Interactions, params: ItemKnnParams) -> csr_matrix:
    """Users × items of the days that similarity sees: who took it, or for bm25 how much."""
    since = interactions.as_of - params.similarity_days if params.similarity_days else 0
    if params.weighting != "bm25":
        return interactions.bought(since)
    seen = interactions.window(since, interactions.as_of)
    return seen.over(interactions.users, interactions.items).matrix()


def _similarity(taken: csr_matrix, params: ItemKnnParams) -> csr_matrix:
    """Items × items: the nearest of each item, sorted by (similarity, code)."""
    n_items = taken.shape[1]
    taken = taken[np.diff(taken.indptr) <= params.max_items_per_user]
    buyers = np.bincount(taken.indices, minlength=n_items)
    active = np.flatnonzero(buyers >= enough_buyers(params.min_buyers, taken.shape[0]))
    if not len(active):
        return csr_matrix((n_items, n_items), dtype=np.float32)
    if params.similarity == "jaccard":
        found = _by_jaccard(taken[:, active], buyers[active], params)
    else:
        users = rarity(np.diff(taken.indptr), of=n_items)
        found = _by_cosine(taken[:, active], users, params)
    return spread(found, active, n_items)


def _by_cosine(taken: csr_matrix, users: np.ndarray, params: ItemKnnParams) -> csr_matrix:
    vectors = taken.astype(np.float64)
    if params.weighting == "bm25":
        vectors = saturated(vectors, params.k1, params.b)
    if params.weighting != "none":
        vectors = diags(users) @ vectors
    vectors = unit_columns(vectors, params.shrinkage)
    found = nearest(vectors.T.tocsr(), vectors, params.neighbours)
    # A rounding above 1 would be no cosine.
    np.minimum(found.data, np.float32(1), out=found.data)
    return found


def _by_jaccard(taken: csr_matrix, buyers: np.ndarray, params: ItemKnnParams) -> csr_matrix:
    sets = taken.astype(np.float32)
    sizes = buyers.astype(np.float32)

    def share(rows: np.ndarray, columns: np.ndarray, both: np.ndarray) -> np.ndarray:
        either = sizes[rows] + sizes[columns] - both + np.float32(params.shrinkage)
        return np.divide(both, either, out=either)

    return nearest(sets.T.tocsr(), sets, params.neighbours, share)
