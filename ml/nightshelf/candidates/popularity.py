"""Popularity: what most different people took lately. The same list for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import NO, CandidateModel
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class PopularityParams:
    window_days: int = 28
    """Four whole weeks: every weekday counts as often as any other."""

    def __post_init__(self) -> None:
        need(self.window_days >= 1, "window_days", self.window_days, "at least 1")


class Popularity(CandidateModel):
    """Score: distinct users of the item in the last `window_days` before `as_of`.

    If nothing happened in the window, all of history counts.
    """

    name: ClassVar[str] = "popularity"
    Params: ClassVar[type] = PopularityParams

    def _fit(self, interactions: Interactions) -> None:
        recent = interactions.days >= interactions.as_of - self.params.window_days
        if not recent.any():
            recent[:] = True
        n_items = len(self.items)
        pairs = interactions.user_codes[recent].astype(np.int64) * n_items
        codes = np.unique(pairs + interactions.item_codes[recent]) % max(n_items, 1)
        self.buyers = np.bincount(codes, minlength=n_items).astype(np.float32)

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        return np.zeros(len(users), dtype=np.int32)

    def _score(self, rows: np.ndarray) -> np.ndarray:
        offered = np.where(self.buyers > 0, self.buyers, NO)
        return np.tile(offered, (len(rows), 1))

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"buyers": self.buyers}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.buyers = arrays["buyers"]
