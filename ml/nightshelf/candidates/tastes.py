"""Tastes: how much more of a category or brand a user takes than the shop's users do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.sparse import csr_arrays, csr_of


@dataclass(frozen=True, eq=False)
class Tastes:
    """What each user took of each group of items (category, brand), and the tree of the groups."""

    taken: csr_matrix
    """n_users + 1 × n_groups float32; the last row is of nobody known, and empty."""
    levels: np.ndarray
    """(n_levels, n_groups) int32: the node that holds the group on each level, top first."""

    @classmethod
    def of(cls, matrix: csr_matrix, groups: np.ndarray, levels: np.ndarray) -> Self:
        """From users × items, each item's group (-1: none), and the groups' tree."""
        known = np.flatnonzero(groups >= 0)
        ones = np.ones(len(known), dtype=np.float32)
        belongs = csr_matrix((ones, (known, groups[known])), (len(groups), levels.shape[1]))
        taken = (matrix @ belongs).tocsr()
        taken.sort_indices()
        taken.resize(taken.shape[0] + 1, taken.shape[1])
        return cls(taken, levels)

    @property
    def n_groups(self) -> int:
        return self.levels.shape[1]

    def lifts(self, rows: np.ndarray, prior: float) -> np.ndarray:
        """(len(rows), n_groups + 1) float32 > 0: the user's share of the group over the shop's.

        From level to level: of what the user took in the node above, the share of this node,
        with `prior` takings of the shop's average mixed in, over the shop's own share. 1 for nobody
        known; 1 in the last column, which is so what the code -1 finds.
        """
        own = self.taken[rows].toarray().astype(np.float64)
        lifts = np.ones((len(rows), own.shape[1] + 1), dtype=np.float32)
        above, shop_above = own.sum(axis=1, keepdims=True), self._total.sum(keepdims=True)
        parents = np.zeros(own.shape[1], dtype=np.int64)
        for level, within in zip(self.levels, self._within, strict=True):
            # A level of which each node is one group needs no adding up.
            here, shop = (
                (own, self._total) if within is None else (own @ within, self._total @ within)
            )
            up = np.zeros(here.shape[1], dtype=np.int64)
            up[level] = parents
            # own / (shop / shop_above), 0 where the shop took none: nobody's share is known there.
            expected = np.zeros_like(here)
            np.divide(here * shop_above[up], shop, out=expected, where=shop > 0)
            lifts[:, :-1] *= ((expected + prior) / (above[:, up] + prior))[:, level]
            above, shop_above, parents = here, shop, level
        return lifts

    @cached_property
    def _total(self) -> np.ndarray:
        data = self.taken.data.astype(np.float64)
        return np.bincount(self.taken.indices, data, minlength=self.taken.shape[1])

    @cached_property
    def _within(self) -> list[csr_matrix | None]:
        """For each level groups × nodes of ones; None where the nodes are the groups."""
        own = np.arange(self.levels.shape[1])
        return [None if np.array_equal(level, own) else _membership(level) for level in self.levels]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        return csr_arrays(name, self.taken) | {f"{name}_levels": self.levels}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, np.ndarray]) -> Self:
        levels, n_rows = arrays[f"{name}_levels"], len(arrays[f"{name}_indptr"]) - 1
        return cls(csr_of(name, arrays, (n_rows, levels.shape[1])), levels)


def category_levels(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tree of category paths such as "Food > Tea".

    Returns (n_levels, n_names) int32, the node of each name on each level, and the nodes' paths,
    sorted. A path that is shorter than the longest stays on its last node.
    """
    paths = [[step.strip() for step in name.split(">")] for name in names]
    depth = max((len(path) for path in paths), default=0)
    prefixes = [[" > ".join(path[: n + 1]) for path in paths] for n in range(depth)]
    nodes = sorted({prefix for level in prefixes for prefix in level})
    place = {node: n for n, node in enumerate(nodes)}
    levels = [[place[prefix] for prefix in level] for level in prefixes]
    return np.array(levels, dtype=np.int32).reshape(depth, len(paths)), np.array(nodes, object)


def one_level(names: np.ndarray) -> np.ndarray:
    """(1, n_names) int32: groups that are in no tree, such as brands."""
    return np.arange(len(names), dtype=np.int32)[None, :]


def _membership(level: np.ndarray) -> csr_matrix:
    width = int(level.max()) + 1 if len(level) else 0
    return csr_matrix((np.ones(len(level)), (np.arange(len(level)), level)), (len(level), width))
