"""Random walks of three steps: from a user to an item, to another of its users, to one of theirs.

Sources: Cooper et al. 2014, Random walks in recommender systems (P3α); Paudel et al. 2017, Updatable,
accurate, diverse, and scalable recommendations for interactive applications (RP3β).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from nightshelf.candidates.base import enough_buyers
from nightshelf.candidates.linked import LinkedItems
from nightshelf.candidates.params import need
from nightshelf.candidates.similarity import each_column_cut, nearest, spread
from nightshelf.candidates.sparse import csr_arrays, csr_of
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class Rp3betaParams:
    alpha: float = 1.0
    """Power of each step's probability: above 1 the likely steps count more."""
    beta: float = 0.4
    """What many have taken is divided by that number to the power beta; 0 is P3α."""
    neighbours: int = 100
    """Kept from each item: where most of its walks end."""
    backers: int = 300
    """Kept for each candidate: the items whose walks lead to it most; 0 keeps all. Without this cut
    everything leads to the bestsellers."""
    normalise: bool = True
    """Each item's kept walks sum to 1, however few they are."""
    returns: bool = True
    """Walks may end where they began, so that what the user has taken comes back."""
    half_life_days: float = 30.0
    """After so many days an event counts half, for every step; 0 means that old events count in
    full."""
    min_buyers: int = 5
    """Items with fewer are not on the way and are nobody's."""

    def __post_init__(self) -> None:
        need(self.alpha > 0, "alpha", self.alpha, "above 0")
        need(self.beta >= 0, "beta", self.beta, "0 or more")
        need(self.neighbours >= 1, "neighbours", self.neighbours, "at least 1")
        need(self.backers >= 0, "backers", self.backers, "0 or more")
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")
        need(self.min_buyers >= 1, "min_buyers", self.min_buyers, "at least 1")


class Rp3beta(LinkedItems):
    """Score: how likely a walk from the user ends at the item, over its buyers to the power beta.

    A step is as likely as log(1 + decayed weight) of its edge among the edges there.
    """

    name: ClassVar[str] = "rp3beta"
    Params: ClassVar[type] = Rp3betaParams

    def _fit(self, interactions: Interactions) -> None:
        n_users, n_items = interactions.shape
        edges = interactions.matrix(self.params.half_life_days or None, log=True)
        buyers = np.bincount(edges.indices, minlength=n_items)
        active = np.flatnonzero(buyers >= enough_buyers(self.params.min_buyers, n_users))
        edges = edges[:, active]
        first = _steps(edges, self.params.alpha)
        walks = _walks(edges, first, buyers[active], self.params)
        self.walks = spread(walks, active, n_items)
        codes = active[first.indices].astype(np.int32)
        profile = csr_matrix((first.data, codes, first.indptr), interactions.shape)
        self._link(profile, self.walks)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {**csr_arrays("walks", self.walks), **csr_arrays("profile", self.profile)}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_users, n_items = len(self.users), len(self.items)
        self.walks = csr_of("walks", arrays, (n_items, n_items))
        self._link(csr_of("profile", arrays, (n_users, n_items)), self.walks)


def _walks(
    edges: csr_matrix, first: csr_matrix, buyers: np.ndarray, params: Rp3betaParams
) -> csr_matrix:
    """Items × items: the last two steps, from an item over its users to their items."""
    back = _steps(edges.T.tocsr(), params.alpha)
    weakened = first @ diags(buyers.astype(np.float64) ** -params.beta)
    walks = nearest(
        back, weakened.tocsr().astype(np.float32), params.neighbours, itself=params.returns
    )
    if params.normalise:
        walks = _steps(walks, 1.0)
    return each_column_cut(walks, params.backers) if params.backers else walks


def _steps(edges: csr_matrix, alpha: float) -> csr_matrix:
    """Each edge over the sum of its row, to the power alpha; float32."""
    values = edges.data.astype(np.float64)
    rows = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    sums = np.bincount(rows, values, edges.shape[0])
    # Far in the past every edge of a row may have decayed to 0.
    shares = (values / np.where(sums > 0, sums, 1.0)[rows]) ** alpha
    return csr_matrix((shares.astype(np.float32), edges.indices, edges.indptr), edges.shape)
