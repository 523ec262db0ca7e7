"""Terms: what the catalogue says of an item, as a sparse vector.

Words of its title, every level of its category ("Food > Tea" is two), its brand, and which fifth of
the prices around it its own is in. A term that one item alone has, or all, links nothing and is left
out. Items of which the catalogue says the same share one vector, a *face*: a grocer's 92 thousand
items have 48 thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack

from nightshelf.candidates.tastes import category_levels
from nightshelf.dataset.catalogue import Catalogue

PRICE_BUCKETS = 5
"""Fifths: cheap, below, about, above, dear."""
ENOUGH_PRICED = 20
"""Items with a price that a category needs for buckets of its own; others take the shop's."""
ANALYZERS = {
    "words": ({"analyzer": "word"},),
    "characters": ({"analyzer": "char_wb", "ngram_range": (3, 4)},),
    "both": ({"analyzer": "word"}, {"analyzer": "char_wb", "ngram_range": (3, 4)}),
}


@dataclass(frozen=True, eq=False)
class Faces:
    """Items by what the catalogue says of them; one face holds all of whom it says the same."""

    of_item: np.ndarray
    """(n_items,) int32."""
    n_items: np.ndarray
    """(n_faces,) float64: how many items have the face."""
    first: np.ndarray
    """(n_faces,) int64: one item of each."""


def item_terms(
    catalogue: Catalogue, weights: dict[str, float], text: str, max_terms: int
) -> tuple[csr_matrix, csr_matrix, np.ndarray]:
    """Each face's terms: weighted and binary, n_faces × n_terms float32; and each item's face.

    Weighted: TF-IDF in each of the groups title, category, brand and price, log(n_items / items that
    have the term), each group brought to length 1 and multiplied by its weight, then the whole to
    length 1; so a long title does not outweigh a shelf. A group of weight 0 is left out. `max_terms`
    bounds those of titles: the most frequent, equal ones by alphabet. About 0.5 s for 92 thousand
    items.
    """
    buckets = price_buckets(catalogue.prices, catalogue.categories)
    faces = _faces(catalogue, buckets)
    parts = []
    for group, part in _groups(catalogue, faces, buckets, text):
        counts = part.T @ faces.n_items
        linking = np.flatnonzero((counts >= 2) & (counts < len(catalogue)))
        if group == "title":
            order = np.lexsort((linking, -counts[linking]))[:max_terms]
            linking = np.sort(linking[order])
        if weights[group] and len(linking):
            idf = diags(np.log(len(catalogue) / counts[linking]))
            parts.append(weights[group] * unit_rows(part[:, linking] @ idf))
    if not parts:
        parts = [csr_matrix((len(faces.first), 0))]
    terms = hstack(parts, format="csr")
    terms.sort_indices()
    weighted, binary = unit_rows(terms).astype(np.float32), terms.astype(np.float32)
    binary.data[:] = 1
    return weighted, binary, faces.of_item


def unit_rows(matrix: csr_matrix) -> csr_matrix:
    """Rows of length 1; rows of zeros stay."""
    lengths = row_lengths(matrix)
    return (diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr()


def row_lengths(matrix: csr_matrix) -> np.ndarray:
    """(n_rows,) float64. Each row is added up by itself, in its own order."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.sqrt(np.bincount(rows, matrix.data.astype(np.float64) ** 2, matrix.shape[0]))


def price_buckets(prices: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """(n_items,) int32: which fifth of the item's category the price is in, equal prices alike; of
    the shop where the category is unknown or has few prices; -1 without a price."""
    priced = np.flatnonzero(np.isfinite(prices))
    counts = np.bincount(categories[priced] + 1, minlength=1)
    counts[0] = 0
    whole = np.zeros(len(prices), dtype=np.int64)
    of_shop, of_category = (_fifths(prices, groups, priced) for groups in (whole, categories))
    buckets = np.full(len(prices), -1, dtype=np.int32)
    own = counts[categories[priced] + 1] >= ENOUGH_PRICED
    buckets[priced] = np.where(own, of_category, of_shop)
    return buckets


def _fifths(prices: np.ndarray, groups: np.ndarray, priced: np.ndarray) -> np.ndarray:
    order = np.lexsort((prices[priced], groups[priced]))
    sorted_groups, sorted_prices = groups[priced][order], prices[priced][order]
    begins = np.searchsorted(sorted_groups, sorted_groups, side="left")
    sizes = np.searchsorted(sorted_groups, sorted_groups, side="right") - begins
    changed = np.ones(len(order), dtype=bool)
    changed[1:] = (sorted_groups[1:] != sorted_groups[:-1]) | (
        sorted_prices[1:] != sorted_prices[:-1]
    )
    cheaper = np.maximum.accumulate(np.where(changed, np.arange(len(order)), 0)) - begins
    fifths = np.empty(len(order), dtype=np.int32)
    fifths[order] = PRICE_BUCKETS * cheaper // np.maximum(sizes, 1)
    return fifths


def _faces(catalogue: Catalogue, buckets: np.ndarray) -> Faces:
    _, titles = np.unique(catalogue.titles, return_inverse=True)
    keys = [titles, catalogue.categories, catalogue.brands, buckets]
    order = np.lexsort(keys)
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    of_item = np.empty(len(order), dtype=np.int32)
    of_item[order] = np.cumsum(begins) - 1
    return Faces(of_item, np.bincount(of_item).astype(np.float64), order[begins])


def _groups(
    catalogue: Catalogue, faces: Faces, buckets: np.ndarray, text: str
) -> Iterator[tuple[str, csr_matrix]]:
    """The groups of terms, n_faces × n_terms of ones."""
    titles = catalogue.titles[faces.first]
    yield "title", hstack([_text_terms(titles, how) for how in ANALYZERS[text]], format="csr")
    levels, nodes = category_levels(catalogue.category_names)
    category = catalogue.categories[faces.first]
    known = np.flatnonzero(category >= 0)
    on_levels = levels[:, category[known]]
    paths = _ones(np.tile(known, len(levels)), on_levels.ravel(), (len(titles), len(nodes)))
    yield "category", paths
    for group, codes in (("brand", catalogue.brands), ("price", buckets)):
        codes = codes[faces.first]
        known = np.flatnonzero(codes >= 0)
        shape = (len(titles), int(codes.max(initial=-1)) + 1)
        yield group, _ones(known, codes[known], shape)


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """1 at each (row, column), named once or more often."""
    matrix = csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
    matrix.data[:] = 1
    return matrix


def _text_terms(titles: np.ndarray, how: dict) -> csr_matrix:
    """Terms in the order of the alphabet, accents and case aside."""
    from sklearn.feature_extraction.text import CountVectorizer

    distinct, at = np.unique(titles, return_inverse=True)
    vectoriser = CountVectorizer(binary=True, strip_accents="unicode", dtype=np.float64, **how)
    # A last title that has terms, as the vectoriser refuses to read titles that have none.
    return vectoriser.fit_transform([*distinct, "none"])[:-1].tocsr()[at]
