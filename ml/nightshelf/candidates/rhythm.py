"""Rhythm: when people take an item again, and whether they do, learnt from the shop's own past.

The log is looked at as of several days in the past, two weeks apart. Each (user, item) pair known by
then either came back in the window that followed or did not; what its decayed count alone lets one
expect is divided out, and two tables of factors remain:

due: by days since the last purchase over the expected gap, and by the expected gap itself;
repeat: by item, since milk is bought again and a wedding gift is not.

After Bhagat et al. 2018, "Buy It Again": repeat-customer probability and time since the purchase, here
as ratios of counts (observed over expected) in place of fitted distributions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nightshelf.dataset.interactions import Interactions, group_starts

RATIOS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0,
                   2.5, 3.0, 4.0, 5.0, 7.0, 10.0])  # fmt: skip
"""Edges of days since the last purchase / expected gap: fine where due, coarse where long past."""
GAPS = np.array([4, 7, 10, 14, 21, 28, 42, 56, 84, 120])
"""Edges of the expected gap in days."""
LOOKED_AT_DAYS = 7.0
"""The gap that stands for pairs the user never bought, only looked at: their ratio counts weeks."""
COUNTS = np.exp2(np.arange(-10, 12, 0.5))
"""Edges of the decayed count: half octaves; below the first a pair is as good as forgotten."""
OWN_PRIOR, ITEM_PRIOR = 3.0, 5.0
"""Gaps that the item's mean, and the shop's, count for where a pair or an item has few. 1 to 3 and 5
to 20 were tried; on both shops .001 to .004 apart."""
DUE_PRIOR, REPEAT_PRIOR = 20.0, 5.0
"""Purchases that the factor 1 counts for: a bucket or an item without data says nothing."""
FADING = 0.8
"""What a window counts for of the one after it: seasons end, items go. 0.8 to 1 differ by .001."""
MAX_ROWS = 5_000_000
"""Of a larger log every n-th user is learnt from: 11 core-seconds and 300 MB, whatever the shop's size."""
PASSES = 3
"""Each table is fitted with the other held; after three passes nothing moves nDCG@10 by .0005."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """One row per (user, item) with a row before a day, sorted so."""

    users: np.ndarray
    items: np.ndarray
    decayed: np.ndarray
    """float64: the sum of weights, halved for every half-life of age."""
    last: np.ndarray
    """int32: the last day of any event."""
    bought: np.ndarray
    """int64: days with the target event."""
    first_bought: np.ndarray
    last_bought: np.ndarray

    def buckets(self, day: int, n_items: int) -> np.ndarray:
        """(n_pairs,) int64: the place in the table `due`, flattened."""
        owned = self.bought > 0
        gaps = np.where(owned, self.expected_gaps(n_items), LOOKED_AT_DAYS)
        since = day - np.where(owned, self.last_bought, self.last)
        by_gap = np.searchsorted(GAPS, gaps) + 1
        return np.searchsorted(RATIOS, since / gaps) * (len(GAPS) + 2) + np.where(owned, by_gap, 0)

    def expected_gaps(self, n_items: int) -> np.ndarray:
        """(n_pairs,) float64, days above 0: the mean of the pair's own gaps, pulled towards the mean
        of the item's over all users, and that towards the shop's, the more the fewer there are."""
        gaps = np.maximum(self.bought - 1, 0)
        spans = np.where(gaps > 0, self.last_bought - self.first_bought, 0).astype(np.float64)
        item_spans = np.bincount(self.items, spans, minlength=n_items)
        item_gaps = np.bincount(self.items, gaps, minlength=n_items)
        # A shop where nobody has bought anything twice has no gap: any will do, nothing is learnt.
        shop = item_spans.sum() / item_gaps.sum() if item_gaps.sum() else 28.0
        item_means = (item_spans + ITEM_PRIOR * shop) / (item_gaps + ITEM_PRIOR)
        return (spans + OWN_PRIOR * item_means[self.items]) / (gaps + OWN_PRIOR)


@dataclass(frozen=True, eq=False)
class Rows:
    """The columns of an `Interactions` that pairs are made of, and which rows are purchases."""

    users: np.ndarray
    items: np.ndarray
    days: np.ndarray
    weights: np.ndarray
    is_target: np.ndarray

    @classmethod
    def of(cls, interactions: Interactions) -> Rows:
        """Where the target never happened (only views), every row counts as one."""
        return cls(
            interactions.user_codes,
            interactions.item_codes,
            interactions.days,
            interactions.weights,
            _is_target(interactions),
        )

    def where(self, kept: np.ndarray) -> Rows:
        return Rows(*(column[kept] for column in vars(self).values()))

    def thinned(self, at_most: int) -> Rows:
        """Every n-th user, so that about `at_most` rows remain; all where they are fewer."""
        step = -(-len(self.days) // at_most)
        return self if step <= 1 else self.where(self.users % step == 0)

    def pairs(self, day: int, half_life_days: float) -> Pairs:
        """The pairs of all rows, with counts decayed to `day`."""
        starts = group_starts([self.users, self.items])
        if not len(starts):
            empty = np.zeros(0, dtype=np.int64)
            return Pairs(empty, empty, empty.astype(float), empty, empty, empty, empty)
        decayed = self.weights * np.exp2((self.days - day) / half_life_days)
        never = np.iinfo(np.int32)
        return Pairs(
            users=self.users[starts],
            items=self.items[starts],
            decayed=np.add.reduceat(decayed, starts),
            last=np.maximum.reduceat(self.days, starts),
            bought=np.add.reduceat(self.is_target.astype(np.int64), starts),
            first_bought=np.minimum.reduceat(
                np.where(self.is_target, self.days, never.max), starts
            ),
            last_bought=np.maximum.reduceat(np.where(self.is_target, self.days, never.min), starts),
        )


@dataclass(frozen=True, eq=False)
class Rhythm:
    due: np.ndarray
    """(ratios + 1, gaps + 2) float64 around 1. Column 0 is of pairs never bought."""
    repeat: np.ndarray
    """(n_items,) float64 around 1."""

    def factors(self, pairs: Pairs, day: int) -> np.ndarray:
        """(n_pairs,) float64 > 0: how much likelier the pair is to come back within a window after
        `day` than its decayed count alone says."""
        due = self.due.ravel()[pairs.buckets(day, len(self.repeat))]
        return due * self.repeat[pairs.items]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"due": self.due, "repeat": self.repeat}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Rhythm:
        return cls(arrays["due"], arrays["repeat"])


@dataclass(frozen=True, eq=False)
class Window:
    """The pairs known as of one day in the past, of users who came in the window after it: where each
    stands in the tables, and whether it came back. 8 bytes a pair."""

    buckets: np.ndarray
    items: np.ndarray
    levels: np.ndarray
    """int8: position of the decayed count in `COUNTS`."""
    again: np.ndarray
    weight: float

    @classmethod
    def of(cls, rows: Rows, day: int, window_days: int, half_life: float, n_items: int, weight):
        before = rows.where(rows.days < day).pairs(day, half_life)
        then = rows.where((rows.days >= day) & (rows.days < day + window_days) & rows.is_target)
        # Who did not come at all says when people come, not what they take again.
        came = np.zeros(int(rows.users[-1]) + 1, dtype=bool)
        came[then.users] = True
        asked = came[before.users]
        return cls(
            buckets=before.buckets(day, n_items)[asked].astype(np.int16),
            items=before.items[asked],
            levels=np.searchsorted(COUNTS, before.decayed)[asked].astype(np.int8),
            again=_among(before, then, n_items)[asked],
            weight=weight,
        )


def learn(
    rows: Rows, n_items: int, as_of: int, half_life_days: float, window_days: int, windows: int
) -> Rhythm:
    """The factors that the last `windows` windows before `as_of` teach; all 1 where history is
    shorter than two of them. About 1.5 core-seconds for 1.2 million rows and 8 windows."""
    due, repeat = np.ones((len(RATIOS) + 1, len(GAPS) + 2)), np.ones(n_items)
    rows = rows.thinned(MAX_ROWS)
    first = int(rows.days.min()) if len(rows.days) else as_of
    days = [as_of - n * window_days for n in range(1, windows + 1)]
    seen = [
        Window.of(rows, day, window_days, half_life_days, n_items, FADING**n)
        for n, day in enumerate(days)
        if day >= first + window_days
    ]
    if not any(len(window.items) for window in seen):
        return Rhythm(due, repeat)
    shares = _shares(seen)
    for _ in range(PASSES):
        due = _due(seen, shares, repeat, due.shape)
        repeat = _repeat(seen, shares, due.ravel(), n_items)
    return Rhythm(due, repeat)


def _due(seen: list[Window], shares: np.ndarray, repeat: np.ndarray, shape) -> np.ndarray:
    n = shape[0] * shape[1]
    came = _total(seen, lambda w: np.bincount(w.buckets, w.again, n))
    hoped = _total(seen, lambda w: np.bincount(w.buckets, shares[w.levels] * repeat[w.items], n))
    return _smooth(came.reshape(shape), hoped.reshape(shape))


def _repeat(seen: list[Window], shares: np.ndarray, due: np.ndarray, n_items: int) -> np.ndarray:
    came = _total(seen, lambda w: np.bincount(w.items, w.again, n_items))
    hoped = _total(seen, lambda w: np.bincount(w.items, shares[w.levels] * due[w.buckets], n_items))
    return (came + REPEAT_PRIOR) / (hoped + REPEAT_PRIOR)


def _shares(seen: list[Window]) -> np.ndarray:
    """Share that came back, by level of the decayed count: what that count alone lets one expect.

    It never falls with the count, as the score does not either: where those who viewed, carted and
    bought come back less than those who only viewed, the factors have to say so.
    """
    from scipy.optimize import isotonic_regression

    width = len(COUNTS) + 1
    came = _total(seen, lambda w: np.bincount(w.levels, w.again, width))
    of = _total(seen, lambda w: np.bincount(w.levels, minlength=width))
    shares, some = np.zeros(width), of > 0
    shares[some] = isotonic_regression(came[some] / of[some], weights=of[some]).x
    return shares


def _total(seen: list[Window], count: Callable[[Window], np.ndarray]) -> np.ndarray:
    return sum(window.weight * count(window) for window in seen)


def _smooth(came: np.ndarray, hoped: np.ndarray) -> np.ndarray:
    """Observed over expected, by gap rising with the ratio up to one peak and falling after it: what
    was just bought is not due, what is long overdue was given up."""
    weights = hoped + DUE_PRIOR
    factors = (came + DUE_PRIOR) / weights
    columns = [_one_peak(f, w) for f, w in zip(factors.T, weights.T, strict=True)]
    return np.array(columns).T


def _one_peak(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence (weighted least squares) that rises to a peak and falls after it."""
    from scipy.optimize import isotonic_regression

    best, least = values, np.inf
    for peak in range(len(values) + 1):
        rise = isotonic_regression(values[:peak], weights=weights[:peak]).x if peak else values[:0]
        fall = values[peak:]
        if len(fall):
            fall = isotonic_regression(fall, weights=weights[peak:], increasing=False).x
        found = np.concatenate((rise, fall))
        error = float((weights * (found - values) ** 2).sum())
        if error < least - 1e-12:
            best, least = found, error
    return best


def _among(pairs: Pairs, window: Rows, n_items: int) -> np.ndarray:
    """(n_pairs,) bool: does the pair have a row in `window`?"""
    keys = pairs.users.astype(np.int64) * n_items + pairs.items
    wanted = np.unique(window.users.astype(np.int64) * n_items + window.items)
    found = np.zeros(len(keys), dtype=bool)
    if len(keys):
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found[places[keys[places] == wanted]] = True
    return found


def _is_target(interactions: Interactions) -> np.ndarray:
    target = interactions.typed.get(interactions.target)
    if target is None or target is interactions:
        return np.ones(len(interactions), dtype=bool)
    return np.isin(_row_keys(interactions), _row_keys(target))


def _row_keys(interactions: Interactions) -> np.ndarray:
    """(n_rows,) int64: user, item and day as one number."""
    days = interactions.as_of - interactions.days.astype(np.int64)
    return (interactions.user_codes.astype(np.int64) * interactions.shape[1]
            + interactions.item_codes) * 2**17 + days  # fmt: skip
