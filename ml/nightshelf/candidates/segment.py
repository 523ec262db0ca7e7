"""Popular in segment: what is popular lately among what the user, and users alike, go for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.lately import taken_lately, takers
from nightshelf.candidates.one_list import offerable
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.reached import FIRST, Reached, ReachingModel
from nightshelf.candidates.tastes import Tastes, category_levels
from nightshelf.candidates.top_k import gathered
from nightshelf.dataset.interactions import Interactions

USERS_A_SEGMENT = 50
"""On average, at least: fewer have no list of their own worth the name."""
SAMPLE = 20_000
"""Users that clusters are learnt from, about 2 s; everybody then goes to the nearest."""
ENOUGH_CATEGORISED = 0.5
"""The share of recent takings whose category is known, below which categories say too little."""


@dataclass(frozen=True)
class PopularInSegmentParams:
    window_days: int = 14
    """Two whole weeks: among people alike, what is popular changes sooner than at large."""
    burst: float = 2.0
    """As in popularity."""
    half_life_days: float = 60.0
    """Of what the user took, where the shop has categories."""
    prior: float = 30.0
    """So many takings of the shop's average are mixed into what each user took of a category."""
    segments: int = 16
    """Where the shop has no categories: at most so many, of 50 users or more on average."""
    factors: int = 16
    """Dimensions in which users are told apart there."""
    segment_half_life_days: float = 180.0
    """Of what users took, there."""
    segment_prior: float = 500.0
    """So many takings of the shop's are added to each segment's own."""
    seed: int = 20170101
    """Any number; fixed so that the same rows give the same segments."""

    def __post_init__(self) -> None:
        need(1 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, DAYS)
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")
        need(self.half_life_days > 0, "half_life_days", self.half_life_days, "above 0")
        need(self.prior > 0, "prior", self.prior, "above 0")
        need(self.segments >= 1, "segments", self.segments, "at least 1")
        need(self.factors >= 1, "factors", self.factors, "at least 1")
        slow = self.segment_half_life_days
        need(slow >= 0, "segment_half_life_days", slow, "0 or more")
        need(self.segment_prior > 0, "segment_prior", self.segment_prior, "above 0")
        need(0 <= self.seed < 2**32, "seed", self.seed, "from 0 to 4294967295")


