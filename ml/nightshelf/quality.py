"""The evaluate stage: every contender on one window, all items ranked, and the gate's verdict."""

from __future__ import annotations

from collections.abc import Sequence
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
from nightshelf.ranking.pool import Pool
from nightshelf.recipe import RANKER, Recipe

GATE_METRIC = "ndcg@10"
SHELF = 10
"""What lists are like is told of so many items."""
USER_METRICS = ("ndcg@10", "recall@10", "hit_rate@10")
"""Told by cohort of users; by cohort of items recall is."""
ITEM_CUTOFFS = (10, 20)
SEED = 11
"""Of the bootstrap. Fixed, so that a verdict can be repeated."""
MARGIN = 0.02
"""A challenger may be worse by this share of the champion's figure, at the lower bound. Two
trainings of one model on neighbouring nights differ by about 1 %: without a margin none of them
could ever replace the other, and the champion would age for ever."""
CHAMPION = "champion"
BASELINES = ("own_history", "popularity")
"""What needs no learning: the bar for everything that does, and what serves where nothing passes."""


@dataclass(frozen=True, eq=False)
class Examination:
    """One view's window: who is asked, what the sources propose, and what users took."""

    pool: Pool
    matrix: np.ndarray | None
    """(n_rows, n_features) of the pool, for the ranker; None where there is none to score."""
    wanted: Labels
    past: Past


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

    def less(self, other: Contender, metric: str = GATE_METRIC) -> Interval:
        """This one less the other, paired by user. NaN where nobody has both."""
        if metric not in self.per_user or metric not in other.per_user:
            return Interval(np.nan, np.nan, np.nan, 0)
        mine, theirs = self.per_user[metric], other.per_user[metric]
        return paired_difference_interval(mine, theirs, SEED, users=self.users)


def examine(name: str, recipe: Recipe, held: Examination) -> Contender:
    """Ranks the pool by the recipe and holds the lists against what users took."""
    lists = ranked_lists(recipe, held, max(CUTOFFS))
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


def ranked_lists(recipe: Recipe, held: Examination, k: int) -> np.ndarray:
    """(n_users, k) int32 item codes; what the recipe does not rank at all is not on its list."""
    pool = held.pool
    scores = recipe.score(pool, held.matrix)
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
    return [Told(c.name, c.told, len(c), f"{GATE_METRIC}/users/{c.name}") for c in users] + [
        Told(c.name, c.told, len(c), f"recall@10/items/{c.name}") for c in items
    ]


def limits(found: Sequence[Contender], challenger: str | None) -> list[str]:
    """For which cohorts of users the challenger is surely worse than a baseline."""
    by_name = {c.name: c for c in found}
    mine = by_name.get(challenger)
    if mine is None:
        return []
    names = [m for m in mine.per_user if m.startswith(f"{GATE_METRIC}/users/")]
    compared = [
        (m.rsplit("/", 1)[1], Comparison(b, mine.less(by_name[b], m)))
        for m in names
        for b in BASELINES
        if b in by_name
    ]
    return [f"For {who} users it is {c.told}" for who, c in compared if c.is_worse]


def joined(windows: Sequence[Contender]) -> Contender:
    """One contender over several windows: a user's windows count as one user's. Figures of all lists
    together, and nDCG by k, are means over windows."""
    first = windows[0]
    per_user = {m: np.concatenate([w.per_user[m] for w in windows]) for m in first.per_user}
    of_lists = {m: float(np.mean([w.of_lists[m] for w in windows])) for m in first.of_lists}
    users = np.concatenate([w.users for w in windows])
    by_k = np.mean([w.ndcg_by_k for w in windows], axis=0).tolist()
    return Contender(first.name, first.recipe, per_user, of_lists, users, by_k)


def contenders(
    held: Examination, ranker: Recipe | None, champion: Recipe | None
) -> list[Contender]:
    """Each source alone, tonight's ranker, and the reigning champion, on the same users."""
    pool, view = held.pool, held.wanted.view
    # A source that proposes nothing in this view (own history, of what is new) is no contender.
    speaking = [s for s in pool.scores if pool.ranks[s].any()]
    asked = {s: Recipe(view, s) for s in speaking}
    asked |= {RANKER: ranker} if ranker is not None else {}
    asked |= {CHAMPION: champion} if champion is not None else {}
    return [examine(name, recipe, held) for name, recipe in asked.items()]


@dataclass(frozen=True)
class Comparison:
    """The challenger less another contender, on the gate's metric."""

    against: str
    difference: Interval

    @property
    def is_worse(self) -> bool:
        """Surely: the whole interval is below zero."""
        return self.difference.high < 0

    @property
    def told(self) -> str:
        if not self.difference.n_users:
            return f"not to be compared with {self.against}: nobody took anything"
        sure = "better than" if self.difference.low > 0 else "not surely better than"
        how = "worse than" if self.is_worse else sure
        return f"{how} {self.against}: {self.difference.told()}"


