"""Markov transitions between a user's visits: what comes next, given the last few baskets.

P(next item | an item of the last visits), backed off from the item to its category to what is popular
lately, as a language model backs off from long contexts to short ones (Jelinek and Mercer 1980; Chen
and Goodman 1999), and averaged over the items of the last visits, as in the factorised chains of
Rendle et al. 2010 without the factorisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, issparse, vstack

from nightshelf.candidates.lately import counting
from nightshelf.candidates.params import need
from nightshelf.candidates.reached import FIRST, Reached, ReachingModel
from nightshelf.candidates.similarity import nearest
from nightshelf.candidates.sparse import (
    columns_of,
    csr_arrays,
    csr_of,
    dense_product,
    entries_at,
    product,
    strongest,
    values_at,
)
from nightshelf.candidates.visits import SPAN, Steps, Visits, without_large
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class MarkovParams:
    lags: int = 2
    """Transitions are counted from each of so many visits before one."""
    last_visits: int = 10
    """A user's list is made from so many last visits."""
    decay: float = 0.8
    """Each visit further back counts so much of the one after it, in both."""
    confidence: float = 2.0
    """Next visits that the back-off counts for: an item with so many is believed half, its category
    (or what is popular) the other half."""
    visit_power: float = 0.5
    """An item that follows counts 1 / (items of its visit) to this power: 1 gives every visit the
    same say, 0 every item."""
    successors: int = 100
    """Kept for each item, and for each category."""
    half_life_days: float = 30.0
    """A transition so long ago counts half."""
    popular_half_life_days: float = 14.0
    """What is popular fades faster still."""
    burst: float = 2.0
    """Times an item's ordinary day beyond which those who begin with it count for less, as in
    `lately`; 0 counts everybody in full."""
    max_items_per_visit: int = 500
    """A user's day with more is a robot's or a reseller's: nothing is learnt from it. Of a user's own
    items no more than this count."""

    def __post_init__(self) -> None:
        for key in ("lags", "last_visits", "successors", "max_items_per_visit"):
            need(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        need(0 < self.decay <= 1, "decay", self.decay, "above 0, at most 1")
        need(0 <= self.visit_power <= 1, "visit_power", self.visit_power, "0 to 1")
        for key in ("confidence", "half_life_days", "popular_half_life_days"):
            need(getattr(self, key) > 0, key, getattr(self, key), "above 0")
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")


class Markov(ReachingModel):
    """Score: P(item in the next visit), as a share of its items; over all items at most 1.

    Whoever has any event has a list: without transitions it is what is popular. Where the shop has
    purchases, every event leads and purchases follow.
    """

    name: ClassVar[str] = "markov"
    Params: ClassVar[type] = MarkovParams

    def _fit(self, interactions: Interactions) -> None:
        params = self.params
        before = Steps.of([interactions])
        visits = Visits.of(before)
        target = interactions.typed.get(interactions.target)
        if target is None or not len(target):
            target = interactions
        after, counts = Steps.of([target]), counting(target, params.burst)
        chain = Chain.of(before, visits, after, counts, interactions, params)
        groups = _categories(interactions)
        self.by_item, trust = chain.transitions(chain.holds)
        self.by_category, group_trust = chain.transitions(groups @ chain.holds)
        self.popular = _popular(after, counts, interactions, params)

        last = _last_visits(before, visits, interactions.shape, params)
        self.of_items = _float32(last @ diags(trust))
        self.of_categories = _float32(last @ diags(1 - trust) @ groups.T @ diags(group_trust))
        told = self.of_items.sum(axis=1) + self.of_categories.sum(axis=1)
        self.of_popular = np.maximum(1 - np.asarray(told).ravel(), 0).astype(np.float32)
        self._count_columns()

    def _count_columns(self) -> None:
        """What never follows and is not popular is never a candidate."""
        found = (self.by_item, self.by_category, csr_matrix(self.popular))
        self._candidates = columns_of(*found).astype(np.int32)
        popular = self.popular[self._candidates]
        first = np.argsort(-popular, kind="stable")[:FIRST]
        self._beyond = popular.copy()
        self._beyond[first] = 0
        # What is most popular is led to by what every user has; the rest of it is added where one is led.
        leads = [self.of_items, self.of_categories, csr_matrix(self.of_popular[:, None])]
        led_to = vstack([self.by_item, self.by_category], "csr")[:, self._candidates]
        self._leads = hstack(leads, "csr")
        self._led_to = vstack([led_to, csr_matrix(popular - self._beyond)], "csr")

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _scored(self, rows: np.ndarray) -> Reached:
        shares = self.of_popular[rows]
        scores = product(self._leads[rows], self._led_to)
        _add_popular(scores, shares, self._beyond)
        left_out = self._beyond.max(initial=0) if issparse(scores) else np.float32(0)

        def of(at: np.ndarray, places: np.ndarray) -> np.ndarray:
            found = values_at(scores, at, places)
            return np.where(found > 0, found, shares[at] * self._beyond[places])

        def whole(at: np.ndarray) -> np.ndarray:
            found = dense_product(self._leads[rows[at]], self._led_to)
            _add_popular(found, shares[at], self._beyond)
            return found

        return Reached(self._candidates, scores, shares * left_out, of, whole)

    def group_chances(self, groups: csr_matrix) -> tuple[csr_matrix, csr_matrix, np.ndarray]:
        """What is needed to say of which group an item of the next visit is: items × groups, categories
        × groups and (n_groups,) of what is popular, each the share that falls to a group.

        `groups`: items × groups of ones. `chances_of_groups` puts them together for some users.
        """
        popular = np.asarray(self.popular @ groups).ravel()
        return (self.by_item @ groups).tocsr(), (self.by_category @ groups).tocsr(), popular

    def chances_of_groups(
        self, rows: np.ndarray, parts: tuple[csr_matrix, csr_matrix, np.ndarray]
    ) -> np.ndarray:
        """(len(rows), n_groups) float32: P(group | the user's last visits), for positions in `users`. A
        row sums to 1, or to 0 where nothing of any group is expected."""
        by_item, by_category, popular = parts
        chances = (self.of_items[rows] @ by_item).toarray()
        chances += (self.of_categories[rows] @ by_category).toarray()
        chances += self.of_popular[rows, None] * popular
        totals = chances.sum(axis=1, keepdims=True)
        return np.divide(chances, totals, out=np.zeros_like(chances), where=totals > 0)

    def _arrays(self) -> dict[str, np.ndarray]:
        matrices = {name: getattr(self, name) for name in _MATRICES}
        arrays = {"popular": self.popular, "of_popular": self.of_popular}
        return arrays | {
            key: array for name, m in matrices.items() for key, array in csr_arrays(name, m).items()
        }

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_users, n_items = len(self.users), len(self.items)
        n_groups = len(arrays["by_category_indptr"]) - 1
        self.of_items = csr_of("of_items", arrays, (n_users, n_items))
        self.of_categories = csr_of("of_categories", arrays, (n_users, n_groups))
        self.by_item = csr_of("by_item", arrays, (n_items, n_items))
        self.by_category = csr_of("by_category", arrays, (n_groups, n_items))
        self.popular, self.of_popular = arrays["popular"], arrays["of_popular"]
        self._count_columns()


def _add_popular(reached: np.ndarray | csr_matrix, share: np.ndarray, popular: np.ndarray) -> None:
    """Adds `share` (n,) times `popular` (n_columns,) to the scores that are there, in their place."""
    if issparse(reached):
        owners = np.repeat(np.arange(len(share)), np.diff(reached.indptr))
        reached.data += share[owners] * popular[reached.indices]
        return
    # A row at a time: what is added to it stays in a core's cache.
    for row, own in zip(reached, share, strict=True):
        row += own * popular


_MATRICES = ("by_item", "by_category", "of_items", "of_categories")


@dataclass(frozen=True, eq=False)
class Chain:
    """Visits before, visits after, and the links between them."""

    holds: csr_matrix
    """Items × visits before: ones."""
    links: csr_matrix
    """Visits before × visits after: the weight of the transition."""
    lists: csr_matrix
    """Visits after × items: what each item of the visit counts."""
    params: MarkovParams

    @classmethod
    def of(
        cls,
        before: Steps,
        visits: Visits,
        after: Steps,
        users_count: csr_matrix,
        interactions: Interactions,
        params: MarkovParams,
    ) -> Chain:
        n_items = interactions.shape[1]
        largest = params.max_items_per_visit
        before, own = without_large(before, visits, largest)
        ones = np.ones(len(own.of_step))
        holds = csr_matrix((ones, (before.items, own.of_step)), (n_items, len(own.keys)))
        after, then = without_large(after, Visits.of(after), largest)
        counts = np.power(then.sizes[then.of_step].astype(np.float64), -params.visit_power)
        counts *= _at(users_count, after)
        lists = csr_matrix((counts, (then.of_step, after.items)), (len(then.keys), n_items))
        return cls(holds, _links(own.keys, then.keys, interactions.as_of, params), lists, params)

    def transitions(self, holds: csr_matrix) -> tuple[csr_matrix, np.ndarray]:
        """(n_groups × n_items float32, the likeliest successors; (n_groups,) trust in them).

        `holds`: groups × visits before, how many items of the group each has. A row of all successors sums
        to 1. Trust is n / (n + confidence) for n next visits, weighted as the transitions are.
        """
        leads = (holds @ self.links).tocsr()
        n = _sums(leads)
        leads = _over(leads, leads @ _sums(self.lists))
        found = nearest(_float32(leads), _float32(self.lists), self.params.successors, itself=True)
        return _float32(found), n / (n + self.params.confidence)


def _at(users_count: csr_matrix, steps: Steps) -> np.ndarray:
    """(n_steps,) float32: what the user of each step counts for its item."""
    return users_count.data[entries_at(users_count, steps.users, steps.items)]


def _links(own: np.ndarray, after: np.ndarray, as_of: int, params: MarkovParams) -> csr_matrix:
    """Each visit after is linked to the `lags` visits of its user before it."""
    at = np.searchsorted(own, after)
    fresh = np.exp2(-(as_of - after % SPAN) / params.half_life_days)
    parts = []
    for lag in range(1, params.lags + 1):
        there = at >= lag
        there[there] = own[at[there] - lag] // SPAN == after[there] // SPAN
        to = np.flatnonzero(there)
        parts.append((at[to] - lag, to, params.decay ** (lag - 1) * fresh[to]))
    rows, columns, weights = (np.concatenate(c) for c in zip(*parts, strict=True))
    return csr_matrix((weights, (rows, columns)), (len(own), len(after)))


def _last_visits(
    before: Steps, visits: Visits, shape: tuple[int, int], params: MarkovParams
) -> csr_matrix:
    """Users × items, rows that sum to 1: the items of the last visits, each less than the next."""
    owners = visits.keys // SPAN
    back = np.searchsorted(owners, owners, side="right") - 1 - np.arange(len(owners))
    recent = back < params.last_visits
    weights = np.where(recent, params.decay ** np.where(recent, back, 0), 0.0)
    found = csr_matrix((weights[visits.of_step], (before.users, before.items)), shape)
    found.eliminate_zeros()
    found = strongest(found, params.max_items_per_visit)
    return _over(found, _sums(found))


def _popular(
    after: Steps, counts: csr_matrix, interactions: Interactions, params: MarkovParams
) -> np.ndarray:
    """(n_items,) float32 that sum to 1: each item's share of its users, who count the less the longer
    ago they took it, and at most `counts`."""
    ages = interactions.as_of - after.days
    recent = np.exp2(-ages / params.popular_half_life_days)
    pairs = csr_matrix((recent, (after.users, after.items)), interactions.shape)
    pairs.sort_indices()
    shares = np.minimum(pairs.data, 1.0) * counts.data
    taken = np.bincount(pairs.indices, shares, interactions.shape[1])
    return (taken / max(taken.sum(), np.finfo(np.float64).tiny)).astype(np.float32)


def _categories(interactions: Interactions) -> csr_matrix:
    """Categories × items of ones; an item whose category nobody knows is in none."""
    catalogue, n_items = interactions.catalogue, interactions.shape[1]
    if catalogue is None:
        return csr_matrix((0, n_items))
    known = np.flatnonzero(catalogue.categories >= 0)
    places = (catalogue.categories[known], known)
    return csr_matrix((np.ones(len(known)), places), (len(catalogue.category_names), n_items))


def _sums(matrix: csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1)).ravel()


def _over(matrix: csr_matrix, totals: np.ndarray) -> csr_matrix:
    """Each row over its total, in its place; rows of nothing stay so."""
    shares = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
    matrix.data *= np.repeat(shares, np.diff(matrix.indptr))
    return matrix


def _float32(matrix: csr_matrix) -> csr_matrix:
    matrix = matrix.tocsr().astype(np.float32)
    matrix.sort_indices()
    return matrix
