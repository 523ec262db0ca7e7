"""Own history: what the user takes again and again, the older the less.

The baseline that is hard to beat where people buy the same things: no model of it, only a count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import CandidateModel, Recommendations, cut
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class OwnHistoryParams:
    half_life_days: float = 60.0
    """After so many days an event counts half."""

    def __post_init__(self) -> None:
        need(self.half_life_days > 0, "half_life_days", self.half_life_days, "above 0")


class OwnHistory(CandidateModel):
    """Score: the decayed sum of weights. Equal scores: the more recent first, then by item code."""

    name: ClassVar[str] = "own_history"
    Params: ClassVar[type] = OwnHistoryParams

    def _fit(self, interactions: Interactions) -> None:
        counts = interactions.matrix(self.params.half_life_days)
        owners = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        # Far in the past a decayed weight underflows to 0; what scores nothing is not offered.
        last_days = interactions.last_days()
        order = np.lexsort((counts.indices, -last_days, -counts.data, owners))
        order = order[counts.data[order] > 0]
        self.indptr = np.zeros(len(self.users) + 1, dtype=np.int64)
        np.cumsum(np.bincount(owners[order], minlength=len(self.users)), out=self.indptr[1:])
        self.codes, self.scores = counts.indices[order].astype(np.int32), counts.data[order]

    def _best(self, rows, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return [self._listed(rows, exclude, k, asked) for exclude in excludes]

    def _listed(self, rows, exclude, k: int, asked: np.ndarray) -> Recommendations:
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        at = np.repeat(np.arange(len(rows)), lengths)
        entries = np.arange(len(at)) + np.repeat(
            self.indptr[rows] - (np.cumsum(lengths) - lengths), lengths
        )
        codes, scores = self.codes[entries], self.scores[entries]
        if exclude is not None:
            kept = ~_listed(at, codes, exclude)
            at, codes, scores = at[kept], codes[kept], scores[kept]
        at, codes, scores, ranks = cut(at, codes, scores, len(rows), k)
        return Recommendations(asked[at].astype(np.int32), codes, scores, ranks)

    def scores_of(self, users, user_codes, item_codes, block: int = 64) -> np.ndarray:
        width = np.int64(max(len(self.items), 1))
        owners = np.repeat(np.arange(len(self.users), dtype=np.int64), np.diff(self.indptr))
        keys = owners * width + self.codes
        order = np.argsort(keys)
        rows = self._rows(users)[user_codes].astype(np.int64)
        asked = rows * width + item_codes
        at = np.minimum(np.searchsorted(keys, asked, sorter=order), max(len(keys) - 1, 0))
        if not len(keys):
            return np.zeros(len(asked), dtype=np.float32)
        at = order[at]
        return np.where((keys[at] == asked) & (rows >= 0), self.scores[at], 0).astype(np.float32)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"indptr": self.indptr, "codes": self.codes, "scores": self.scores}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.indptr, self.codes = arrays["indptr"], arrays["codes"]
        self.scores = arrays["scores"]


def _listed(at: np.ndarray, codes: np.ndarray, exclude) -> np.ndarray:
    """Which of the (row, item) pairs stand in `exclude`."""
    marks = np.zeros(exclude.shape, dtype=bool)
    marks[np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr)), exclude.indices] = True
    return marks[at, codes]
