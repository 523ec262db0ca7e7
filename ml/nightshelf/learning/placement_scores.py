"""What the models say of items and categories beyond users' lists: the scores of the placements that
SQL cannot count by itself. Tables, one Parquet each below the attempt's scores/:

    cart             one row per (item or pair of items, completion)
    next_categories  one row per (user, category), the likeliest first
    trending         one row per item that a user or more beyond its own past took this week
    onboarding       one row per item to ask a newcomer about
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from nightshelf.candidates import CandidateModel, Trend, fingerprint
from nightshelf.candidates.carts import CartParams, Completions, completions
from nightshelf.candidates.onboarding import telling
from nightshelf.candidates.one_list import offerable
from nightshelf.candidates.top_k import top_k
from nightshelf.dataset.baskets import Baskets
from nightshelf.dataset.interactions import Interactions
from nightshelf.learning.scores import ids_of, write_scores
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import pinned
from nightshelf.settings.shop import Placements, Shop

VIEWS = ("cart", "next_categories", "trending", "onboarding")
DEEP = 2
"""Rows kept per slot of a list: rules may take half of it away before it shortens."""
USERS_AT_ONCE = 4096
"""Bounds memory, changes nothing."""


def write(
    seen: Interactions,
    models: Mapping[str, CandidateModel],
    baskets: Baskets,
    shop: Shop,
    attempt: Attempt,
) -> dict[str, str]:
    """Writes the tables from what serves tonight; returns table → fingerprint. A placement that is
    switched off is not computed: its table is there, and empty."""
    settings, placements = pinned(attempt).settings, shop.placements
    params = CartParams(
        settings["bought_together"].min_baskets,
        settings["rules"].certainty,
        placements.cart_pairs,
        DEEP * placements.k_cart,
    )
    # A burst is what a trend shelf is there to show, so nothing is damped; and counted in people, what
    # rises likelier than not says more than the little that rises for certain.
    trend = Trend(replace(settings["trend"], burst=0.0, confidence=0.5))
    tables = {
        "cart": lambda on: _cart(baskets, params, on),
        "next_categories": lambda on: _next_categories(seen, models, placements, on),
        "trending": lambda on: _trending(seen, trend, on),
        "onboarding": lambda on: _onboarding(seen, placements, on),
    }
    of = {"next_categories": "next_category", "onboarding": "cold_start"}
    told = {}
    for name, make in tables.items():
        table, told[name] = make(placements.is_on(of.get(name, name)))
        write_scores(attempt, name, table)
    return told


Made = tuple[dict[str, pa.Array], str]
"""A table, and its fingerprint."""


def _cart(baskets: Baskets, params: CartParams, is_on: bool) -> Made:
    found = completions(baskets, params) if is_on else _no_completions()
    table = {
        "item_id": ids_of(baskets.items, found.first),
        "second_id": ids_of(baskets.items, found.second),
        "completion_id": ids_of(baskets.items, found.items),
        "score": pa.array(found.scores.astype(np.float64)),
        "is_counted": pa.array(found.counted),
    }
    return table, fingerprint(vars(found))


def _no_completions() -> Completions:
    none = np.zeros(0, dtype=np.int32)
    return Completions(none, none, none, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=bool))


def _next_categories(
    seen: Interactions, models: Mapping[str, CandidateModel], placements: Placements, is_on: bool
) -> Made:
    """The likeliest categories of each user's next visit, by the Markov chain's chances of items, as
    far as these may be offered."""
    groups, names = _categories(seen)
    parts = [(np.zeros(0, np.int32),) * 2 + (np.zeros(0, np.float32),)]
    if is_on and len(names):
        chain = models["markov"]
        shares = chain.group_chances(groups)
        for start in range(0, len(seen.users), USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(seen.users)))
            chances = chain.chances_of_groups(rows, shares)
            chances[chances <= 0] = -np.inf
            at, found, values, _ = top_k(chances, DEEP * placements.next_categories)
            parts.append((rows[at].astype(np.int32), found, values))
    users, categories, chances = (np.concatenate(column) for column in zip(*parts, strict=True))
    table = {
        "user_id": ids_of(seen.users, users),
        "category": ids_of(names, categories),
        "probability": pa.array(chances.astype(np.float64)),
    }
    return table, fingerprint({"users": users, "categories": categories, "chances": chances})


def _categories(seen: Interactions) -> tuple[csr_matrix, np.ndarray]:
    """Items × categories of ones, for what may be offered; the categories' names."""
    catalogue = seen.catalogue
    if catalogue is None:
        return csr_matrix((len(seen.items), 0)), np.zeros(0, dtype=object)
    known = np.flatnonzero((catalogue.categories >= 0) & catalogue.offerable)
    shape = (len(seen.items), len(catalogue.category_names))
    places = (known, catalogue.categories[known])
    ones = np.ones(len(known), dtype=np.float32)
    return csr_matrix((ones, places), shape), catalogue.category_names


def _trending(seen: Interactions, trend: Trend, is_on: bool) -> Made:
    """What rises, and by how many users."""
    more = trend.more_users(seen) if is_on else np.zeros(len(seen.items))
    rising = np.flatnonzero(more >= 1).astype(np.int32)
    table = {
        "item_id": ids_of(seen.items, rising),
        "more_users": pa.array(more[rising]),
    }
    return table, fingerprint({"items": rising, "more_users": more[rising]})


def _onboarding(seen: Interactions, placements: Placements, is_on: bool) -> Made:
    unknown = np.full(len(seen.items), -1)
    groups = unknown if seen.catalogue is None else seen.catalogue.categories
    k = DEEP * placements.k_onboarding if is_on else 0
    items, bits = telling(seen.taken(), offerable(seen), groups, k)
    table = {"item_id": ids_of(seen.items, items), "bits": pa.array(bits)}
    return table, fingerprint({"items": items, "bits": bits})


def freshest_without(seen: Interactions, known: np.ndarray, n: int) -> np.ndarray:
    """(at most n,) int64, rising: codes of items that may be offered and are not among `known`, those
    that were listed or taken last. An old catalogue's thousands that nobody asks for would cost a night
    most of its time."""
    fresh = np.full(len(seen.items), np.iinfo(np.int32).min, dtype=np.int32)
    if seen.catalogue is not None:
        fresh = seen.catalogue.listed_on.copy()
    np.maximum.at(fresh, seen.item_codes, seen.days)
    can = offerable(seen).copy()
    can[known] = False
    codes = np.flatnonzero(can)
    return np.sort(codes[np.lexsort((codes, -fresh[codes].astype(np.int64)))][:n])
