"""The k items with the greatest inner product with each user, exactly, a block at a time.

Items are taken in the order of their length, the longest first, by blocks. Each user's k-th best so
far is a threshold: what does not reach it is never looked at again, and once no item that is left is
long enough to reach anybody's, the rest is not multiplied at all, since |x·y| <= |x| |y| (Teflioudi,
Gemulla, Mykytiuk 2015). Memory: TILE × BLOCK scores and k keys a user, however many items there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from nightshelf.candidates.top_k import (
    NO,
    NOTHING,
    best_keys,
    kth_at_least,
    packed,
    scores_in,
    unpacked,
)

TILE, BLOCK = 256, 1024
"""Users and items in one matrix product, always: BLAS picks its kernels by shape, and another kernel
rounds another way, so a product of fixed shape is what makes a score independent of its company. The
product takes a quarter less time a user than one of 64 users; its scores, 1 MB, stay in cache."""
SLACK = 1.001
"""More than a float32 product of any sensible number of factors can be above the true one."""


class Items:
    """The items' factors in the order of their length, filled up with zeros to whole blocks."""

    def __init__(self, factors: np.ndarray, codes: np.ndarray) -> None:
        """`factors` (n, f) float32, `codes` (n,) what the items are called in answers."""
        lengths = _lengths(factors)
        order = np.argsort(-lengths, kind="stable")
        n_blocks = -(-len(order) // BLOCK)
        self.codes = codes[order]
        filled = np.zeros((n_blocks * BLOCK, factors.shape[1]), dtype=np.float32)
        filled[: len(order)] = factors[order]
        self.blocks = filled.reshape(n_blocks, BLOCK, factors.shape[1])
        self.longest = lengths[order[::BLOCK]]
        self.place = np.empty(len(order), dtype=np.int64)
        self.place[order] = np.arange(len(order))

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
    found = np.empty(len(at), dtype=np.float32)
    block, column = np.divmod(items.place[places], BLOCK)
    key = at // TILE * len(items.blocks) + block
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    for pairs in np.split(order, starts[1:]) if len(order) else ():
        first = at[pairs[0]] // TILE * TILE
        scores = _filled_up(users[first : first + TILE]) @ items.blocks[block[pairs[0]]].T
        found[pairs] = scores[at[pairs] - first, column[pairs]]
    return found


def _best_of_tile(users, items, excludes, k, floor) -> list[np.ndarray]:
    races = [_Race(len(users), k, floor) for _ in excludes]
    forbidden = [e if e is None else e[:, items.codes].tocsc() for e in excludes]
    reach, filled = SLACK * _lengths(users), _filled_up(users)
    product = np.empty((TILE, BLOCK), dtype=np.float32)
    for number, block in enumerate(items.blocks):
        if all((items.longest[number] * reach < race.least).all() for race in races):
            break
        np.matmul(filled, block.T, out=product)
        first = number * BLOCK
        codes = items.codes[first : first + BLOCK]
        product[:, len(codes) :] = NO
        scores = product[: len(users)]
        for exclude, race in zip(forbidden, races, strict=True):
            if exclude is not None:
                _forbid(scores, exclude, first, len(codes))
            race.enter(scores, codes)
    return [race.settled() for race in races]


class _Race:
    """The best keys so far of each user of a tile, and the score that the next one must reach."""

    def __init__(self, n_users: int, k: int, floor: np.float32) -> None:
        self.k, self.floor = k, floor
        self.least = np.full(n_users, floor, dtype=np.float32)
        self.kept = np.zeros((n_users, 0), dtype=np.uint64)
        self.rows: list[np.ndarray] = []
        self.keys: list[np.ndarray] = []
        self.waiting = 0

    def enter(self, scores: np.ndarray, codes: np.ndarray) -> None:
        """`scores` (n_users, BLOCK) of one block's items; those beyond `codes` are NO."""
        if not self.waiting and not self.kept.size and self.k <= BLOCK:
            self.least = np.maximum(kth_at_least(scores, self.k), self.floor)
        reaching = np.flatnonzero(scores >= self.least[:, None])
        rows, columns = np.divmod(reaching, BLOCK)
        self.rows.append(rows.astype(np.uint16))
        self.keys.append(packed(scores.ravel()[reaching], codes[columns]))
        self.waiting += len(reaching)
        if self.waiting > len(self.least) * self.k:
            self.settle()

    def settle(self) -> None:
        """Keeps the k best of each user; the last of them is what the next must reach."""
        n_users, width = self.kept.shape
        rows = np.concatenate([np.repeat(np.arange(n_users, dtype=np.uint16), width), *self.rows])
        keys = np.concatenate([self.kept.ravel(), *self.keys])
        order = np.argsort(rows, kind="stable")  # sixteen bits: sorted by radix
        self.kept = best_keys(rows[order], keys[order], n_users, self.k)
        self.rows, self.keys, self.waiting = [], [], 0
        if self.kept.shape[1] == self.k:
            last = self.kept[:, -1]
            self.least = np.where(last == NOTHING, self.floor, scores_in(last))

    def settled(self) -> np.ndarray:
        self.settle()
        return self.kept


def _filled_up(users: np.ndarray) -> np.ndarray:
    tile = np.zeros((TILE, users.shape[1]), dtype=np.float32)
    tile[: len(users)] = users
    return tile


def _forbid(scores: np.ndarray, exclude: csc_matrix, first: int, width: int) -> None:
    """Sets NO where `exclude` (n_users × items by length) is True in the block from `first` on."""
    starts = exclude.indptr[first : first + width + 1]
    columns = np.repeat(np.arange(width), np.diff(starts))
    scores[exclude.indices[starts[0] : starts[-1]], columns] = NO


def _lengths(factors: np.ndarray) -> np.ndarray:
    """(n,) float64: Euclidean; from float64, so that none comes out shorter than it is."""
    return np.sqrt(np.square(factors, dtype=np.float64).sum(axis=1))


def _joined(parts: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
