"""Own history: what the user takes again and again, the older the less, and the more when it is due.

The decayed count alone is the baseline that is hard to beat where people buy the same things;
`strength` 0 leaves just that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import CandidateModel, Recommendations, cut
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.rhythm import Rhythm, Rows, learn
from nightshelf.dataset.interactions import Interactions


@dataclass(frozen=True)
class OwnHistoryParams:
    half_life_days: float = 120.0
    """After so many days an event counts half."""
    strength: float = 0.7
    """The power of what the rhythm says (`rhythm.py`): 0 leaves the count alone, 1 takes it at its
    word. Between, because the two factors partly say the same."""
    window_days: int = 14
    """How far ahead something is due: the days that the shelves are examined on."""
    windows: int = 8
    """So many windows before `as_of` teach the rhythm, each less than the one after it."""

    def __post_init__(self) -> None:
        need(self.half_life_days > 0, "half_life_days", self.half_life_days, "above 0")
        need(0 <= self.strength <= 1, "strength", self.strength, "from 0 to 1")
        need(1 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, DAYS)
        need(0 <= self.windows <= 100, "windows", self.windows, "from 0 to 100")


class OwnHistory(CandidateModel):
    """Score: the decayed sum of weights × (due factor × the item's repeat factor) ^ strength.

    Equal scores: the more recent first, then by item code. A typed shop counts all events, and
    learns which of them lead to the target: what was only looked at has a due factor of its own.
    """

    name: ClassVar[str] = "own_history"
    Params: ClassVar[type] = OwnHistoryParams

    def _fit(self, interactions: Interactions) -> None:
        params, rows, day = self.params, Rows.of(interactions), interactions.as_of
        pairs = rows.pairs(day, params.half_life_days)
        windows = params.windows if params.strength else 0
        self.rhythm = learn(
            rows, len(self.items), day, params.half_life_days, params.window_days, windows
        )
        factors = self.rhythm.factors(pairs, day) ** params.strength
        scores = (pairs.decayed * factors).astype(np.float32)
        order = np.lexsort((pairs.items, -pairs.last, -scores, pairs.users))
        # Far in the past a decayed weight underflows to 0; what scores nothing is not offered.
        order = order[scores[order] > 0]
        self.indptr = np.zeros(len(self.users) + 1, dtype=np.int64)
        lengths = np.bincount(pairs.users[order], minlength=len(self.users))
        np.cumsum(lengths, out=self.indptr[1:])
        self.codes, self.scores = pairs.items[order].astype(np.int32), scores[order]

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
        lists = {"indptr": self.indptr, "codes": self.codes, "scores": self.scores}
        return {**lists, **self.rhythm.arrays()}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.indptr, self.codes = arrays["indptr"], arrays["codes"]
        self.scores, self.rhythm = arrays["scores"], Rhythm.from_arrays(arrays)


def _listed(at: np.ndarray, codes: np.ndarray, exclude) -> np.ndarray:
    """Which of the (row, item) pairs stand in `exclude`."""
    marks = np.zeros(exclude.shape, dtype=bool)
    marks[np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr)), exclude.indices] = True
    return marks[at, codes]
