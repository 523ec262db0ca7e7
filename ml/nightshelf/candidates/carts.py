"""What completes a cart: for an item, and for a pair that is often bought together, the third.

As `rules`, one item further: a completion is believed as far as its count allows, by the lower end of
Wilson's interval, and ranked by confidence × log lift. Of a pair the baskets with all three are counted;
where they are too few, the rules of its two items stand in at a discount, as "stupid backoff" does for
words (Brants et al. 2007): a count beats a guess, and a guess beats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.sparse import csr_matrix, vstack

from nightshelf.candidates.companions import baskets_of, wilson_lower
from nightshelf.candidates.rules import RuleTable, association_rules, strengths
from nightshelf.candidates.sparse import ranges, strongest
from nightshelf.dataset.baskets import Baskets

BACK_OFF = 0.4
"""What a rule of one item counts for beside a count of the pair: the value of Brants et al."""
PAIRS_AT_ONCE = 1024
"""Bounds memory, changes nothing."""


@dataclass(frozen=True)
class CartParams:
    min_baskets: int
    """Baskets that hold the whole set."""
    certainty: float
    """Of the lower bound, one-sided."""
    pairs: int
    """Contexts of two products: those most often bought together. Bounds cost and rows."""
    k: int
    """Completions kept for a context."""


@dataclass(frozen=True, eq=False)
class Completions:
    """One row per (context, completion), sorted by context. No completion is a variant of its context."""

    first: np.ndarray
    """(n_rows,) int32: the context's item."""
    second: np.ndarray
    """(n_rows,) int32: the pair's other item, with the larger code; -1 where one item is the context."""
    items: np.ndarray
    """(n_rows,) int32: what completes it; the shown variant of its product."""
    scores: np.ndarray
    """(n_rows,) float32 > 0: comparable across contexts."""
    counted: np.ndarray
    """(n_rows,) bool: counted as a triple; False for what one item's rule says."""


def completions(baskets: Baskets, params: CartParams) -> Completions:
    """The `k` best completions of each item and of each of the `pairs`.

    Exact within the pairs. The counting of all triples would grow with the cube of a basket; of 2,000
    pairs it takes about 1 s for 75 thousand baskets of 9 items.
    """
    variants = baskets.variants
    products = variants.products[baskets.item_codes]
    holds = baskets_of(baskets.basket_codes, products, len(variants))
    table = association_rules(holds, params.min_baskets, params.certainty)
    singles = strongest(strengths(table, variants.shown), params.k)
    one, other = _pairs(table, params.pairs)
    counted = _triples(holds, one, other, variants.shown, params)
    pairs = _backed_off(counted, singles, one, other, params.k)
    faces = _most_bought(baskets)
    return _joined(
        _of_items(singles, variants),
        _of_pairs(pairs, counted, faces[one], faces[other], variants.shown),
    )


def _pairs(table: RuleTable, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n pairs of products, the smaller code first, that share most baskets; ties by code."""
    low, high = (side(table.antecedents, table.consequents) for side in (np.minimum, np.maximum))
    pairs = np.unique(np.stack([-table.baskets, low, high]), axis=1)[:, :n]
    return pairs[1], pairs[2]


def _triples(
    holds: csr_matrix, one: np.ndarray, other: np.ndarray, shown: np.ndarray, params: CartParams
) -> csr_matrix:
    """Pairs × products: confidence × log lift of the third, where enough baskets hold all three."""
    by_product = holds.T.tocsr()
    frequency = np.bincount(holds.indices, minlength=holds.shape[1])
    n_baskets = max(int(np.count_nonzero(np.diff(holds.indptr))), 1)
    z = NormalDist().inv_cdf(params.certainty)
    parts = [csr_matrix((0, holds.shape[1]), dtype=np.float32)]
    for start in range(0, len(one), PAIRS_AT_ONCE):
        a, b = one[start : start + PAIRS_AT_ONCE], other[start : start + PAIRS_AT_ONCE]
        both = by_product[a].multiply(by_product[b]).tocsr()
        together = (both @ holds).tocoo()
        rows, thirds, baskets = together.row, together.col, together.data
        kept = (baskets >= params.min_baskets) & (thirds != a[rows]) & (thirds != b[rows])
        kept &= shown[thirds] >= 0
        rows, thirds, baskets = rows[kept], thirds[kept], baskets[kept]
        confidence = wilson_lower(baskets, np.asarray(both.sum(axis=1)).ravel()[rows], z)
        lift = confidence * n_baskets / frequency[thirds]
        more = lift > 1
        strength = (confidence[more] * np.log(lift[more])).astype(np.float32)
        shape = (len(a), holds.shape[1])
        parts.append(csr_matrix((strength, (rows[more], thirds[more])), shape))
    return vstack(parts, format="csr")


def _backed_off(
    counted: csr_matrix, singles: csr_matrix, one: np.ndarray, other: np.ndarray, k: int
) -> csr_matrix:
    """Pairs × products: the k best, counts where there are any, else the rules of either item."""
    rules = (singles[one].maximum(singles[other]) * BACK_OFF).tocsr()
    own = np.arange(len(one))
    taken = csr_matrix(
        (np.ones(2 * len(one)), (np.append(own, own), np.append(one, other))), counted.shape
    )
    taken = ((taken + (counted > 0)) > 0).astype(np.float32)
    rules = (rules - rules.multiply(taken)).tocsr()
    rules.eliminate_zeros()
    return strongest((counted + rules).astype(np.float32).tocsr(), k)


def _most_bought(baskets: Baskets) -> np.ndarray:
    """(n_products,) int32: the item of each product that stands in most lines; ties by code."""
    counts = np.bincount(baskets.item_codes, minlength=len(baskets.items))
    faces = np.zeros(len(baskets.variants), dtype=np.int32)
    order = np.lexsort((-np.arange(len(counts)), counts))
    faces[baskets.variants.products[order]] = order
    return faces


def _of_items(singles: csr_matrix, variants) -> Completions:
    """Each item has its product's rules."""
    lengths = np.diff(singles.indptr)[variants.products]
    rows = ranges(singles.indptr[variants.products], lengths)
    first = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    none = np.full(len(first), -1, dtype=np.int32)
    items = variants.shown[singles.indices[rows]]
    return Completions(first, none, items, singles.data[rows], np.zeros(len(first), dtype=bool))


def _of_pairs(
    best: csr_matrix, counted: csr_matrix, one: np.ndarray, other: np.ndarray, shown: np.ndarray
) -> Completions:
    rows = np.repeat(np.arange(best.shape[0]), np.diff(best.indptr))
    is_counted = np.isin(_places(best), _places(counted))
    first, second = np.minimum(one, other)[rows], np.maximum(one, other)[rows]
    return Completions(first, second, shown[best.indices], best.data, is_counted)


def _places(matrix: csr_matrix) -> np.ndarray:
    """(n_entries,) int64: row and column of each as one number."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return rows * matrix.shape[1] + matrix.indices


def _joined(*parts: Completions) -> Completions:
    fields = ("first", "second", "items", "scores", "counted")
    return Completions(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
