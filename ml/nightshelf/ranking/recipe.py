"""A recipe says how a shelf is ranked: by the ranker, or by one source alone. It is what MLflow
registers, what the gate compares, and what a night is scored with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nightshelf.candidates import fingerprint
from nightshelf.errors import ModelError
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.ranker import Ranker

RANKER = "ranker"


@dataclass(frozen=True, eq=False)
class Recipe:
    """`source` is "ranker" or the name of a candidate source; `ranker` goes with the first only."""

    view: Literal["all", "new"]
    source: str
    ranker: Ranker | None = None
    """What serves."""
    examined: Ranker | None = None
    """Its twin, which has not learnt from the window that it was examined on, and stands for it
    wherever it is examined: what serves has seen the answers. None where they are one."""

    @property
    def as_examined(self) -> Recipe:
        """The recipe with which the gate compares."""
        return Recipe(self.view, self.source, self.examined or self.ranker)

    def score(self, pool: Pool, matrix: np.ndarray | None) -> np.ndarray:
        """(n_rows,) float64 over the pool. A single source's list goes on, where it ends, with
        what popularity proposes: a user without history still gets a shelf.

        Raises ModelError when the recipe needs features or sources that the pool lacks.
        """
        if self.source == RANKER:
            return self.ranker.score(matrix).astype(np.float64)
        if self.source not in pool.ranks:
            raise ModelError(
                f"the recipe ranks by '{self.source}', which tonight's sources lack",
                "Restore that source in ml/config/models.toml, or promote another model.",
            )
        return _nearness(pool.ranks[self.source]) + _nearness(pool.ranks["popularity"]) / 1e3

    def sources(self, pool: Pool) -> np.ndarray:
        """(n_rows,) object: the source that put each row where it stands. The ranker weighs them
        all; then it is the one that ranked the row highest."""
        found = pool.first_source()
        if self.source == RANKER:
            return found
        for name in ("popularity", self.source):
            found[pool.ranks[name] > 0] = name
        return found

    def fits(self, features: list[str]) -> bool:
        """Can it be scored on tonight's features? A changed feature list retires old rankers."""
        return self.ranker is None or list(self.ranker.needs) == features

    def fingerprint(self) -> str:
        """sha256 hex of everything that decides the order of what serves."""
        content = fingerprint(self.ranker.arrays()) if self.ranker else ""
        return hashlib.sha256(f"{self.view}\0{self.source}\0{content}".encode()).hexdigest()


def _nearness(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0.0)
