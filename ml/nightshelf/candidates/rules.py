"""Association rules: who has a in the basket has b in it too, more often than chance by a margin.

Support, confidence and lift as in Agrawal and Srikant 1994, for pairs. A rule is believed as far as its
count allows: confidence is the lower end of Wilson's interval (1927), so that 2 of 2 baskets are no
certainty, and lift is that over the share of baskets with b. Ranked by confidence × log lift, the part
of the J-measure (Smyth and Goodman 1992) that speaks for b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.companions import baskets_of, counted_pairs, wilson_lower
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.sparse import columns_of, csr_arrays, csr_of, product, strongest
from nightshelf.candidates.variants import Variants
from nightshelf.candidates.visits import Steps, Visits, without_large
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class RulesParams:
    min_baskets: int = 3
    """Baskets that hold both. The lower bound does the rest."""
    certainty: float = 0.95
    """With so much certainty, one-sided, a rule's true confidence is not below what it counts for. 0.5
    takes what was counted at its word."""
    consequents: int = 100
    """Rules kept for each product."""
    days: int = 182
    """Baskets of so many days before `as_of` count: what goes together follows the season."""
    profile_half_life_days: float = 60.0
    """An item of the user's speaks half after so many days."""
    max_items_per_basket: int = 500
    """A larger one is a robot's or a reseller's, and is left out: pairs grow with its square."""

    def __post_init__(self) -> None:
        need(1 <= self.days <= MOST_DAYS, "days", self.days, DAYS)
        for key in ("min_baskets", "consequents"):
            need(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        need(0.5 <= self.certainty < 1, "certainty", self.certainty, "from 0.5 to below 1")
        key = "profile_half_life_days"
        need(getattr(self, key) > 0, key, getattr(self, key), "above 0")
        key = "max_items_per_basket"
        need(getattr(self, key) >= 2, key, getattr(self, key), "2 or more")


@dataclass(frozen=True, eq=False)
class RuleTable:
    """One row per rule, sorted by (antecedent, consequent); only what is above chance."""

    antecedents: np.ndarray
    consequents: np.ndarray
    baskets: np.ndarray
    """int64: those with both; over all baskets, the support."""
    confidence: np.ndarray
    """float64: the lower bound of the share of the antecedent's baskets with the consequent."""
    lift: np.ndarray
    """float64 > 1: confidence over the share of all baskets with the consequent."""

    def __len__(self) -> int:
        return len(self.antecedents)


def association_rules(holds: csr_matrix, min_baskets: int, certainty: float) -> RuleTable:
    """The rules between the columns of `holds` (baskets × products of ones). About 1 s for 150 thousand
    baskets of 9 products."""
    frequency = np.bincount(holds.indices, minlength=holds.shape[1])
    n_baskets = max(int(np.count_nonzero(np.diff(holds.indptr))), 1)
    z = NormalDist().inv_cdf(certainty)
    parts = [(np.zeros(0, np.int64),) * 3 + (np.zeros(0),) * 2]
    for rows, columns, together in counted_pairs(holds, min_baskets, min_baskets):
        confidence = wilson_lower(together, frequency[rows], z)
        lift = confidence * n_baskets / frequency[columns]
        order = np.lexsort((columns, rows))
        order = order[lift[order] > 1]
        parts.append(tuple(c[order] for c in (rows, columns, together, confidence, lift)))
    return RuleTable(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Rules(CandidateModel):
    """Score: over the user's items, the sum of recency × confidence × log lift of their rules.

    The variants of a product are one antecedent and one consequent; its most bought variant that can
    be bought is offered. Baskets are a user's days with the target event, or with any where the
    target never happened; every event of the user speaks.
    """

    name: ClassVar[str] = "rules"
    Params: ClassVar[type] = RulesParams

    def _fit(self, interactions: Interactions) -> None:
        params = self.params
        lines, baskets = _lines(interactions, params)
        variants = _variants(interactions, np.bincount(lines.items, minlength=len(self.items)))
        holds = baskets_of(baskets.of_step, variants.products[lines.items], len(variants))
        table = association_rules(holds, params.min_baskets, params.certainty)
        self.rules = strongest(strengths(table, variants.shown), params.consequents)
        self.shown = variants.shown
        self.profile = _profile(interactions, variants, params)
        self._count_columns()

    def _count_columns(self) -> None:
        """The shown items of the products that a rule leads to, by item code."""
        led_to = columns_of(self.rules)
        led_to = led_to[np.argsort(self.shown[led_to])]
        self._candidates = self.shown[led_to].astype(np.int32)
        self._narrow = self.rules[:, led_to]

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _score(self, rows: np.ndarray) -> np.ndarray | csr_matrix:
        return product(self.profile[rows], self._narrow)

    def _arrays(self) -> dict[str, np.ndarray]:
        matrices = {**csr_arrays("rules", self.rules), **csr_arrays("profile", self.profile)}
        return {"shown": self.shown, **matrices}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.shown = arrays["shown"]
        n = len(self.shown)
        self.rules = csr_of("rules", arrays, (n, n))
        self.profile = csr_of("profile", arrays, (len(self.users), n))
        self._count_columns()


def _lines(interactions: Interactions, params: RulesParams) -> tuple[Steps, Visits]:
    """The basket lines that rules are learnt from, and the baskets."""
    target = interactions.typed.get(interactions.target)
    lines = Steps.of([target if target is not None and len(target) else interactions])
    lines = lines.where(lines.days >= interactions.as_of - params.days)
    return without_large(lines, Visits.of(lines), params.max_items_per_basket)


def _variants(interactions: Interactions, counts: np.ndarray) -> Variants:
    catalogue = interactions.catalogue
    if catalogue is None:
        return Variants.none(len(counts))
    return Variants.of(catalogue.parents, catalogue.offerable, counts)


def strengths(table: RuleTable, shown: np.ndarray) -> csr_matrix:
    """Products × products: confidence × log lift of each rule to a product that can be shown."""
    offered = shown[table.consequents] >= 0
    strength = (table.confidence * np.log(table.lift))[offered].astype(np.float32)
    places = (table.antecedents[offered], table.consequents[offered])
    return csr_matrix((strength, places), (len(shown), len(shown)))


def _profile(interactions: Interactions, variants: Variants, params: RulesParams) -> csr_matrix:
    """Users × products: log(1 + the decayed weight of the product's items)."""
    own = interactions.matrix(params.profile_half_life_days).tocoo()
    places = (own.row, variants.products[own.col])
    found = csr_matrix((own.data.astype(np.float64), places), (own.shape[0], len(variants)))
    found.data = np.log1p(found.data).astype(np.float32)
    return found
