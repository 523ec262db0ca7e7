"""Models that score every column, and of whom the best need a few of them: the others are bounded.

Who says something of all of a hundred thousand items ranks most of them by what all users share (what is
popular, which price is usual). So it is enough to score the columns that a user has something to say of,
and the first of the others, as long as the k-th best is above all that was left out; who that does not hold
for is scored in full. The same answers to the bit. After Turtle and Flood 1995, Query evaluation (MaxScore).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.best import Recommendations, best_among, best_of
from nightshelf.candidates.top_k import ABOVE_ZERO, NO

FIRST = 64
"""So many of what all users share are scored for each: more than a list of 30 and what one bought of it."""


@dataclass(frozen=True, eq=False)
class Reached:
    """What is scored of a block of n users."""

    columns: np.ndarray
    """(n_reached,) int32, rising: the items that are columns of `scores`."""
    scores: np.ndarray | csr_matrix
    """(n, n_reached) float32; a csr_matrix (sorted) leaves out."""
    rest: np.ndarray
    """(n,) float32: nothing that was left out scores more; 0 where none of it scores anything."""
    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """(positions among the n, places among all columns) → (n_pairs,) float32: any scores."""
    whole: Callable[[np.ndarray], np.ndarray]
    """(positions among the n) → (n_positions, n_columns) float32: theirs of all columns."""


class ReachingModel(CandidateModel):
    """A model whose scores of a block are `Reached`."""

    @abstractmethod
    def _scored(self, rows: np.ndarray) -> Reached: ...

    def _best(self, reached: Reached, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return best_reached(self._columns(), reached, excludes, k, asked)

    def _at(self, reached: Reached, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        scores = reached.of(at, places)
        return np.where(scores > 0, scores, NO)


def best_reached(
    columns: np.ndarray,
    reached: Reached,
    excludes: Sequence[csr_matrix | None],
    k: int,
    asked: np.ndarray,
) -> list[Recommendations]:
    """`best_among` of all `columns`."""
    answers = best_of(reached.columns, reached.scores, excludes, k, asked, ABOVE_ZERO)
    short = np.flatnonzero(_may_lack(answers[-1], reached.rest, k, asked))
    if not len(short):
        return answers
    of_short = [exclude if exclude is None else exclude[short] for exclude in excludes]
    whole = best_among(columns, reached.whole(short), of_short, k, asked[short], ABOVE_ZERO)
    return [_with(a, w, asked[short]) for a, w in zip(answers, whole, strict=True)]


def _may_lack(answer: Recommendations, rest: np.ndarray, k: int, asked: np.ndarray) -> np.ndarray:
    """(n,) bool: whose k-th best, where everything else is excluded, is not above what was left out."""
    last = np.zeros(len(asked), dtype=np.float32)
    ends = answer.ranks == k
    last[np.searchsorted(asked, answer.users[ends])] = answer.scores[ends]
    return (rest > 0) & (last <= rest)


def _with(answer: Recommendations, whole: Recommendations, users: np.ndarray) -> Recommendations:
    """The answer, of these users the other one."""
    both = Recommendations.joined([answer.only(~np.isin(answer.users, users)), whole])
    return both.only(np.argsort(both.users, kind="stable"))
