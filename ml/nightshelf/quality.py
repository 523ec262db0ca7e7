"""The evaluate stage: every contender on one window, all items ranked, and the gate's verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from nightshelf.evaluation import (
    METRICS,
    Interval,
    coverage,
    mean_interval,
    paired_difference_interval,
)
from nightshelf.evaluation.split import Labels
from nightshelf.ranking.pool import Pool
from nightshelf.recipe import RANKER, Recipe

CUTOFFS = (10, 20)
GATE_METRIC = "ndcg@10"
SEED = 11
"""Of the bootstrap. Fixed, so that a verdict can be repeated."""
MARGIN = 0.02
"""A challenger may be worse by this share of the champion's figure, at the lower bound. Two
trainings of one model on neighbouring nights differ by about 1 %: without a margin none of them
could ever replace the other, and the champion would age for ever."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A recipe, and its metrics one value per labelled user."""

    name: str
    recipe: Recipe
    per_user: dict[str, np.ndarray]
    coverage: dict[str, float]

    def mean(self, metric: str) -> float:
        """Over users with something relevant; NaN without any."""
        values = self.per_user[metric]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    @cached_property
    def gate(self) -> Interval:
        """The gate's metric with its interval."""
        return mean_interval(self.per_user[GATE_METRIC], SEED)


def examine(
    name: str, recipe: Recipe, pool: Pool, matrix: np.ndarray | None, wanted: Labels
) -> Contender:
    """Ranks the pool by the recipe and holds the lists against what users took."""
    scores = recipe.score(pool, matrix)
    # What the recipe does not rank at all is not on its list.
    lists = pool.lists_by(np.where(scores > 0, scores, -np.inf), max(CUTOFFS))
    lists = _only_ranked(lists, pool, scores)
    per_user = {
        f"{metric}@{k}": METRICS[metric](lists, wanted.relevant, k)
        for metric in ("ndcg", "recall", "average_precision", "hit_rate")
        for k in CUTOFFS
    }
    shares = {f"coverage@{k}": coverage(lists, len(pool.items), k) for k in CUTOFFS}
    return Contender(name, recipe, per_user, shares)


def _only_ranked(lists: np.ndarray, pool: Pool, scores: np.ndarray) -> np.ndarray:
    """Lists end where positive scores end."""
    ranked = np.bincount(pool.user_codes[scores > 0], minlength=len(lists))
    return np.where(np.arange(lists.shape[1]) < ranked[:, None], lists, -1)


def contenders(
    pool: Pool,
    matrix: np.ndarray,
    wanted: Labels,
    rankers: Recipe | None,
    champion: Recipe | None,
) -> list[Contender]:
    """Each source alone, tonight's ranker, and the reigning champion, on the same users."""
    view = wanted.view
    # A source that proposes nothing in this view (own history, of what is new) is no contender.
    speaking = [s for s in pool.scores if pool.ranks[s].any()]
    found = [examine(s, Recipe(view, s), pool, None, wanted) for s in speaking]
    if rankers is not None:
        found.append(examine(RANKER, rankers, pool, matrix, wanted))
    if champion is not None:
        found.append(examine("champion", champion, pool, matrix, wanted))
    return found


@dataclass(frozen=True)
class Verdict:
    """Who was tonight's challenger, whether it was promoted, and why, in words."""

    challenger: str
    promoted: bool
    why: str
    difference: Interval | None
    """Challenger less champion, paired by user; None where there was no champion."""


def judge(found: list[Contender]) -> Verdict:
    """The ranker is the challenger where it beats the best single source with an interval, else
    that source is. It becomes champion where its paired lower bound says it is not worse."""
    challenger, because = _challenger(found)
    reigning = next((c for c in found if c.name == "champion"), None)
    if reigning is None:
        return Verdict(challenger.name, True, f"{because}; no champion to compare with", None)
    diff = _difference(challenger, reigning)
    allowed = -MARGIN * reigning.gate.mean
    promoted = bool(np.isnan(diff.low) or diff.low >= allowed)
    why = (
        f"{because}; against the champion {diff.mean:+.4f} [{diff.low:+.4f}, {diff.high:+.4f}],"
        f" {'not worse than' if promoted else 'may be worse than'} the allowed {allowed:+.4f}"
    )
    return Verdict(challenger.name, promoted, why, diff)


def _challenger(found: list[Contender]) -> tuple[Contender, str]:
    singles = [c for c in found if c.name not in (RANKER, "champion")]
    # Equal or undefined quality: the earlier source in the configured order.
    best = max(singles, key=lambda c: np.nan_to_num(c.gate.mean, nan=-1.0))
    trained = next((c for c in found if c.name == RANKER), None)
    if trained is None:
        return best, f"no ranker (too few labels), so the best single source, {best.name}"
    diff = _difference(trained, best)
    told = f"{diff.mean:+.4f} [{diff.low:+.4f}, {diff.high:+.4f}] against {best.name}"
    if diff.low > 0:
        return trained, f"the ranker beats the best single source: {told}"
    return best, f"the ranker does not beat the best single source: {told}"


def _difference(a: Contender, b: Contender) -> Interval:
    return paired_difference_interval(a.per_user[GATE_METRIC], b.per_user[GATE_METRIC], SEED)


def table(found: list[Contender]) -> list[dict]:
    """One row per contender: every metric's mean, and the interval of the gate's metric."""
    rows = []
    for contender in found:
        means = {m: contender.mean(m) for m in contender.per_user}
        rows.append(
            {
                "name": contender.name,
                **means,
                **contender.coverage,
                "interval": asdict(contender.gate),
            }
        )
    return rows


def reachable(pool: Pool, wanted: Labels, hits: np.ndarray) -> float:
    """The share of what users took that any source proposed at all: the ranker's ceiling."""
    n_relevant = int(wanted.relevant.sum())
    return float(hits.sum()) / n_relevant if n_relevant else float("nan")
