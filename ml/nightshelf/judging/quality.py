"""What the gate goes by: every contender on one window, all items ranked, with intervals and cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nightshelf.evaluation import (
    CUTOFFS,
    METRICS,
    Interval,
    Past,
    all_metrics,
    coverage,
    diversity,
    gini,
    intervals,
    item_cohorts,
    novelty,
    paired_difference_interval,
    repeat_share,
    user_cohorts,
)
from nightshelf.evaluation.curves import ndcg_by_k
from nightshelf.evaluation.split import Labels
from nightshelf.ranking.choice import Rehearsal
from nightshelf.ranking.labelled import Features, blocks
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.recipe import RANKER, Recipe

GATE_METRIC = "ndcg@10"
SHELF = 10
"""What lists are like is told of so many items."""
USER_METRICS = ("ndcg@10", "recall@10", "hit_rate@10")
"""Told by cohort of users; by cohort of items recall is."""
ITEM_CUTOFFS = (10, 20)
SEED = 11
"""Of the bootstrap. Fixed, so that a verdict can be repeated."""
CHAMPION = "champion"
BASELINES = ("own_history", "popularity")
"""What needs no learning: the bar for everything that does, and what serves where nothing passes."""


@dataclass(frozen=True, eq=False)
class Examination:
    """One view's window: who is asked, what the sources propose, and what users took."""

    pool: Pool
    features: Features
    """Of the pool's rows, for rankers."""
    wanted: Labels
    past: Past

    def scores(self, rankers: Mapping[str, Recipe]) -> dict[str, np.ndarray]:
        """Recipe's name → (n_rows,) float64, as it is examined. Features are made for a block of rows at a
        time, once for all recipes."""
        found = {name: np.empty(len(self.pool)) for name in rankers}
        for block in blocks(len(self.pool)) if rankers else ():
            some, matrix = self.pool.rows(block), self.features(block)
            for name, recipe in rankers.items():
                found[name][block] = recipe.as_examined.score(some, matrix)
        return found


@dataclass(frozen=True, eq=False)
class Contender:
    """A recipe, and its figures one value per examined user (and window, see `joined`)."""

    name: str
    recipe: Recipe
    per_user: dict[str, np.ndarray]
    """"ndcg@10" of everybody; "ndcg@10/users/cold" of a cohort, NaN for the others;
    "recall@10/items/head" of what a user took among a cohort of items; "novelty@10" of the list."""
    of_lists: dict[str, float]
    """What all lists together are like: "coverage@10", "gini@10"."""
    users: np.ndarray | None = None
    """(n,) object: whose the values are; a user who was examined in several windows has several."""
    ndcg_by_k: list[float] = field(default_factory=list)
    """Mean nDCG@1 to nDCG@20."""

    def mean(self, metric: str) -> float:
        """Over users with something relevant; NaN without any."""
        values = self.per_user[metric]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Every figure per user, with its interval. 1 s for 100 thousand users."""
        if not self.per_user:
            return {}
        values = np.stack(list(self.per_user.values()), axis=1)
        found = intervals(values, SEED, users=self.users)
        return dict(zip(self.per_user, found, strict=True))

    @property
    def gate(self) -> Interval:
        """The gate's metric with its interval."""
        return self.intervals[GATE_METRIC]

    def less(self, other: Contender, metric: str = GATE_METRIC, level: float = 0.95) -> Interval:
        """This one less the other, paired by user. NaN where nobody has both."""
        if metric not in self.per_user or metric not in other.per_user:
            return Interval(np.nan, np.nan, np.nan, 0)
        mine, theirs = self.per_user[metric], other.per_user[metric]
        return paired_difference_interval(mine, theirs, SEED, level=level, users=self.users)


def examine(name: str, recipe: Recipe, held: Examination, scores: np.ndarray) -> Contender:
    """Ranks the pool by the recipe's scores and holds the lists against what users took."""
    lists = ranked_lists(held.pool, scores, max(CUTOFFS))
    pool, wanted, past = held.pool, held.wanted, held.past
    per_user = all_metrics(lists, wanted.relevant)
    per_user |= _by_users(per_user, past) | _by_items(lists, wanted, past)
    per_user |= {
        f"novelty@{SHELF}": novelty(lists, past.item_users, past.n_users, SHELF),
        f"repeat_share@{SHELF}": repeat_share(lists, wanted.seen, SHELF),
        f"diversity@{SHELF}": diversity(lists, wanted.seen, SHELF),
    }
    of_lists = {
        f"coverage@{SHELF}": coverage(lists, len(pool.items), SHELF),
        f"gini@{SHELF}": gini(lists, len(pool.items), SHELF),
    }
    by_k = ndcg_by_k(lists, wanted.relevant, max(CUTOFFS))
    return Contender(name, recipe, per_user, of_lists, wanted.users, by_k)


