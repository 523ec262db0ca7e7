"""A user's candidates as the score stage saw them: what was proposed, how it was ranked, and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nightshelf.learning import trained
from nightshelf.learning.scoring import read_recipes
from nightshelf.night import Night
from nightshelf.paths import Attempt
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.ranking import features
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.warehouse import connect


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to a row's log odds."""

    feature: str
    value: float
    log_odds: float


@dataclass(frozen=True)
class Proposal:
    """What one source made of the item; rank 0 where it did not propose it."""

    source: str
    rank: int
    score: float


@dataclass(frozen=True, eq=False)
class Ranked:
    """One user's pool for one placement, and the recipe that ranked it."""

    pool: Pool
    recipe: Recipe
    matrix: np.ndarray | None
    item: str

    @cached_property
    def row(self) -> int | None:
        """The item's row in the pool; None where no source proposed it."""
        found = np.flatnonzero(self.pool.items[self.pool.item_codes] == self.item)
        return int(found[0]) if len(found) else None

    @cached_property
    def scores(self) -> np.ndarray:
        """(n_rows,) as the score stage computed them."""
        return self.recipe.score(self.pool, self.matrix)

    @property
    def score(self) -> float:
        return float(self.scores[self.row])

    @property
    def order(self) -> list[str]:
        """The items that the recipe ranks, best first; equal scores by id, as the shelves do."""
        ids = self.pool.items[self.pool.item_codes]
        pairs = sorted((-s, i) for s, i in zip(self.scores.tolist(), ids, strict=True) if s > 0)
        return [item for _, item in pairs]

    def proposals(self) -> list[Proposal]:
        """Sources that proposed the item, the highest rank first, then those that only score it."""
        found = [
            Proposal(name, int(ranks[self.row]), float(self.pool.scores[name][self.row]))
            for name, ranks in self.pool.ranks.items()
        ]
        told = [p for p in found if p.rank or p.score]
        return sorted(told, key=lambda p: (p.rank == 0, p.rank, p.source))

    def contributions(self) -> list[Contribution]:
        """The largest first, and last, as "every row", what all rows have. Empty where a single source
        ranks the list."""
        if self.recipe.ranker is None or self.matrix is None:
            return []
        row = self.matrix[self.row : self.row + 1]
        ranker = self.recipe.ranker
        *terms, base = ranker.contributions(row)[0].tolist()
        values = ranker.all_at_the_top(row)[0].tolist()
        named = zip(ranker.features, values, terms, strict=True)
        found = sorted((Contribution(*n) for n in named), key=lambda c: -abs(c.log_odds))
        return [*found, Contribution("every row", float("nan"), base)]


def ranked(attempt: Attempt, night: Night, placement: str, user: str, item: str) -> Ranked:
    """Reads what training and scoring left, by its sha256. A second for a pool of 1 GB."""
    pool = trained.pool(attempt, "serve", PLACEMENT_VIEWS[placement], user)
    recipe = read_recipes(attempt)[placement]
    matrix = None
    if recipe.source == RANKER:
        with connect(attempt.database) as db:
            matrix = features.attach(db, pool, night.as_of("serve"))
    return Ranked(pool, recipe, matrix, item)
