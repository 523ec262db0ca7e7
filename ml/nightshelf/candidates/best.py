"""Each user's k best of what a model has scored: of a whole row of scores, or of the few that it has.

Several exclusions are answered at the price of one. Each holds those before it, so the k best under one
are among the k best under the next and what that one alone hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, issparse

from nightshelf.candidates.sparse import distinct, entries_at
from nightshelf.candidates.top_k import LEAST, NO, best_keys, packed, reaching, top_keys, unpacked


@dataclass(frozen=True, eq=False)
class Recommendations:
    """One row per (user, item), sorted by (user, rank). Ranks are 1..n without holes, n <= k."""

    users: np.ndarray
    """(n_rows,) int32: position in the `users` that `recommend` was asked for."""
    item_codes: np.ndarray
    """(n_rows,) int32: position in the model's `items`."""
    scores: np.ndarray
    """(n_rows,) float32: finite, never rising with rank; comparable within one model only."""
    ranks: np.ndarray
    """(n_rows,) int16."""

    def __len__(self) -> int:
        return len(self.users)

    def lists(self, n_users: int, k: int) -> np.ndarray:
        """(n_users, k) int32: item codes by rank, -1 where a list is shorter than k."""
        table = np.full((n_users, k), -1, dtype=np.int32)
        kept = self.ranks <= k
        table[self.users[kept], self.ranks[kept] - 1] = self.item_codes[kept]
        return table

    def only(self, at: np.ndarray) -> Recommendations:
        """The rows `at`: places or a mask."""
        return Recommendations(self.users[at], self.item_codes[at], self.scores[at], self.ranks[at])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            np.concatenate([part.users for part in parts]).astype(np.int32),
            np.concatenate([part.item_codes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.ranks for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class _Hidden:
    """What an exclusion hides and the one before it does not; nothing that may not be offered at all."""

    rows: np.ndarray
    """(n,) int64, never falling."""
    keys: np.ndarray
    """(n,) uint64: score and place."""


def best_of(
    columns: np.ndarray,
    scores: np.ndarray | csr_matrix,
    excludes: Sequence[csr_matrix | None],
    k: int,
    asked: np.ndarray,
    floor: np.float32,
) -> list[Recommendations]:
    """`best_among`, whichever kind the scores are of."""
    best = best_entries if issparse(scores) else best_among
    return best(columns, scores, excludes, k, asked, floor)


def best_among(
    columns: np.ndarray,
    scores: np.ndarray,
    excludes: Sequence[csr_matrix | None],
    k: int,
    asked: np.ndarray,
    floor: np.float32 = LEAST,
) -> list[Recommendations]:
    """Top k of each row of `scores` (n_rows × len(columns)) under each of `excludes`, each of which
    holds those before it; rows are the users `asked`. Nothing below `floor`. Leaves `scores` as they were.
    """
    hidden, taken_out = [], []
    for exclude in excludes:
        rows, places = _places(exclude, columns)
        values = scores[rows, places]
        scores[rows, places] = NO
        taken_out.append(((rows, places), values))
        shown = values >= floor
        hidden.append(_Hidden(rows[shown], packed(values[shown], places[shown])))
    table = top_keys(scores, k, floor)
    for at, values in reversed(taken_out):
        scores[at] = values
    return _answers(table, hidden, len(scores), min(k, len(columns)), columns, asked)


def best_entries(
    columns: np.ndarray,
    scores: csr_matrix,
    excludes: Sequence[csr_matrix | None],
    k: int,
    asked: np.ndarray,
    floor: np.float32,
) -> list[Recommendations]:
    """`best_among`, of scores of which few are there (sorted); the others are below `floor`."""
    n_rows, width = scores.shape
    counts = np.diff(scores.indptr)
    rows = np.repeat(np.arange(n_rows), counts)
    left, hidden = scores.data.copy(), []
    for exclude in excludes:
        at = entries_at(scores, *_places(exclude, columns))
        at = distinct(at[at >= 0])
        at = at[left[at] >= floor]
        left[at] = NO
        hidden.append(_Hidden(rows[at], packed(scores.data[at], scores.indices[at])))
    at = reaching(rows, left, counts, k)
    at = at[left[at] >= floor]
    table = best_keys(rows[at], packed(left[at], scores.indices[at]), n_rows, k)
    return _answers(table, hidden, n_rows, min(k, width), columns, asked)


def _answers(
    table: np.ndarray,
    hidden: list[_Hidden],
    n_rows: int,
    k: int,
    columns: np.ndarray,
    asked: np.ndarray,
) -> list[Recommendations]:
    """One for each exclusion; `table` holds the best keys under the last of them."""
    found = []
    for each in reversed(hidden):
        found.append(_answer(table, columns, asked))
        if len(each.rows):
            table = np.hstack([table, best_keys(each.rows, each.keys, n_rows, k)])
            table = np.sort(table, axis=1)[:, :k]
    return found[::-1]


def _answer(table: np.ndarray, columns: np.ndarray, asked: np.ndarray) -> Recommendations:
    at, places, values, ranks = unpacked(table)
    codes = columns[places].astype(np.int32, copy=False)
    return Recommendations(asked[at].astype(np.int32), codes, values, ranks)


def _places(exclude: csr_matrix | None, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and places of what `exclude` (n_rows × n_items) holds and `columns` have."""
    if exclude is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rows = np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr))
    places = place_of(columns, exclude.shape[1])[exclude.indices]
    return rows[places >= 0], places[places >= 0]


def place_of(columns: np.ndarray, n_items: int) -> np.ndarray:
    """(n_items,) int32: where an item stands among `columns`, -1 where it does not. For the many pairs
    of a block thirty times as fast as a search in each."""
    place = np.full(n_items, -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    return place
