"""Popularity: what most different people took lately. The same list for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import NO
from nightshelf.candidates.lately import taken_lately, takers
from nightshelf.candidates.one_list import OneList
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class PopularityParams:
    window_days: int = 28
    """Four whole weeks: every weekday counts as often as any other."""
    burst: float = 2.0
    """Users who begin with an item in one day count up to so many times its ordinary day, and what
    chance adds; 0 counts everybody in full. On both real shops nDCG@10 is the same with and without."""

    def __post_init__(self) -> None:
        need(1 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, DAYS)
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")


class Popularity(OneList):
    """Score: distinct users of the item in the last `window_days` before `as_of`; those whom a day
    out of the ordinary brought count for less (`lately`).

    If nothing happened in the window, all of history counts.
    """

    name: ClassVar[str] = "popularity"
    Params: ClassVar[type] = PopularityParams

    def _fit(self, interactions: Interactions) -> None:
        counts = takers(taken_lately(interactions, self.params.window_days, self.params.burst))
        self._keep(np.where(counts > 0, counts, NO).astype(np.float32))
