"""Content: items that look like what the user took, by title, category, brand and price.

It needs no neighbours among users, so it offers what nobody has taken yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, issparse

from nightshelf.candidates.base import cores, cut
from nightshelf.candidates.best import Recommendations
from nightshelf.candidates.lately import taken_lately, takers
from nightshelf.candidates.one_list import offerable
from nightshelf.candidates.params import DAYS, MOST_DAYS, need
from nightshelf.candidates.reached import Reached, ReachingModel, best_reached
from nightshelf.candidates.sparse import (
    csr_arrays,
    csr_of,
    dense_product,
    product,
    ranges,
    values_at,
    without_columns,
)
from nightshelf.candidates.terms import ANALYZERS, item_terms, row_lengths
from nightshelf.candidates.usual_terms import UsualTerms
from nightshelf.dataset.interactions import Interactions

AT_ONCE = 64
"""Faces compared in one product by `similar_items`: bounds memory, changes nothing."""


@dataclass(frozen=True)
class ContentParams:
    similarity: str = "cosine"
    """"cosine" of TF-IDF weights, or "jaccard": shared terms over all terms of either, rare and
    common alike."""
    text: str = "words"
    """"words" of titles; "characters": runs of 3 and 4 in words, for scripts without spaces and
    shops full of misspelt titles; or "both", at ten times the cost."""
    title: float = 1.0
    """Weight of the title's terms among the four groups."""
    category: float = 0.5
    """Weight of the category's levels."""
    brand: float = 1.0
    """Weight of the brand."""
    price: float = 0.2
    """Weight of the price's fifth within the category."""
    max_terms: int = 20_000
    """Of titles: the most frequent."""
    half_life_days: float = 60.0
    """Of the user's own profile; 0 means that old events count in full."""
    popularity: float = 1.0
    """An item that sells best counts 1 + popularity, one that sold to nobody 1; 0 leaves looks
    alone, and their many ties."""
    window_days: int = 28
    """As in popularity."""
    burst: float = 2.0
    """As in popularity."""

    def __post_init__(self) -> None:
        known = self.similarity in ("cosine", "jaccard")
        need(known, "similarity", self.similarity, "cosine or jaccard")
        need(self.text in ANALYZERS, "text", self.text, "words, characters or both")
        for key, weight in self.weights().items():
            need(weight >= 0, key, weight, "0 or more")
        need(self.max_terms >= 1, "max_terms", self.max_terms, "at least 1")
        need(self.half_life_days >= 0, "half_life_days", self.half_life_days, "0 or more")
        need(self.popularity >= 0, "popularity", self.popularity, "0 or more")
        need(1 <= self.window_days <= MOST_DAYS, "window_days", self.window_days, DAYS)
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")

    def weights(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("title", "category", "brand", "price")}