def ranked_lists(pool: Pool, scores: np.ndarray, k: int) -> np.ndarray:
    """(n_users, k) int32 item codes; what has no score above 0 is not on the list."""
    lists = pool.lists_by(np.where(scores > 0, scores, -np.inf), k)
    ranked = np.bincount(pool.user_codes[scores > 0], minlength=len(lists))
    return np.where(np.arange(k) < ranked[:, None], lists, -1)


def _by_users(per_user: dict[str, np.ndarray], past: Past) -> dict[str, np.ndarray]:
    return {
        f"{metric}/users/{cohort.name}": np.where(cohort.members, per_user[metric], np.nan)
        for cohort in user_cohorts(past)
        for metric in USER_METRICS
    }


def _by_items(lists: np.ndarray, wanted: Labels, past: Past) -> dict[str, np.ndarray]:
    """Recall of what users took among a cohort of items."""
    found = {}
    for cohort in item_cohorts(past, wanted.relevant.shape[1]):
        relevant = wanted.relevant.copy()
        relevant.data = relevant.data & cohort.members[relevant.indices]
        for k in ITEM_CUTOFFS:
            found[f"recall@{k}/items/{cohort.name}"] = METRICS["recall"](lists, relevant, k)
    return found


@dataclass(frozen=True)
class Told:
    """A cohort as people read of it: name, who or what is in it, the figure in `per_user`."""

    name: str
    told: str
    size: int
    figure: str


def cohorts_told(held: Examination) -> list[Told]:
    """The cohorts of users, then those of items, each with the figure that judges it."""
    users, items = user_cohorts(held.past), item_cohorts(held.past, held.wanted.relevant.shape[1])
    # Who took nothing of the view is judged by nothing.
    judged = np.diff(held.wanted.relevant.indptr) > 0
    sizes = [int((c.members & judged).sum()) for c in users]
    return [
        Told(c.name, c.told, size, f"{GATE_METRIC}/users/{c.name}")
        for c, size in zip(users, sizes, strict=True)
    ] + [Told(c.name, c.told, len(c), f"recall@10/items/{c.name}") for c in items]


def joined(windows: Sequence[Contender]) -> Contender:
    """One contender over several windows, on the figures per user that all of them have: a user's
    windows count as one user's."""
    first = windows[0]
    shared = [m for m in first.per_user if all(m in w.per_user for w in windows)]
    per_user = {m: np.concatenate([w.per_user[m] for w in windows]) for m in shared}
    users = np.concatenate([w.users for w in windows])
    return Contender(first.name, first.recipe, per_user, {}, users)


def rehearsed(found: Sequence[Contender], rehearsal: Rehearsal | None) -> dict[str, Contender]:
    """Sources and tonight's ranker over two windows: this one, and the one before it, for which the
    ranker had learnt from still earlier ones. Over this one alone where it was not rehearsed."""
    both = {c.name: c for c in found if c.name != CHAMPION}
    if rehearsal is None:
        return both
    values = {**rehearsal.sources, RANKER: rehearsal.ranker}
    before = {
        name: Contender(name, c.recipe, {GATE_METRIC: values[name]}, {}, rehearsal.users)
        for name, c in both.items()
        if name in values
    }
    return {name: joined([window, both[name]]) for name, window in before.items()}


def rankers_among(ranker: Recipe | None, champion: Recipe | None) -> dict[str, Recipe]:
    """Those of the two that rank by features, by contender."""
    both = {RANKER: ranker, CHAMPION: champion}
    return {name: r for name, r in both.items() if r is not None and r.source == RANKER}


def contenders(
    held: Examination,
    ranker: Recipe | None,
    champion: Recipe | None,
    scores: Mapping[str, np.ndarray],
) -> list[Contender]:
    """Each source alone, tonight's ranker, and the reigning champion, on the same users. `scores` are those
    of `rankers_among` them."""
    pool, view = held.pool, held.wanted.view
    # A source that proposes nothing in this view is no contender: own history, of what is new where looks
    # weigh nothing.
    speaking = [s for s in pool.scores if pool.ranks[s].any()]
    asked = {s: Recipe(view, s) for s in speaking}
    asked |= {RANKER: ranker} if ranker is not None else {}
    asked |= {CHAMPION: champion} if champion is not None else {}
    return [
        examine(name, r, held, scores[name] if name in scores else r.score(pool, None))
        for name, r in asked.items()
    ]


def table(found: Sequence[Contender]) -> list[dict]:
    """One row per contender: every figure's mean, and its interval where it has one."""
    return [
        {
            "name": c.name,
            "source": c.recipe.source,
            **{m: i.mean for m, i in c.intervals.items()},
            **c.of_lists,
            "ndcg_by_k": c.ndcg_by_k,
            "intervals": {m: [i.low, i.high, i.n_users] for m, i in c.intervals.items()},
        }
        for c in found
    ]


def reachable(pool: Pool, wanted: Labels, hits: np.ndarray) -> float:
    """The share of what users took that any source proposed at all: the ranker's ceiling."""
    n_relevant = int(wanted.relevant.sum())
    return float(hits.sum()) / n_relevant if n_relevant else float("nan")
