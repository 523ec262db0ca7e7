"""New arrivals: what the shop has had for a few weeks, by how fast people take to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.lately import first_days
from nightshelf.candidates.one_list import offerable
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.tastes import Tastes, category_levels, one_level
from nightshelf.dataset.catalogue import UNKNOWN_DAY
from nightshelf.dataset.interactions import Interactions

NEVER = 2**31 - 1
"""The day on which an item is listed that no catalogue dates."""


@dataclass(frozen=True)
class NewArrivalsParams:
    window_days: int = 28
    """An item is new for so many days."""
    settle_days: int = 28
    """First sales count as arrivals only when the log has run for so long: what sells once a month
    would look new otherwise."""
    shrink_days: float = 7.0
    """Each item's rate is mixed with so many days at the average of all arrivals."""
    half_life_days: float = 60.0
    """Of what the user took of the item's category and brand."""
    prior: float = 30.0
    """So many takings of the shop's average are mixed into what each user took of a category."""

    def __post_init__(self) -> None:
        need(1 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, DAYS)
        need(1 <= self.settle_days <= MOST_DAYS, "settle_days", self.settle_days, DAYS)
        need(self.shrink_days > 0, "shrink_days", self.shrink_days, "above 0")
        need(self.half_life_days > 0, "half_life_days", self.half_life_days, "above 0")
        need(self.prior > 0, "prior", self.prior, "above 0")


class NewArrivals(CandidateModel):
    """Score: distinct users a day since the item arrived, shrunk to the average arrival, times the
    user's lifts of its category and brand (`tastes`; 1 for a user nobody knows).

    Items that nobody has taken yet are offered too. No arrivals, no list.
    """

    name: ClassVar[str] = "new_arrivals"
    Params: ClassVar[type] = NewArrivalsParams

    def _fit(self, interactions: Interactions) -> None:
        arrived = arrival_days(interactions, self.params.settle_days)
        since = interactions.as_of - self.params.window_days
        new = (arrived >= since) & (arrived < interactions.as_of) & offerable(interactions)
        self.columns = np.flatnonzero(new).astype(np.int32)
        ages = interactions.as_of - arrived[self.columns]
        self.rates = self._rates(interactions.bought()[:, self.columns], ages)
        self.tastes, groups = zip(*self._tastes(interactions), strict=True)
        self.groups = np.stack(groups)[:, self.columns]

    def _rates(self, taken, ages: np.ndarray) -> np.ndarray:
        """(n_columns,) float32 > 0: users a day."""
        users = np.bincount(taken.indices, minlength=len(ages)).astype(np.float64)
        # One more user than there were: where nobody took any arrival, all are alike, and not 0.
        average = (users.sum() + 1) / max(ages.sum(), 1)
        days = self.params.shrink_days
        return ((users + days * average) / (ages + days)).astype(np.float32)

    def _tastes(self, interactions: Interactions) -> list[tuple[Tastes, np.ndarray]]:
        """Tastes in categories, then in brands, and each item's."""
        catalogue, none = interactions.catalogue, np.full(len(self.items), -1, dtype=np.int32)
        matrix = interactions.matrix(self.params.half_life_days, log=True)
        categories, brands = (none, []), (none, [])
        if catalogue is not None:
            categories = catalogue.categories, catalogue.category_names
            brands = catalogue.brands, catalogue.brand_names
        trees = category_levels(categories[1])[0], one_level(brands[1])
        codes = categories[0], brands[0]
        return [(Tastes.of(matrix, c, tree), c) for c, tree in zip(codes, trees, strict=True)]

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        rows = super()._rows(users)
        return np.where(rows < 0, len(self.users), rows)

    def _columns(self) -> np.ndarray:
        return self.columns

    def _score(self, rows: np.ndarray) -> np.ndarray:
        scores = np.tile(self.rates, (len(rows), 1))
        if not scores.size:
            return scores
        for tastes, groups in zip(self.tastes, self.groups, strict=True):
            scores *= tastes.lifts(rows, self.params.prior)[:, groups]
        return scores

    def _arrays(self) -> dict[str, np.ndarray]:
        categories, brands = self.tastes
        own = {"columns": self.columns, "rates": self.rates, "groups": self.groups}
        return {**own, **categories.arrays("categories"), **brands.arrays("brands")}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.columns, self.rates = arrays["columns"], arrays["rates"]
        self.groups = arrays["groups"]
        self.tastes = [Tastes.from_arrays(name, arrays) for name in ("categories", "brands")]


def arrival_days(interactions: Interactions, settle_days: int) -> np.ndarray:
    """(n_items,) int64: the day each item was first listed or sold; UNKNOWN_DAY where it may have
    been there always, `as_of` or later where it has not come yet.

    A listing says so by itself, unless it is of the catalogue's first day: then the shop opened its
    books, not a box. A first sale (also one that a listing is dated by) says so once the log had
    run for `settle_days`.
    """
    listed, sold = _listed_days(interactions), first_days(interactions).astype(np.int64)
    by_listing = listed < sold
    opening = listed[by_listing].min(initial=NEVER)
    log_begins = interactions.days.min(initial=interactions.as_of)
    is_new = np.where(by_listing, listed > opening, sold >= log_begins + settle_days)
    return np.where(is_new, np.minimum(listed, sold), UNKNOWN_DAY)


def _listed_days(interactions: Interactions) -> np.ndarray:
    """(n_items,) int64: NEVER where nobody says."""
    if interactions.catalogue is None:
        return np.full(len(interactions.items), NEVER, dtype=np.int64)
    listed = interactions.catalogue.listed_on.astype(np.int64)
    return np.where(listed == UNKNOWN_DAY, NEVER, listed)
