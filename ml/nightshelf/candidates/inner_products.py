"""The k items with the greatest inner product with each user, exactly, a block at a time.

Items are taken in the order of their length, the longest first, by blocks. Each user's k-th best so
far is a threshold: what does not reach it is never looked at again, and once no item that is left is
long enough to reach anybody's, the rest is not multiplied at all, since |x·y| <= |x| |y| (Teflioudi,
Gemulla, Mykytiuk 2015). Memory: TILE × BLOCK scores and k keys a user, however many items there are.

BLAS only sifts. It rounds a product one way or another by its place in the matrix (OpenBLAS's kernels
for Haswell and Zen do, its others do not), so what passes is multiplied once more, pair by pair: a score
depends on its user and its item alone, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.top_k import (
    NO,
    NOTHING,
    kth_at_least,
    packed,
    scores_in,
    unpacked,
)

TILE, BLOCK = 128, 1024
"""Users and items in one matrix product: its scores, 0.5 MB, stay in a core's cache."""
PAIRS_AT_ONCE = 2048
"""Pairs whose factors are gathered at a time: they too stay there, in three fifths of the time."""
SLACK = 1.001
"""More than a float32 product of any sensible number of factors can be above the true one."""

ROUNDING = 2.0**-24
"""Of float32, relative."""


class Items:
    """The items' factors in the order of their length, by blocks."""

    def __init__(self, factors: np.ndarray, codes: np.ndarray) -> None:
        """`factors` (n, f) float32, `codes` (n,) what the items are called in answers."""
        lengths = _lengths(factors)
        order = np.argsort(-lengths, kind="stable")
        self.codes = codes[order]
        self.factors = factors[order]
        # Factors × items: BLAS need not turn a block round for each tile.
        self.blocks = [
            np.ascontiguousarray(self.factors[start : start + BLOCK].T)
            for start in range(0, len(order), BLOCK)
        ]
        self.longest = lengths[order[::BLOCK]]
        self.place = np.empty(len(order), dtype=np.int64)
        self.place[order] = np.arange(len(order))
        self._place_of_code = np.full(codes.max(initial=-1) + 2, -1, dtype=np.int64)
        self._place_of_code[codes] = self.place

    def places_of(self, codes: np.ndarray) -> np.ndarray:
        """(len(codes),) int64: where each stands in the order of length, -1 where it has no factors."""
        return self._place_of_code[np.minimum(codes, len(self._place_of_code) - 1)]

    def __len__(self) -> int:
        return len(self.codes)


