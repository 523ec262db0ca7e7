"""Variants folded: the sizes and colours of one product count as one, and one of them is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, eq=False)
class Variants:
    """Products are numbered by their first item; an item without a parent is a product of its own."""

    products: np.ndarray
    """(n_items,) int32: the product of each item."""
    shown: np.ndarray
    """(n_products,) int32: the item that stands for it; -1 where none can be bought."""

    @classmethod
    def of(cls, parents: Sequence[str], offerable: np.ndarray, counts: np.ndarray) -> Self:
        """Items of one parent are one product, shown by its offerable item of the largest count;
        equal counts by item code."""
        numbers: dict[str, int] = {}
        products = np.array([numbers.setdefault(p, len(numbers)) for p in parents], dtype=np.int32)
        shown = np.full(len(numbers), -1, dtype=np.int32)
        # The last one written stands: the best comes last.
        order = np.lexsort((-np.arange(len(products)), counts))
        order = order[np.asarray(offerable, dtype=bool)[order]]
        shown[products[order]] = order
        return cls(products, shown)

    @classmethod
    def none(cls, n_items: int) -> Self:
        """Every item is a product."""
        own = np.arange(n_items, dtype=np.int32)
        return cls(own, own)

    def __len__(self) -> int:
        return len(self.shown)