class Content(ReachingModel):
    """Score: similarity of the user's profile and the item, more for what sells, at most 1.

    The profile is the sum of the vectors of the user's items (`terms`), weighted by log(1 + decayed
    weight). Jaccard is generalised to it by Tanimoto: p·x / (p·p + x·x - p·x), with the profile's
    mean vector. Offered: what can be bought and has a term in common with the profile, own items
    too. A shop without a catalogue gets no rows. Exact, though items that share usual terms alone are
    scored only where they may be among the best.
    """

    name: ClassVar[str] = "content"
    Params: ClassVar[type] = ContentParams

    def _fit(self, interactions: Interactions) -> None:
        vectors, faces = self._vectors(interactions)
        self.vectors, self.faces = vectors, faces
        told = np.diff(vectors.indptr)[faces] > 0
        self.columns = np.flatnonzero(told & offerable(interactions)).astype(np.int32)
        self.appeal = self._appeal(interactions)[self.columns]
        history = interactions.matrix(self.params.half_life_days or None, log=True)
        known = np.arange(len(faces))
        by_face = csr_matrix(
            (np.ones(len(faces), dtype=np.float32), (known, faces)), (len(faces), vectors.shape[0])
        )
        self.history = (history @ by_face).tocsr()
        self.history.sort_indices()
        self._part_terms()

    def _vectors(self, interactions: Interactions) -> tuple[csr_matrix, np.ndarray]:
        params, catalogue = self.params, interactions.catalogue
        if catalogue is None or not len(catalogue):
            return csr_matrix((1, 0), dtype=np.float32), np.zeros(len(self.items), dtype=np.int32)
        found = item_terms(catalogue, params.weights(), params.text, params.max_terms)
        weighted, binary, faces = found
        return (weighted if params.similarity == "cosine" else binary), faces

    def _appeal(self, interactions: Interactions) -> np.ndarray:
        """(n_items,) float32: from 1 / (1 + popularity) to 1."""
        params = self.params
        sold = np.log1p(takers(taken_lately(interactions, params.window_days, params.burst)))
        share = sold / max(sold.max(initial=0), 1e-9)
        return ((1 + params.popularity * share) / (1 + params.popularity)).astype(np.float32)

    def _columns(self) -> np.ndarray:
        return self.columns

    def _part_terms(self) -> None:
        """Usual terms from those that few items have."""
        items = self.vectors[self.faces[self.columns]]
        self._usual = UsualTerms.of(items)
        self._rare = without_columns(items, self._usual.codes).T.tocsr()
        self._n_terms = np.diff(items.indptr).astype(np.float32)
        self._sets = self._usual.of_sets()
        self._most_appeal = self._usual.greatest(self.appeal)
        self._fewest_terms = -self._usual.greatest(-self._n_terms)

    def _scored(self, rows: np.ndarray) -> Reached:
        own = self.history[rows]
        profiles = (own @ self.vectors).tocsr()
        profiles.sort_indices()
        if self.params.similarity == "cosine":
            sizes = row_lengths(profiles)
        else:
            owners = np.repeat(np.arange(len(rows)), np.diff(own.indptr))
            sizes = np.bincount(owners, own.data.astype(np.float64), len(rows))
        sizes = np.where(sizes > 0, sizes, 1).astype(np.float32)
        profiles.data /= np.repeat(sizes, np.diff(profiles.indptr))
        return self._reached(profiles)

    def _reached(self, profiles: csr_matrix) -> Reached:
        """Items that have a rarer term in common with (n, n_terms) profiles."""
        asked, lengths = self._usual.asked(profiles), _squares(profiles)
        scores = product(profiles, self._rare)
        if issparse(scores):
            at = np.repeat(np.arange(profiles.shape[0]), np.diff(scores.indptr))
            shared = scores.data + self._usual.shared_at(asked, at, scores.indices)
            scores.data = self._alike(shared, lengths[at], self._n_terms[scores.indices])
            scores.data *= self.appeal[scores.indices]
            rest = self._alike(self._sets.shared(asked), lengths[:, None], self._fewest_terms)
            rest = (rest * self._most_appeal).max(axis=1, initial=0)
        else:
            self._add_usual(scores, asked, lengths)
            rest = np.zeros(len(lengths), dtype=np.float32)

        def of(at: np.ndarray, places: np.ndarray) -> np.ndarray:
            found = values_at(scores, at, places)
            none = np.flatnonzero(found <= 0)
            at, places = at[none], places[none]
            usual = self._usual.shared_at(asked, at, places)
            usual = self._alike(usual, lengths[at], self._n_terms[places])
            found[none] = usual * self.appeal[places]
            return found

        def whole(at: np.ndarray) -> np.ndarray:
            found = dense_product(profiles[at], self._rare)
            self._add_usual(found, asked[at], lengths[at])
            return found

        return Reached(self.columns, scores, rest, of, whole)

    def _add_usual(self, shared: np.ndarray, asked: np.ndarray, lengths: np.ndarray) -> None:
        """Makes scores of products with rare terms, in their place."""
        shared += self._usual.shared(asked)
        shared[:] = self._alike(shared, lengths[:, None], self._n_terms)
        shared *= self.appeal

    def _alike(self, shared: np.ndarray, lengths: np.ndarray, n_terms: np.ndarray) -> np.ndarray:
        """The similarity, from the product of profile and item, and what each has by itself; rises with the
        product, falls with the number of terms."""
        if self.params.similarity == "jaccard":
            shared = shared / np.maximum(lengths + n_terms - shared, np.float32(1e-9))
        return np.minimum(shared, 1)

    def similar_items(self, k: int, codes: np.ndarray | None = None) -> Recommendations:
        """One row per (item, similar item): `users` holds item codes, as in ItemKnn's.

        For all items, or for `codes` (rising): those that nobody took have no neighbours but these.
        Exact, by the same measure as the recommendations; about 0.6 ms an item at 92 thousand.
        """
        codes = np.arange(len(self.items)) if codes is None else np.asarray(codes, dtype=np.int64)
        faces, at = np.unique(self.faces[codes], return_inverse=True)
        blocks = np.split(faces, np.arange(AT_ONCE, len(faces), AT_ONCE))
        with ThreadPoolExecutor(cores()) as pool:
            # One more than wanted, as an item's face holds the item itself.
            lists = list(pool.map(lambda block: self._lists(block, k + 1), blocks))
        starts = np.concatenate([[0], *(counts for counts, _, _ in lists)]).cumsum()
        similar, scores = (np.concatenate([part[n] for part in lists]) for n in (1, 2))
        lengths = np.diff(starts)[at]
        rows = np.repeat(np.arange(len(codes)), lengths)
        entries = ranges(starts[at], lengths)
        others = similar[entries] != codes[rows]
        rows, entries = rows[others], entries[others]
        rows, similar, scores, ranks = cut(rows, similar[entries], scores[entries], len(codes), k)
        return Recommendations(codes[rows].astype(np.int32), similar, scores, ranks)

    def _lists(self, faces: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each face's list: its length, then the items and scores of all, one after the other."""
        reached, at = self._reached(self.vectors[faces]), np.arange(len(faces))
        found = best_reached(self.columns, reached, [None], k, at)[0]
        return np.bincount(found.users, minlength=len(faces)), found.item_codes, found.scores

    def _arrays(self) -> dict[str, np.ndarray]:
        own = {"faces": self.faces, "columns": self.columns, "appeal": self.appeal}
        vectors, history = (
            csr_arrays("vectors", self.vectors),
            csr_arrays("history", self.history),
        )
        width = np.array([self.vectors.shape[1]], dtype=np.int64)
        return {**own, "n_terms": width, **vectors, **history}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.faces, self.columns = arrays["faces"], arrays["columns"]
        self.appeal = arrays["appeal"]
        n_faces, n_terms = len(arrays["vectors_indptr"]) - 1, int(arrays["n_terms"][0])
        self.vectors = csr_of("vectors", arrays, (n_faces, n_terms))
        self.history = csr_of("history", arrays, (len(self.users), n_faces))
        self._part_terms()


def _squares(profiles: csr_matrix) -> np.ndarray:
    """(n,) float32: each row's sum of squares, added up by itself, in its own order."""
    return (row_lengths(profiles) ** 2).astype(np.float32)