def best_products(
    users: np.ndarray,
    items: Items,
    excludes: Sequence[csr_matrix | None],
    k: int,
    floor: np.float32,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """For each of `excludes` the top k of each user: (row, code int32, score, rank int16).

    `users` (n, f) float32; an exclusion is n × all codes and holds the ones before it. Equal scores
    are ordered by code; nothing below `floor` is returned.
    """
    answers = []
    for start in range(0, len(users) if k > 0 else 0, TILE):
        part = slice(start, start + TILE)
        tables = _best_of_tile(
            users[part], items, [e if e is None else e[part] for e in excludes], k, floor
        )
        answers.append([(start + rows, *rest) for rows, *rest in map(unpacked, tables)])
    empty = [unpacked(np.zeros((0, 0), dtype=np.uint64))] * len(excludes)
    return [_joined(parts) for parts in zip(*(answers or [empty]), strict=True)]


def products_at(users: np.ndarray, items: Items, at: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(len(at),) float32: the product of user `at` and the item that was `places` in `factors`, to the
    bit what `best_products` finds."""
    return _products(users, items, at, items.place[places])


def _products(users: np.ndarray, items: Items, at: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The same, of items in the order of their length."""
    found = np.empty(len(at), dtype=np.float32)
    for start in range(0, len(at), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        own, other = users[at[part]], items.factors[places[part]]
        np.einsum("ij,ij->i", own, other, out=found[part])
    return found


def _best_of_tile(users, items, excludes, k, floor) -> list[np.ndarray]:
    races = [_Race(users, items, k, floor) for _ in excludes]
    forbidden = [_places_by_block(exclude, items) for exclude in excludes]
    product = np.empty((len(users), BLOCK), dtype=np.float32)
    for number, block in enumerate(items.blocks):
        if all(items.longest[number] < race.shortest for race in races):
            break
        width = block.shape[1]
        np.matmul(users, block, out=product[:, :width])
        product[:, width:] = NO
        for places, race in zip(forbidden, races, strict=True):
            product.put(places[number], NO)
            race.enter(product, number * BLOCK)
    return [race.settled() for race in races]


class _Race:
    """The best keys so far of each user of a tile, and the score that the next one must reach."""

    def __init__(self, users: np.ndarray, items: Items, k: int, floor: np.float32) -> None:
        self.users, self.items, self.k, self.floor = users, items, k, floor
        lengths = _lengths(users)
        self.reach = SLACK * lengths
        self.least = np.full(len(users), floor, dtype=np.float32)
        self.shortest = -np.inf
        """No shorter item reaches the least score of any user."""
        # Two roundings of one product of f factors differ by less (Higham 2002, section 3.1).
        most = 2 * (users.shape[1] + 2) * ROUNDING * items.longest.max(initial=0)
        self.error = (most * lengths).astype(np.float32)
        self.filled = np.zeros(len(users), dtype=np.int64)
        """Keys of each user in the table: at most 2 k, and those of one block more."""
        self.table = np.full((len(users), 2 * k + BLOCK), NOTHING)

    def enter(self, sifted: np.ndarray, first: int) -> None:
        """`sifted` (n_users, BLOCK): the products of the items from `first` on, about; NO where there is
        no item."""
        if not self.filled.any() and self.k <= BLOCK:
            self.demand(np.maximum(kth_at_least(sifted, self.k) - self.error, self.floor))
        least = np.maximum(self.least - self.error, self.floor)
        rows, columns = np.divmod(np.flatnonzero(sifted >= least[:, None]), BLOCK)
        scores = _products(self.users, self.items, rows, first + columns)
        reaching = scores >= self.least[rows]
        rows, columns = rows[reaching], columns[reaching]
        keys = packed(scores[reaching], self.items.codes[first + columns])
        counts = np.bincount(rows, minlength=len(self.least))
        # Each row's keys stand behind those that it has: no sort brings the blocks' keys together.
        begin = np.arange(len(counts)) * self.table.shape[1] + self.filled
        self.table.put((begin - (counts.cumsum() - counts))[rows] + np.arange(len(rows)), keys)
        self.filled += counts
        if self.filled.max() > 2 * self.k:
            self.settle()

    def settle(self) -> None:
        """Keeps the k best of each user; the last of them is what the next must reach."""
        table = self.table[:, : self.filled.max()]
        if table.shape[1] > self.k:
            table.partition(self.k - 1, axis=1)
            table[:, self.k :] = NOTHING
            last = table[:, self.k - 1]
            self.demand(np.where(last == NOTHING, self.floor, scores_in(last)))
        self.filled = np.minimum(self.filled, self.k)

    def demand(self, least: np.ndarray) -> None:
        """Nothing below `least` (n_users,) enters any more, nor any item too short to reach it."""
        self.least = least
        lengths = np.full(len(least), -np.inf)
        self.shortest = np.divide(least, self.reach, out=lengths, where=self.reach > 0).min()

    def settled(self) -> np.ndarray:
        self.settle()
        return np.sort(self.table[:, : self.k], axis=1)


def _places_by_block(exclude: csr_matrix | None, items: Items) -> list[np.ndarray]:
    """For each block the flat places in its products of what `exclude` (n_users × codes) holds."""
    if exclude is None:
        return [np.zeros(0, dtype=np.int64)] * len(items.blocks)
    place = items.places_of(exclude.indices)
    block, column = np.divmod(place, BLOCK)
    rows = np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr))
    order = np.argsort(block, kind="stable")
    order = order[np.searchsorted(block[order], 0) :]
    starts = np.searchsorted(block[order], np.arange(1, len(items.blocks)))
    return np.split((rows * BLOCK + column)[order], starts)


def _lengths(factors: np.ndarray) -> np.ndarray:
    """(n,) float64: Euclidean; from float64, so that none comes out shorter than it is."""
    return np.sqrt(np.square(factors, dtype=np.float64).sum(axis=1))


def _joined(parts: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
