"""What exploration chooses from, and the slots that come out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nightshelf.errors import InputError, SettingsError
from nightshelf.exploration.randomness import uniforms


@dataclass(frozen=True, eq=False)
class Candidates:
    """The eligible candidates of every context, after all rules. One row per (context, item).

    `context` and `item` (n,) are codes from 0; contexts ascend. `score` (n,) is finite: higher is
    better, equal scores are ranked by the item's key. `context_keys` and `item_keys` are the codes'
    names as `keys` gives them: chance hangs on these, so that codes may change from night to night.
    """

    context: np.ndarray
    item: np.ndarray
    score: np.ndarray
    context_keys: np.ndarray
    item_keys: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.context)
        if not len(self.item) == len(self.score) == n:
            raise InputError(
                f"{n:,} contexts, {len(self.item):,} items and {len(self.score):,} scores.",
                "Give one of each for every candidate.",
            )
        if np.any(np.diff(self.context) < 0):
            raise InputError("Candidates are not sorted by context.", "Sort them by context code.")
        if not np.isfinite(self.score).all():
            row = int(np.flatnonzero(~np.isfinite(self.score))[0])
            raise InputError(
                f"Candidate {row:,} has the score {self.score[row]}.", "Score it, or leave it out."
            )

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) rows by context, best first."""
        falls = (np.diff(self.score) < 0) | (np.diff(self.context) > 0)
        if falls.all():  # sorted already, without ties: saves 3 s on 10 million rows
            return np.arange(len(self.context))
        return np.lexsort((self.item_keys[self.item], -self.score, self.context))

    @cached_property
    def starts(self) -> np.ndarray:
        """(n_lists,) where each context's rows begin in `order`."""
        if not len(self.context):
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.append(True, np.diff(self.context) > 0))

    @cached_property
    def sizes(self) -> np.ndarray:
        """(n_lists,) candidates of each context."""
        return np.diff(np.append(self.starts, len(self.context)))


@dataclass(frozen=True, eq=False)
class Slots:
    """The lists. One row per (context, rank), by context and rank.

    `row` (m,) is the candidate shown; `rank` counts from 1; `propensity` is the chance, before the
    dice fell, that this slot would show this item: 0 < propensity <= 1.
    """

    row: np.ndarray
    rank: np.ndarray
    is_exploration: np.ndarray
    propensity: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranked:
    """Ranked lists of at most k, and the pool: each context's candidates beyond them.

    `top` (n_lists, k) are rows, -1 beyond a short list. `pool` (n_pool,) are rows by list, `lists`
    (n_pool,) whose they are, `sizes` (n_lists,) how many each list has.
    """

    top: np.ndarray
    pool: np.ndarray
    lists: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates, k: int) -> Ranked:
        sizes = candidates.sizes
        place = np.arange(len(candidates.order)) - np.repeat(candidates.starts, sizes)
        lists = np.repeat(np.arange(len(sizes)), sizes)
        top = np.full((len(sizes), k), -1, dtype=np.int64)
        first, rest = place < k, place >= k
        top[lists[first], place[first]] = candidates.order[first]
        return cls(top, candidates.order[rest], lists[rest], np.maximum(sizes - k, 0))

    def slots(self, chosen: np.ndarray, ranked: np.ndarray, explored: np.ndarray) -> Slots:
        """`chosen` (n_lists, k) are rows to show instead, or -1; `ranked` and `explored` (n_lists, k)
        are the chances of the one and the other."""
        is_exploration = chosen >= 0
        row = np.where(is_exploration, chosen, self.top)
        chance = np.where(is_exploration, explored, ranked)
        rank = np.broadcast_to(np.arange(1, row.shape[1] + 1), row.shape)
        there = row >= 0
        return Slots(row[there], rank[there], is_exploration[there], chance[there])


def explored_slots(
    candidates: Candidates, ranked: Ranked, budget: np.ndarray, seed: int
) -> np.ndarray:
    """(n_lists, k): 0, 1, … for the first, second, … slot of a list that explores; -1 for the others.

    Systematic sampling (Madow and Madow 1944): with one u from [0, 1) a list, slot r explores where a
    whole number lies in (u + (r - 1) b, u + r b]. Each slot then explores with the chance b exactly,
    and a list has b k such slots, rounded up or down, spread over its length. `budget` (n_lists,).
    """
    k = ranked.top.shape[1]
    contexts = candidates.context[candidates.starts]
    u = uniforms(seed, "slots", candidates.context_keys[contexts])
    reached = np.floor(u[:, None] + budget[:, None] * np.arange(k + 1)).astype(np.int64)
    return np.where(np.diff(reached, axis=1) > 0, reached[:, :-1], -1)


def at_most(budget: float, k: int) -> int:
    """The most slots of a list that explore."""
    # A hair less, so that 0.3 × 10 = 3.0000000000000004 is three.
    return int(np.ceil(budget * k - 1e-9))


def need_budget(budget: float, k: int) -> None:
    if not 0 <= budget <= 1:
        raise SettingsError(
            f"An exploration budget of {budget} is no share of slots.", "Give 0 to 1, such as 0.1."
        )
    if k < 1:
        raise SettingsError(f"A list of {k} slots shows nothing.", "Give k of 1 or more.")


def smallest(values: np.ndarray, ranked: Ranked) -> np.ndarray:
    """(n_lists,) the place in the pool of each list's smallest value; -1 where all are infinite."""
    found = np.full(len(ranked.sizes), -1, dtype=np.int64)
    some = np.flatnonzero(ranked.sizes)
    if not len(some):
        return found
    starts = np.cumsum(ranked.sizes)[some] - ranked.sizes[some]
    least = np.minimum.reduceat(values, starts)
    hits = np.flatnonzero((values == np.repeat(least, ranked.sizes[some])) & np.isfinite(values))
    found[ranked.lists[hits[::-1]]] = hits[::-1]  # the first of equals stays
    return found