class PopularInSegment(ReachingModel):
    """Score: users of the item lately in the user's segment, times the lift of its category.

    With categories all users are one segment, and the lift (`tastes`) says how much more of the
    category the user takes than the shop does: a mixture of what is popular in each of the user's
    categories. Without, segments are k-means clusters (Lloyd 1982, begun as k-means++) of the users'
    rows in the first dimensions of a truncated SVD, and nothing is lifted. A user nobody knows gets
    the shop's popular list. Memory: segments × items × 4 bytes, beside the users' categories.
    """

    name: ClassVar[str] = "popular_in_segment"
    Params: ClassVar[type] = PopularInSegmentParams

    def _fit(self, interactions: Interactions) -> None:
        params = self.params
        taken = taken_lately(interactions, params.window_days, params.burst)
        popular = takers(taken)
        self.columns = np.flatnonzero((popular > 0) & offerable(interactions)).astype(np.int32)
        self.tastes, groups = self._tastes(interactions, popular)
        self.groups = groups[self.columns]
        one = np.zeros(len(self.users), dtype=np.int32)
        self.segments = one if self.tastes.levels.size else self._clusters(interactions)
        self.lists = self._lists(taken, popular)
        self._find_first()

    def _tastes(self, interactions: Interactions, popular) -> tuple[Tastes, np.ndarray]:
        """The users' tastes in categories and each item's; without levels where they say little."""
        catalogue, groups = interactions.catalogue, np.full(len(self.items), -1, dtype=np.int32)
        names = np.zeros(0, dtype=object)
        if catalogue is not None and len(catalogue.category_names) > 1:
            known = popular[catalogue.categories >= 0].sum()
            if known and known >= ENOUGH_CATEGORISED * popular.sum():
                groups, names = catalogue.categories, catalogue.category_names
        matrix = interactions.matrix(self.params.half_life_days, log=True)
        return Tastes.of(matrix, groups, category_levels(names)[0]), groups

    def _clusters(self, interactions: Interactions) -> np.ndarray:
        """(n_users,) int32."""
        from nightshelf.candidates.svd import Svd, SvdParams

        params = self.params
        n = min(params.segments, len(self.users) // USERS_A_SEGMENT)
        svd = SvdParams(
            factors=params.factors, half_life_days=params.segment_half_life_days, seed=params.seed
        )
        rows = Svd(svd).fit(interactions).user_factors
        if n < 2 or not rows.shape[1]:
            return np.zeros(len(rows), dtype=np.int32)
        # What a user goes for, not how much: directions are compared.
        lengths = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        return _k_means(rows / np.where(lengths > 0, lengths, 1), n, params.seed)

    def _lists(self, taken: csr_matrix, popular: np.ndarray) -> np.ndarray:
        """(n_segments + 1, n_columns) float32 > 0; the last is the shop's."""
        n = int(self.segments.max()) + 1 if len(self.segments) else 1
        whole = popular[self.columns]
        own = np.zeros((n, len(self.columns)))
        if n > 1:
            members = csr_matrix(
                (np.ones(len(self.segments)), (self.segments, np.arange(len(self.segments)))),
                (n, len(self.segments)),
            )
            own = (members @ taken[:, self.columns]).toarray()
        prior = self.params.segment_prior * whole / max(whole.sum(), 1)
        mixed = (own + prior) / (own.sum(axis=1, keepdims=True) + self.params.segment_prior)
        return np.vstack([mixed, whole[None] / max(whole.sum(), 1)]).astype(np.float32)

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        rows = super()._rows(users)
        return np.where(rows < 0, len(self.users), rows)

    def _columns(self) -> np.ndarray:
        return self.columns

    def _find_first(self) -> None:
        """Each segment's first in each group (items, groups, lists), and what the next in a group has."""
        self._groups = np.where(self.groups < 0, self.tastes.n_groups, self.groups).astype(np.intp)
        is_first = np.zeros(len(self.columns), dtype=bool)
        for own in self.lists:
            order = np.lexsort((-own, self._groups))
            ordered = self._groups[order]
            place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
            is_first[order[place < FIRST]] = True
        self._first = self.columns[is_first], self._groups[is_first], self.lists[:, is_first]
        following = np.zeros((self.tastes.n_groups + 1, len(self.lists)), dtype=np.float32)
        np.maximum.at(following, self._groups[~is_first], self.lists.T[~is_first])
        self._next = following.T

    def _scored(self, rows: np.ndarray) -> Reached:
        """Within a segment and a group the order is everybody's: only the first of each are scored."""
        segments = np.append(self.segments, len(self.lists) - 1)[rows]
        lifts = self.tastes.lifts(rows, self.params.prior)

        def scores(at: np.ndarray, groups: np.ndarray, lists: np.ndarray) -> np.ndarray:
            found = gathered(lifts[at], groups)
            for segment, own in zip(segments[at], found, strict=True):
                own *= lists[segment]
            return found

        def of(at: np.ndarray, places: np.ndarray) -> np.ndarray:
            return lifts[at, self._groups[places]] * self.lists[segments[at], places]

        first, groups, lists = self._first
        found = scores(np.arange(len(rows)), groups, lists)
        rest = (lifts * self._next[segments]).max(axis=1, initial=0)
        return Reached(first, found, rest, of, lambda at: scores(at, self._groups, self.lists))

    def _arrays(self) -> dict[str, np.ndarray]:
        own = {"columns": self.columns, "groups": self.groups, "segments": self.segments}
        return {**own, "lists": self.lists, **self.tastes.arrays("tastes")}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.columns, self.groups = arrays["columns"], arrays["groups"]
        self.segments, self.lists = arrays["segments"], arrays["lists"]
        self.tastes = Tastes.from_arrays("tastes", arrays)
        self._find_first()


def _k_means(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(n_rows,) int32: clusters of a sample, evenly spaced, and for each row the nearest."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    sample = rows[:: -(-len(rows) // SAMPLE)]
    # One thread: a sum over threads rounds by their number, and decides when to stop.
    with threadpool_limits(1), warnings.catch_warnings():
        # Users who are all alike are fewer clusters, which is no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(n, n_init=5, random_state=seed).fit(sample)
        return model.predict(rows).astype(np.int32)
