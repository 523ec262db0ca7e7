"""Popularity: what most different people took lately. The same list for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import CandidateModel
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
        # Rows are sorted by user and item: a pair is new where either changes.
        users, items = interactions.user_codes[recent], interactions.item_codes[recent]
        first = np.ones(len(users), dtype=bool)
        first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
        self.buyers = np.bincount(items[first], minlength=len(self.items)).astype(np.float32)

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        return np.zeros(len(users), dtype=np.int32)

    def _columns(self) -> np.ndarray:
        return np.flatnonzero(self.buyers > 0).astype(np.int32)

    def _score(self, rows: np.ndarray) -> np.ndarray:
        return np.tile(self.buyers[self.buyers > 0], (len(rows), 1))

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"buyers": self.buyers}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.buyers = arrays["buyers"]
