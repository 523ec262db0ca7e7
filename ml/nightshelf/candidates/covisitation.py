"""Co-visitation: what people turn to on the same day and in the days after, by kind of event.

Who viewed a and bought b within the window says "a leads to b" for the views; carts and purchases have
such pairs of their own. A user's recent items vote through all of them. The counts behind the best
candidate lists of the OTTO challenge of 2022; kin to Linden et al. 2003, but with order and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack

from nightshelf.candidates.base import CandidateModel, enough_buyers
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.similarity import nearest
from nightshelf.candidates.sparse import columns_of, csr_arrays, csr_of, product, ranges, strongest
from nightshelf.candidates.visits import Steps, Visits
from nightshelf.dataset.interactions import Interactions

STAGES = ("looked", "wanted", "bought")
"""The steps towards a purchase."""

STAGE_OF = {
    "cart_add": "wanted",
    "wishlist_add": "wanted",
    "checkout": "wanted",
    "purchase": "bought",
    # Taken back, or shown without being asked for: no step of the user's.
    "cart_remove": None,
    "wishlist_remove": None,
    "refund": None,
    "impression": None,
}
"""Event type → stage; every other type is a look."""


@dataclass(frozen=True)
class CovisitationParams:
    neighbours: int = 30
    """Kept for each item and pair of stages."""
    window_days: int = 7
    """Days from the first event of a pair to the second, at most."""
    gap_half_life_days: float = 7.0
    """A pair so many days apart counts half of one on the same day."""
    half_life_days: float = 90.0
    """A pair so long ago counts half."""
    days: int = 365
    """Pairs are learnt from so many days before `as_of`."""
    profile_half_life_days: float = 30.0
    """The vote of an item of the user's counts half after so many days."""
    recent_items: int = 100
    """Items of a user that vote, a stage: those with the strongest votes. Bounds robots."""
    popularity_power: float = 0.4
    """Scores are divided by the candidate's frequency to this power: 0 counts pairs as they are, and
    the popular win; 1 gives lift, and the rare win; 0.5 is as the cosine."""
    visit_power: float = 0.5
    """A pair counts for 1 / (items of the first visit) to this power: in a trolley of a hundred items
    any two say little of each other. 0 counts all alike."""
    shrinkage: float = 10.0
    """Added to frequencies before dividing: holds down items with few events."""
    min_buyers: int = 5
    """Items that fewer users touched, in a stage, lead nowhere and are led to by nothing."""
    max_items_per_day: int = 500
    """A user's day with more is a robot's or a reseller's, and is left out of the pairs, whose number
    grows with its square."""
    looked_looked: float = 0.5
    """How much a look at a counts for b, from those who looked at both."""
    looked_wanted: float = 1.0
    """The same, from those who put b into the cart or on the wish list."""
    looked_bought: float = 2.0
    """The same, from those who bought b."""
    wanted_wanted: float = 1.0
    wanted_bought: float = 3.0
    bought_bought: float = 1.0
    """What follows purchases is mostly what goes with them; what is in the cart is still to be
    decided."""

    def __post_init__(self) -> None:
        need(self.neighbours >= 1, "neighbours", self.neighbours, "at least 1")
        rule = f"from 0 to {MOST_DAYS}"
        need(0 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, rule)
        need(1 <= self.days <= MOST_DAYS, "days", self.days, DAYS)
        for key in ("gap_half_life_days", "half_life_days", "profile_half_life_days"):
            need(getattr(self, key) > 0, key, getattr(self, key), "above 0")
        for key in ("recent_items", "min_buyers"):
            need(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        need(0 <= self.popularity_power <= 1, "popularity_power", self.popularity_power, "0 to 1")
        need(0 <= self.visit_power <= 1, "visit_power", self.visit_power, "0 to 1")
        need(self.shrinkage >= 0, "shrinkage", self.shrinkage, "0 or more")
        need(self.max_items_per_day >= 2, "max_items_per_day", self.max_items_per_day, "2 or more")
        for key in PAIRS:
            need(getattr(self, key) >= 0, key, getattr(self, key), "0 or more")


PAIRS = {
    "looked_looked": ("looked", "looked"),
    "looked_wanted": ("looked", "wanted"),
    "looked_bought": ("looked", "bought"),
    "wanted_wanted": ("wanted", "wanted"),
    "wanted_bought": ("wanted", "bought"),
    "bought_bought": ("bought", "bought"),
}
"""Setting → first stage, second stage. Those a shop has both stages of are learnt."""


class Covisitation(CandidateModel):
    """Score: for each candidate, the sum over the user's items of recency × strength of the pair.

    An item does not vote for itself: what the user has had comes back on the strength of others.
    """

    name: ClassVar[str] = "covisitation"
    Params: ClassVar[type] = CovisitationParams

    def _fit(self, interactions: Interactions) -> None:
        steps = stages(interactions)
        learn = {name: _Learnt.of(s, interactions, self.params) for name, s in steps.items()}
        profiles, votes = [], []
        for first in steps:
            following = _following(first, learn, self.params)
            if following is not None:
                profiles.append(_profile(steps[first], interactions, self.params))
                votes.append(following)
        n_users, n_items = interactions.shape
        self.profile = hstack([csr_matrix((n_users, 0)), *profiles], "csr", np.float32)
        self.votes = vstack([csr_matrix((0, n_items)), *votes], "csr", np.float32)
        self._count_columns()

    def _count_columns(self) -> None:
        """What nothing leads to is never a candidate."""
        self._candidates = columns_of(self.votes).astype(np.int32)
        self._narrow = self.votes[:, self._candidates]

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _score(self, rows: np.ndarray) -> np.ndarray | csr_matrix:
        return product(self.profile[rows], self._narrow)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {**csr_arrays("profile", self.profile), **csr_arrays("votes", self.votes)}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        n_votes = len(arrays["votes_indptr"]) - 1
        self.profile = csr_of("profile", arrays, (len(self.users), n_votes))
        self.votes = csr_of("votes", arrays, (n_votes, len(self.items)))
        self._count_columns()


def stages(interactions: Interactions) -> dict[str, Steps]:
    """The shop's events by stage, in the order of STAGES; a stage without events is left out."""
    parts: dict[str, list[Interactions]] = {}
    for kind, part in sorted(interactions.typed.items()):
        stage = STAGE_OF.get(kind, "looked")
        if stage is not None and len(part):
            parts.setdefault(stage, []).append(part)
    return {stage: Steps.of(parts[stage]) for stage in STAGES if stage in parts}


def _profile(steps: Steps, interactions: Interactions, params: CovisitationParams) -> csr_matrix:
    """Users × items: log(1 + the decayed number of days), the strongest `recent_items` a user."""
    ages = interactions.as_of - steps.days
    decayed = np.exp2(-ages / params.profile_half_life_days)
    # Adding in the rows' order, which the data fix.
    found = csr_matrix((decayed, (steps.users, steps.items)), interactions.shape)
    found.data = np.log1p(found.data).astype(np.float32)
    return strongest(found, params.recent_items)


class _Learnt(NamedTuple):
    """The steps of one stage that pairs are learnt from, as visits."""

    visits: Visits
    items: csr_matrix
    """Visits × items of ones."""
    by_item: csr_matrix
    """Its transpose."""
    fresh: np.ndarray
    """(n_visits,) what a pair that ends with the visit weighs by its age."""
    frequency: np.ndarray
    """(n_items,) steps, each as fresh as its visit."""

    @classmethod
    def of(cls, steps: Steps, interactions: Interactions, params: CovisitationParams) -> _Learnt:
        """Of late steps, without robots' days and items with too few users."""
        steps = steps.where(steps.days >= interactions.as_of - params.days)
        visits = Visits.of(steps)
        kept = (visits.sizes <= params.max_items_per_day)[visits.of_step]
        n_users, n_items = interactions.shape
        enough = enough_buyers(params.min_buyers, n_users)
        kept &= (steps.where(kept).buyers(n_items) >= enough)[steps.items]
        steps, visits = steps.where(kept), visits.where(kept)
        fresh = np.exp2(-(interactions.as_of - visits.days()) / params.half_life_days)
        places = (visits.of_step, steps.items)
        items = csr_matrix((np.ones(len(steps.items)), places), (len(visits.keys), n_items))
        frequency = np.bincount(steps.items, fresh[visits.of_step], n_items)
        return cls(visits, items, items.T.tocsr(), fresh, frequency)


def _following(
    first: str, learnt: Mapping[str, _Learnt], params: CovisitationParams
) -> csr_matrix | None:
    """Items × items: how strongly each leads to others, over all pairs that begin with `first`."""
    found = None
    for key, (one, second) in PAIRS.items():
        weight = getattr(params, key)
        if one == first and second in learnt and weight:
            pairs = weight * _led_to(learnt[first], learnt[second], params)
            found = pairs if found is None else found + pairs
    return found


def _led_to(before: _Learnt, after: _Learnt, params: CovisitationParams) -> csr_matrix:
    """Items × items: decayed pairs (a on day d, b on day d to d + window) over the frequencies.

    Three sparse products: items × visits × later visits × items. The last keeps the best of a row as it
    goes, so that the pairs are never there all at once. About 1 core-second a million steps.
    """
    leads = before.by_item @ _later(before, after, params)
    power = params.popularity_power
    times = np.maximum(before.frequency + params.shrinkage, 1e-9)
    leads.data *= np.repeat(np.power(times, power - 1), np.diff(leads.indptr))
    seen = np.maximum(after.frequency + params.shrinkage, 1e-9)
    lists = after.items.astype(np.float32)
    lists.data = np.power(seen, -power)[lists.indices].astype(np.float32)
    return nearest(leads.astype(np.float32), lists, params.neighbours)


def _later(before: _Learnt, after: _Learnt, params: CovisitationParams) -> csr_matrix:
    """Visits × later visits of the same user within the window: what a pair of their items weighs."""
    keys = before.visits.keys
    first = np.searchsorted(after.visits.keys, keys)
    end = np.searchsorted(after.visits.keys, keys + params.window_days, side="right")
    to = ranges(first, end - first)
    gaps = after.visits.keys[to] - np.repeat(keys, end - first)
    share = np.power(before.visits.sizes.astype(np.float64), -params.visit_power)
    weights = np.exp2(-gaps / params.gap_half_life_days) * np.repeat(share, end - first)
    indptr = np.append(0, np.cumsum(end - first))
    return csr_matrix((weights * after.fresh[to], to, indptr), (len(keys), len(after.fresh)))