@dataclass(frozen=True)
class Verdict:
    """Who was tonight's challenger, who serves, and why, in words."""

    challenger: str | None
    """None where no model could be examined."""
    serves: str
    """The challenger's name, "champion", or a baseline's."""
    why: str
    comparisons: tuple[Comparison, ...] = field(default=())
    """Challenger less each baseline that speaks, and less the champion where it competes."""
    warning: str = ""
    """What somebody should look at, though the night goes on."""

    @property
    def promoted(self) -> bool:
        """The challenger takes the champion's place."""
        return self.challenger is not None and self.serves == self.challenger


def judge(found: Sequence[Contender], champion_stays: str = "") -> Verdict:
    """Tonight's model against the baselines and the champion.

    It is refused where it is surely worse than a baseline (paired interval below zero), and where it
    may be worse than the champion by more than MARGIN. Refused, the champion serves; without one the
    better baseline does. `champion_stays`, if given, says why the champion is not to be replaced
    whatever is found.
    """
    by_name = {c.name: c for c in found}
    champion = by_name.get(CHAMPION)
    challenger, because = _challenger(found)
    bars = [by_name[b] for b in BASELINES if b in by_name]
    baseline = _best(bars).name if bars else BASELINES[-1]
    if challenger is None:
        return _refused(None, because, (), champion, bars, baseline)
    against = [Comparison(c.name, challenger.less(c)) for c in bars]
    failed = next((a for a in against if not a.difference.n_users or a.is_worse), None)
    if champion is not None:
        against.append(Comparison(CHAMPION, challenger.less(champion)))
    others = [a.told for a in against if a.against != CHAMPION and a.told not in because]
    told = "; ".join([because, *others])
    if failed is not None:
        return _refused(challenger.name, told, tuple(against), champion, bars, baseline)
    if champion is None:
        return Verdict(challenger.name, challenger.name, told, tuple(against))
    return _against_champion(challenger, champion, told, tuple(against), bars, champion_stays)


def _against_champion(
    challenger: Contender,
    champion: Contender,
    told: str,
    against: tuple[Comparison, ...],
    bars: list[Contender],
    champion_stays: str,
) -> Verdict:
    diff = against[-1].difference
    allowed = -MARGIN * champion.gate.mean
    passes = diff.low >= allowed
    how = "not worse than" if passes else "may be worse than"
    told = f"{told}; against the champion {diff.told()}, {how} the allowed {allowed:+.4f}"
    if champion_stays:
        return Verdict(
            challenger.name, CHAMPION, f"{champion_stays}; {told}", against, _weak(champion, bars)
        )
    if passes:
        return Verdict(challenger.name, challenger.name, told, against)
    return Verdict(challenger.name, CHAMPION, told, against, _weak(champion, bars))


def _refused(
    challenger: str | None,
    told: str,
    against: tuple[Comparison, ...],
    champion: Contender | None,
    bars: list[Contender],
    baseline: str,
) -> Verdict:
    if champion is not None:
        told = f"{told}; no model is good enough tonight, so the champion goes on"
        return Verdict(challenger, CHAMPION, told, against, _weak(champion, bars))
    told = f"{told}; no model is good enough, and there is no champion, so {baseline} serves"
    return Verdict(challenger, baseline, told, against)


def _weak(champion: Contender, bars: list[Contender]) -> str:
    """A champion that goes on though a baseline is surely better."""
    for bar in bars:
        diff = Comparison(bar.name, champion.less(bar))
        if diff.is_worse:
            return (
                f"the champion serves and is {diff.told}. To let {bar.name} serve until a model"
                " passes, delete the alias `champion` in MLflow"
            )
    return ""


def _challenger(found: Sequence[Contender]) -> tuple[Contender | None, str]:
    """The ranker where it surely beats the best single source, else the best that has learnt."""
    singles = [c for c in found if c.name not in (RANKER, CHAMPION)]
    learnt = [c for c in singles if c.name not in BASELINES]
    trained = next((c for c in found if c.name == RANKER), None)
    best = _best(learnt) if learnt else None
    if trained is None:
        told = f"the best learnt source, {best.name}" if best else "nothing that has learnt"
        return best, f"no ranker (too few labels), so {told}"
    if not singles:
        return trained, "the ranker alone proposes anything"
    single = _best(singles)
    versus = Comparison(single.name, trained.less(single))
    told = f"of single sources {single.name} is the best, and the ranker is {versus.told}"
    if versus.difference.low > 0:
        return trained, told
    return best, f"{told}; so the challenger is {best.name}" if best else told


def _best(some: Sequence[Contender]) -> Contender:
    """Equal or undefined quality: the earlier one."""
    return max(some, key=lambda c: np.nan_to_num(c.mean(GATE_METRIC), nan=-1.0))


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
