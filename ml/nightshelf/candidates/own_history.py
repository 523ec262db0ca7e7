"""Own history: what the user takes again and again, the older the less, and the more when it is due.

The decayed count alone is the baseline that is hard to beat where people buy the same things;
`strength` 0 leaves just that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightshelf.candidates.base import NO, CandidateModel, cut
from nightshelf.candidates.best import Recommendations
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.rhythm import Rhythm, Rows, learn
from nightshelf.candidates.sparse import ranges
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
        order = _by_merit(pairs.users, scores, pairs.last)
        # Far in the past a decayed weight underflows to 0; what scores nothing is not offered.
        order = order[scores[order] > 0]
        self.indptr = np.zeros(len(self.users) + 1, dtype=np.int64)
        lengths = np.bincount(pairs.users[order], minlength=len(self.users))
        np.cumsum(lengths, out=self.indptr[1:])
        self.codes, self.scores = pairs.items[order].astype(np.int32), scores[order]

    def _scored(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lengths of the users' lists, their codes and scores one list after the other."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        entries = ranges(self.indptr[rows], lengths)
        return lengths, self.codes[entries], self.scores[entries]

    def _best(self, lists, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return [_listed(*lists, exclude, k, asked) for exclude in excludes]

    def _of(self, lists, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        lengths, codes, scores = lists
        found = np.full(len(at), NO, dtype=np.float32)
        if len(codes):
            keys = _keys(np.repeat(np.arange(len(lengths)), lengths), codes, len(self.items))
            order = np.argsort(keys)
            asked = _keys(at, item_codes, len(self.items))
            places = np.searchsorted(keys, asked, sorter=order)
            places = order[np.minimum(places, len(keys) - 1)]
            here = keys[places] == asked
            found[here] = scores[places[here]]
        return found

    def _arrays(self) -> dict[str, np.ndarray]:
        lists = {"indptr": self.indptr, "codes": self.codes, "scores": self.scores}
        return {**lists, **self.rhythm.arrays()}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.indptr, self.codes = arrays["indptr"], arrays["codes"]
        self.scores, self.rhythm = arrays["scores"], Rhythm.from_arrays(arrays)


def _by_merit(users: np.ndarray, scores: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The order by user, falling score >= 0, falling last day, then as it was (by item). Half the time of
    sorting by all four: the bits of a positive float rise with it."""
    order = np.argsort(-last, kind="stable")
    keys = users.astype(np.int64) << 32 | (np.int64(2**31 - 1) - scores.view(np.int32))
    return order[np.argsort(keys[order], kind="stable")]


def _listed(lengths, codes, scores, exclude, k: int, asked: np.ndarray) -> Recommendations:
    at = np.repeat(np.arange(len(lengths)), lengths)
    if exclude is not None:
        kept = ~_excluded(at, codes, exclude)
        at, codes, scores = at[kept], codes[kept], scores[kept]
    at, codes, scores, ranks = cut(at, codes, scores, len(lengths), k)
    return Recommendations(asked[at].astype(np.int32), codes, scores, ranks)


def _excluded(at: np.ndarray, codes: np.ndarray, exclude) -> np.ndarray:
    """Which of the (row, item) pairs stand in `exclude`."""
    rows = np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr))
    width = exclude.shape[1]
    return np.isin(_keys(at, codes, width), _keys(rows, exclude.indices, width))


def _keys(rows: np.ndarray, codes: np.ndarray, width: int) -> np.ndarray:
    return rows.astype(np.int64) * width + codes
