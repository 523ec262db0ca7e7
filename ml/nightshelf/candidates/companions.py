"""Bought together: what else the baskets of an item hold, with the count to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import cut
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.sparse import distinct, ranges
from nightshelf.candidates.top_k import best_keys, packed
from nightshelf.candidates.variants import Variants

ROWS_AT_ONCE = 2048
"""Items in one sparse product: bounds memory (about 200 MB on grocery baskets), changes nothing."""


@dataclass(frozen=True)
class BoughtTogetherParams:
    min_baskets: int = 5
    """Baskets that an item stands in before it has companions, or is one: below, one family's habit
    looks like a rule."""
    days: int = 182
    """Baskets of so many days before the night count: what goes together follows the season."""
    prior: float = 10.0
    """Baskets of the shop's own mix that are added to an item's: what stands with a rare item once or
    twice is ranked by how often it stands in any basket."""

    def __post_init__(self) -> None:
        need(self.min_baskets >= 1, "min_baskets", self.min_baskets, "at least 1")
        need(1 <= self.days <= MOST_DAYS, "days", self.days, DAYS)
        need(self.prior >= 0, "prior", self.prior, "0 or more")


@dataclass(frozen=True, eq=False)
class Companions:
    """One row per (item, companion), sorted by (item, rank); ranks 1..n without holes, n <= k."""

    items: np.ndarray
    """(n_rows,) int32: item code."""
    companions: np.ndarray
    """(n_rows,) int32: item code, of another product."""
    scores: np.ndarray
    """(n_rows,) float32 in (0, 1]: the chance that a basket with the item holds the companion."""
    ranks: np.ndarray
    """(n_rows,) int16."""
    baskets: np.ndarray
    """(n_rows,) int32: baskets that hold both."""


def bought_together(
    basket_codes: np.ndarray,
    item_codes: np.ndarray,
    n_items: int,
    k: int,
    params: BoughtTogetherParams | None = None,
    variants: Variants | None = None,
) -> Companions:
    """The k best companions of each item, from one row per basket line (repeated lines count once).

    With `variants`, baskets are counted by product: no item is the companion of its own variants, each
    has the companions of its product, and of a companion product one variant is named.

    Score: (together + prior × share) / (a + prior), of a's baskets and the companion's share of all:
    confidence drawn towards what holds for any basket, the m-estimate of Cestnik 1990. Of one item it
    ranks by count, and by popularity where counts are few.

    Exact: counts of the whole sparse product, filtered, then sorted by (score, item code). About
    3 s for 75 thousand baskets of 9 items.
    """
    params = params or BoughtTogetherParams()
    variants = variants or Variants.none(n_items)
    holds = baskets_of(basket_codes, variants.products[item_codes], len(variants))
    n_baskets = int(np.count_nonzero(np.diff(holds.indptr)))
    frequency = np.bincount(holds.indices, minlength=len(variants))
    parts = []
    for rows, columns, together in counted_pairs(holds, params.min_baskets, min_together=1):
        can = variants.shown[columns] >= 0
        pairs = rows[can], columns[can], together[can]
        parts.append(_best(*pairs, frequency, n_baskets, k, params))
    return _by_item(_joined(parts), variants)


def _by_item(found: Companions, variants: Variants) -> Companions:
    """Of products as of items: each item has its product's companions, by the items they show."""
    firsts = np.searchsorted(found.items, np.arange(len(variants)))
    ends = np.searchsorted(found.items, np.arange(len(variants)), side="right")
    lengths = (ends - firsts)[variants.products]
    rows = ranges(firsts[variants.products], lengths)
    return Companions(
        np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        variants.shown[found.companions[rows]],
        found.scores[rows],
        found.ranks[rows],
        found.baskets[rows],
    )


def counted_pairs(
    holds: csr_matrix, min_baskets: int, min_together: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(item, another, baskets with both), both ways, of items that stand in `min_baskets` and share
    `min_together`.

    `holds`: baskets × items of ones. Some thousand items at a time, each item's pairs in one part.
    """
    frequency = np.bincount(holds.indices, minlength=holds.shape[1])
    frequent = np.flatnonzero(frequency >= min_baskets)
    holds = holds[:, frequent]
    by_item = holds.T.tocsr()
    for start in range(0, len(frequent), ROWS_AT_ONCE):
        together = (by_item[start : start + ROWS_AT_ONCE] @ holds).tocoo()
        rows, columns = frequent[together.row + start], frequent[together.col]
        enough = (together.data >= min_together) & (rows != columns)
        yield rows[enough], columns[enough], together.data[enough]


def wilson_lower(hits: np.ndarray, trials: np.ndarray, z: float) -> np.ndarray:
    """The lower end of Wilson's score interval of hits / trials, z standard errors wide; trials > 0.

    0 hits give 0; z = 0 gives the plain share. Wilson 1927; Brown, Cai, DasGupta 2001.
    """
    share = hits / trials
    spread = z * np.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    lower = (share + z * z / (2 * trials) - spread) / (1 + z * z / trials)
    return np.where(hits > 0, np.maximum(lower, 0.0), 0.0)


def baskets_of(basket_codes: np.ndarray, item_codes: np.ndarray, n_items: int) -> csr_matrix:
    """Baskets × items of ones, int32; repeated lines count once."""
    lines = distinct(np.asarray(basket_codes, dtype=np.int64) * n_items + item_codes)
    baskets, items = np.divmod(lines, max(n_items, 1))
    n_baskets = int(baskets.max()) + 1 if len(lines) else 0
    ones = np.ones(len(lines), dtype=np.int32)
    return csr_matrix((ones, (baskets, items)), shape=(n_baskets, n_items))


def _best(rows, columns, together, frequency, n_baskets, k, params):
    anywhere = params.prior * frequency[columns] / n_baskets
    scores = ((together + anywhere) / (frequency[rows] + params.prior)).astype(np.float32)
    kept = _among_best(rows, columns, scores, k)
    rows, columns, scores, together = (each[kept] for each in (rows, columns, scores, together))
    order = np.lexsort((columns, -scores, rows))
    n_rows = int(rows.max()) + 1 if len(rows) else 0
    at, codes, values, ranks = cut(rows[order], columns[order], scores[order], n_rows, k)
    # cut keeps order, so the counts are cut the same way.
    _, counts, _, _ = cut(rows[order], together[order], scores[order], n_rows, k)
    return at.astype(np.int32), codes, values, ranks, counts


def _among_best(rows, columns, scores, k: int) -> np.ndarray:
    """(n_pairs,) bool: is the pair one of its row's k best? `rows` must not fall. To sort all pairs by
    three columns takes four times as long."""
    if not len(rows):
        return np.zeros(0, dtype=bool)
    numbers = np.cumsum(np.append(False, rows[1:] != rows[:-1]))
    keys = packed(scores, columns)
    last = best_keys(numbers, keys, int(numbers[-1]) + 1, k)[:, -1]
    return keys <= last[numbers]


def _joined(parts) -> Companions:
    dtypes = (np.int32, np.int32, np.float32, np.int16, np.int32)
    empty = tuple(np.zeros(0, dtype=dtype) for dtype in dtypes)
    return Companions(*(np.concatenate(column) for column in zip(empty, *parts, strict=True)))
