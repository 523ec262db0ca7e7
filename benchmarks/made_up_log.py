"""Synthetic logs of a large shop: popular items by Zipf's law, visits with a theme, several types of event."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

THEMES = 50
IN_THEME = 0.67
"""Share of a visit's events that keep to its theme."""
PER_VISIT = 5
"""Events in the mean; geometric: most visits are short, some long."""
EVENTS_A_USER = 100
"""As in a shop of a million users with a hundred million events."""
DAYS = 90
TYPES = {"view": 0.7, "cart_add": 0.2, "purchase": 0.1}


def events(n_events: int, n_items: int, seed: int = 20170101) -> dict[str, np.ndarray]:
    """Columns user, item, day and type, one row per (user, item, day, type), sorted so; a few
    hundredths fewer than `n_events`, as some happen twice."""
    generator = np.random.default_rng(seed)
    n_visits, n_users = max(n_events // PER_VISIT, 1), max(n_events // EVENTS_A_USER, 1)
    visit = np.repeat(np.arange(n_visits), generator.geometric(1 / PER_VISIT, n_visits))
    user = generator.integers(0, n_users, n_visits)[visit]
    day = generator.integers(0, DAYS, n_visits)[visit]
    theme = generator.integers(0, THEMES, n_visits)[visit]
    item = _by_zipf(generator, len(visit), n_items, theme)
    kind = generator.choice(len(TYPES), len(visit), p=list(TYPES.values()))
    key = ((user * n_items + item) * DAYS + day) * len(TYPES) + kind
    rest, kind = np.divmod(_distinct(key), len(TYPES))
    rest, day = np.divmod(rest, DAYS)
    user, item = np.divmod(rest, n_items)
    columns = {"user": user, "item": item, "day": day}
    return {n: c.astype(np.int32) for n, c in columns.items()} | {"type": kind.astype(np.int8)}


def pairs(n_pairs: int, n_users: int, n_items: int, seed: int = 20170101) -> csr_matrix:
    """Users × items float32 >= 1: how often, of about `n_pairs` pairs; a user keeps to three themes."""
    generator = np.random.default_rng(seed)
    themes = generator.integers(0, THEMES, (n_users, 3))
    # Most users have little, some much.
    share = generator.lognormal(0, 1, n_users)
    user = np.repeat(np.arange(n_users), np.ceil(share / share.sum() * n_pairs).astype(np.int64))
    theme = themes[user, generator.integers(0, 3, len(user))]
    item = _by_zipf(generator, len(user), n_items, theme)
    keys, counts = np.unique(user * n_items + item, return_counts=True)
    user, item = np.divmod(keys, n_items)
    indptr = np.append(0, np.cumsum(np.bincount(user, minlength=n_users)))
    return csr_matrix(
        (counts.astype(np.float32), item.astype(np.int32), indptr), (n_users, n_items)
    )


def _by_zipf(generator, n: int, n_items: int, theme: np.ndarray) -> np.ndarray:
    """(n,) int64: the r-th item is drawn with a chance of about 1 / r; the r-th of each theme is near."""
    drawn = np.exp(generator.random(n) * np.log(n_items + 1)) - 1
    drawn = np.minimum(drawn, n_items - 1).astype(np.int64)
    near = drawn // THEMES * THEMES + theme
    return np.minimum(np.where(generator.random(n) < IN_THEME, near, drawn), n_items - 1)


def _distinct(keys: np.ndarray) -> np.ndarray:
    keys.sort()
    return keys[np.append(True, keys[1:] != keys[:-1])]
