"""The law that Thompson sampling draws from: every item's Beta, on cells that all items share.

A Beta has no cheap quantile, and the chance that one of forty Betas is the largest has no formula.
So each item's distribution function F is taken at the edges of `CELLS` cells and is straight between
them. Draws come from that law, and the chance is an integral of that same law: nothing is
approximated between the two but the integral, of a smooth product, by Gauss-Legendre in each cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import betainc

from nightshelf.exploration.responses import Posteriors

CELLS = 64
NODES = 3
"""In each cell: exact for polynomials of degree five; what is left is below 1e-6 of the whole (tests), and below .2 % of
the rarest item's chance."""
ITEMS_FOR_EDGES = 1000
LISTS_AT_ONCE = 20_000
"""Bounds memory at 30 MB. A list's sum is its own, so blocks change nothing."""
NEAR_ZERO = 1e-300


@dataclass(frozen=True, eq=False)
class Law:
    """`cdf` (n_items, CELLS + 1) rises from 0 to 1 along each row. 1 KB an item."""

    cdf: np.ndarray

    @classmethod
    def of(cls, found: Posteriors) -> Law:
        """0.7 s for 10 thousand items, each unlike the others."""
        pairs, which = np.unique(
            np.stack([found.alpha, found.beta], axis=1), axis=0, return_inverse=True
        )
        edges = _edges(pairs[:: -(-len(pairs) // ITEMS_FOR_EDGES)])
        return cls(betainc(pairs[:, :1], pairs[:, 1:], edges[None])[which.ravel()])

    def draws(self, items: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(n,) float64: the quantile u of each row's item, counted in cells, which keeps the order."""
        width = self.cdf.shape[1]
        # One sorted sequence of all items' functions: item 7's runs from 7 to 8.
        line = (self.cdf + np.arange(len(self.cdf))[:, None]).ravel()
        at = np.searchsorted(line, items + u, side="right") - 1
        at = np.clip(at, items * width, items * width + width - 2)
        low, high = self.cdf.ravel()[at], self.cdf.ravel()[at + 1]
        inside = np.divide(u - low, high - low, out=np.zeros_like(u), where=high > low)
        return at - items * width + np.clip(inside, 0, 1)

    def chances(self, pools: csr_matrix, lists: np.ndarray, items: np.ndarray, parts: int):
        """(n,) float64: that the item is the largest in a given part of the list's pool.

        `pools` (n_lists, n_items) has a one where the item is in the pool. Each item joins one of the
        parts, evenly and by itself, so that item i beats x in a given part with the chance
        (1 - F_i(x)) / parts, and the item a wins it with

            1 / parts × ∫ f_a(x) Π_{i ≠ a} (1 - (1 - F_i(x)) / parts) dx.

        One part is Thompson sampling's P(a is the argmax). `lists` ascend.
        """
        logs, weights = self._below(parts)
        mass = np.diff(self.cdf, axis=1)
        found = np.empty(len(lists))
        for start in range(0, pools.shape[0], LISTS_AT_ONCE):
            first, last = np.searchsorted(lists, [start, start + LISTS_AT_ONCE])
            own = items[first:last]
            together = pools[start : start + LISTS_AT_ONCE] @ logs
            others = np.exp(together[lists[first:last] - start] - logs[own])
            cells = others.reshape(*mass[own].shape, NODES) @ weights
            found[first:last] = (cells * mass[own]).sum(axis=1) / parts
        return found

    def _below(self, parts: int) -> tuple[np.ndarray, np.ndarray]:
        """(n_items, CELLS × NODES) log(1 - (1 - F) / parts) at the nodes; (NODES,) their weights."""
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        low, mass = self.cdf[:, :-1, None], np.diff(self.cdf, axis=1)[:, :, None]
        at_nodes = (low + mass * (nodes + 1) / 2).reshape(len(self.cdf), -1)
        return np.log(np.maximum(1 - (1 - at_nodes) / parts, NEAR_ZERO)), weights / 2


def _edges(pairs: np.ndarray) -> np.ndarray:
    """(CELLS + 1,) from 0 to 1: quantiles of the items' mixture, so that no cell holds much of it."""
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 512)])
    mixture = betainc(pairs[:, :1], pairs[:, 1:], grid[None]).mean(axis=0)
    inner = np.interp(np.linspace(0, 1, CELLS + 1)[1:-1], mixture, grid)
    return np.concatenate([[0.0], inner, [1.0]])
