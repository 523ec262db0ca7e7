"""The terms that many items have (a price like the others', the top of the category tree), apart from the rest.

Such a term says little of any item and reaches all of them. What an item has of them is added only to items
that a rarer term has reached; for the others there is a bound (`reached`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.best import place_of

USUAL_SHARES = (1 / 64, 1 / 16, 1 / 4)
"""A term that a greater share of the items has is usual, as long as..."""
FEW_SETS = 1 / 16
"""...there are not more different sets of usual terms than this share of the items; or with the next."""


@dataclass(frozen=True, eq=False)
class UsualTerms:
    """Each item has m usual terms at most. Sums are of float32, term by term in the terms' order."""

    codes: np.ndarray
    """(n_terms,) bool: is the term usual?"""
    terms: np.ndarray
    """(m, n_items) intp: usual terms by number; one more than there are where an item has fewer."""
    weights: np.ndarray
    """(m, n_items) float32; 0 there."""
    set_of: np.ndarray
    """(n_items,) int64: which set of usual terms it has."""
    n_sets: int
    kind_of: np.ndarray
    """(n_items,) intp: which kind of item it is: those of a kind have the same usual terms with the same
    weights, as many items of a category do."""
    first_of: np.ndarray
    """(n_kinds,) intp: an item of each kind."""

    @classmethod
    def of(cls, items: csr_matrix) -> Self:
        """From items × terms (sorted)."""
        n_items, counts = items.shape[0], np.bincount(items.indices, minlength=items.shape[1])
        for share in USUAL_SHARES:
            found = cls._among(items, counts > share * n_items)
            if found.n_sets <= FEW_SETS * n_items:
                return found
        return cls._among(items, np.zeros(items.shape[1], dtype=bool))

    @classmethod
    def _among(cls, items: csr_matrix, codes: np.ndarray) -> Self:
        owners = np.repeat(np.arange(items.shape[0]), np.diff(items.indptr))
        kept = codes[items.indices]
        owners, values = owners[kept], items.data[kept]
        numbers = (np.cumsum(codes) - 1)[items.indices[kept]]
        nth = np.arange(len(owners)) - np.searchsorted(owners, owners)
        shape = (int(nth.max(initial=-1)) + 1, items.shape[0])
        terms = np.full(shape, codes.sum(), dtype=np.intp)
        weights = np.zeros(shape, dtype=np.float32)
        terms[nth, owners], weights[nth, owners] = numbers, values
        set_of = _alike(np.zeros(shape[1], dtype=np.intp), terms)
        kind_of = _alike(set_of, weights.view(np.int32))
        first_of = np.unique(kind_of, return_index=True)[1]
        return cls(
            codes, terms, weights, set_of, int(set_of.max(initial=-1)) + 1, kind_of, first_of
        )

    def greatest(self, values: np.ndarray) -> np.ndarray:
        """(n_sets,): of (n_items,) the greatest of each set."""
        found = np.full(self.n_sets, -np.inf, dtype=values.dtype)
        np.maximum.at(found, self.set_of, values)
        return found

    def of_sets(self) -> Self:
        """The sets in place of items: each as heavy in each term as the heaviest item that has it."""
        first = np.zeros(self.n_sets, dtype=np.int64)
        first[self.set_of] = np.arange(len(self.set_of))
        weights = [self.greatest(own) for own in self.weights]
        weights = np.array(weights, dtype=np.float32).reshape(len(self.terms), self.n_sets)
        itself = np.arange(self.n_sets)
        return UsualTerms(
            self.codes, self.terms[:, first], weights, itself, self.n_sets, itself, itself
        )

    def asked(self, profiles: csr_matrix) -> np.ndarray:
        """(n, number of usual terms + 1) float32: what (n, n_terms) profiles have of them; last 0."""
        known = np.flatnonzero(self.codes)
        numbers = place_of(known, len(self.codes))[profiles.indices]
        owners = np.repeat(np.arange(profiles.shape[0]), np.diff(profiles.indptr))
        found = np.zeros((profiles.shape[0], len(known) + 1), dtype=np.float32)
        found[owners[numbers >= 0], numbers[numbers >= 0]] = profiles.data[numbers >= 0]
        return found

    def shared(self, asked: np.ndarray) -> np.ndarray:
        """(n, n_items) float32: the products with all items, worked out once for each kind of them."""
        terms, weights = self.terms[:, self.first_of], self.weights[:, self.first_of]
        found = np.empty((len(asked), self.terms.shape[1]), dtype=np.float32)
        sums, part = (np.empty(len(self.first_of), dtype=np.float32) for _ in range(2))
        # A profile at a time, in a core's cache: a quarter of the time.
        for own, row in zip(asked, found, strict=True):
            sums.fill(0)
            for term, weight in zip(terms, weights, strict=True):
                np.take(own, term, out=part, mode="clip")
                part *= weight
                sums += part
            np.take(sums, self.kind_of, out=row, mode="clip")
        return found

    def shared_at(self, asked: np.ndarray, at: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(n_pairs,) float32: the products of profile `at` and item, to the bit `shared`'s."""
        found = np.zeros(len(at), dtype=np.float32)
        begins = at * asked.shape[1]
        for terms, weights in zip(self.terms, self.weights, strict=True):
            found += asked.take(begins + terms.take(items)) * weights.take(items)
        return found


def _alike(groups: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n_columns,) intp: the group of each column among those of `groups` that also have the same in each of the
    `rows`, of 32 bits. Row by row: to sort whole columns takes three times as long."""
    for row in rows:
        keys = groups.astype(np.int64) << 32 | (row.astype(np.int64) & 0xFFFFFFFF)
        groups = np.unique(keys, return_inverse=True)[1]
    return groups
