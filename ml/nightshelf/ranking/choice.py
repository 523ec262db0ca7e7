"""Which kind of ranker: contenders learn on the earlier cuts and are compared on the last one.

A blend of the logistic model and the best trees ships unless one alone is significantly better: what
errs in different ways errs less together, and the best of five on one cut is partly the luckiest. Who
is chosen learns from all cuts then; its calibration is the one found on the last while it had not
seen it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from nightshelf.candidates.params import need
from nightshelf.evaluation import METRICS, paired_difference_interval
from nightshelf.ranking import boosting, logistic
from nightshelf.ranking.boosting import Boosted, BoostingParams
from nightshelf.ranking.labelled import LabelledCut
from nightshelf.ranking.logistic import Logistic, LogisticParams
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.rows import TrainingRows, joined, sampled
from nightshelf.ranking.shown import SHOWN
from nightshelf.warehouse import cores

OBJECTIVES = {"lightgbm_binary": "binary", "lightgbm_lambdarank": "lambdarank"}
"""Contender → what LightGBM makes of the rows for it."""
K = 10
"""The length at which contenders are compared, as the gate does."""


@dataclass(frozen=True)
class RankerParams:
    negatives_per_positive: int = 25
    """Rows without a label that are kept for each with one; probabilities are corrected for it."""
    max_rows: int = 200_000
    """Rows of one cut that are learnt from, at most: bounds time and memory. Too few leave users out."""
    min_positives: int = 50
    """With fewer labels than this no ranker is trained: its weights would be chance."""
    min_positives_to_boost: int = 500
    """With fewer, trees would learn the sample by heart; the logistic one stands alone."""
    burst: float = 2.0
    """Times an item's ordinary day beyond which those who began with it teach nothing, as in
    candidates/lately.py; 0: all of them teach."""
    seed: int = 20171201

    def __post_init__(self) -> None:
        for key in ("negatives_per_positive", "min_positives", "min_positives_to_boost"):
            need(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        need(0 <= self.seed < 2**32 - 100, "seed", self.seed, "from 0 to 4294967195")
        need(self.burst == 0 or self.burst >= 1, "burst", self.burst, "0, or 1 or more")
        need(self.max_rows >= 1000, "max_rows", self.max_rows, "1000 or more")


@dataclass(frozen=True)
class RankerSettings:
    """ml/config/ranker.toml."""

    ranker: RankerParams = field(default_factory=RankerParams)
    logistic: LogisticParams = field(default_factory=LogisticParams)
    boosting: BoostingParams = field(default_factory=BoostingParams)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """The ranker that was chosen, as it had learnt from the earlier cuts only, and each source, on the
    last cut."""

    users: np.ndarray
    """(n_users,) object."""
    ranker: np.ndarray
    """(n_users,) nDCG@10."""
    sources: Mapping[str, np.ndarray]
    """source → (n_users,) nDCG@10."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A ranker, or None where there is too little to learn from, and how it was chosen."""

    ranker: Ranker | None
    compared: Mapping[str, float]
    """Contender → nDCG@10 on the last cut. Empty where there was nothing to compare on."""
    unproposed: tuple[int, int]
    """Over all cuts: taken items that no source proposed, taken items."""
    rehearsal: Rehearsal | None = None
    """None where there was nothing to compare on."""
    renewed: Ranker | None = None
    """The same kinds, learnt again from the newest labels too, with which the ranker is examined: what
    serves, if it passes. None where there is no ranker."""

    @property
    def told(self) -> str:
        if self.ranker is None:
            return "none: too few labels"
        figures = ", ".join(f"{kind} {value:.4f}" for kind, value in self.compared.items())
        return f"{self.ranker.kind} ({figures})" if figures else self.ranker.kind


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a cut teaches."""

    rows: TrainingRows
    unproposed: tuple[int, int]
    """Taken items that no source proposed, taken items."""
    cut: LabelledCut | None
    """All its rows, to compare contenders on: a hundred megabytes a million, so none where that is not
    wanted."""
    has_shown: bool = False
    """Do its rows say where items were shown? Those of training all do, or none; the newest may not."""


def lesson(cut: LabelledCut, params: RankerParams, number: int, compared: bool = True) -> Lesson:
    """`number` of a night's cuts, from 0: each is thinned out by chances of its own."""
    rows = sampled(
        cut.pool,
        cut.features,
        cut.taken,
        cut.teaches,
        params.negatives_per_positive,
        params.max_rows,
        params.seed + number,
        cut.shown,
    )
    return Lesson(rows, cut.unproposed(), cut if compared else None, cut.shown is not None)


def train(
    lessons: Sequence[Lesson],
    names: Sequence[str],
    settings: RankerSettings,
    newest: Lesson | None = None,
) -> Trained:
    """`lessons` oldest first. With one there is nothing to compare on: the logistic ranker.

    `names` are those of the cuts' matrices; a ranker that learns where items were shown has `shown` too.
    `newest` is the cut that the ranker is examined on. It takes no part in the choice; what serves
    learns from it and from the youngest of `lessons`: labels of the season, and as many of them. Where its
    window alone logs no impressions, what serves learns from `lessons` alone.
    """
    counted = tuple(sum(each.unproposed[n] for each in lessons) for n in range(2))
    # A cut without labels has nothing to teach and nothing to compare on.
    lessons = [each for each in lessons if each.rows.n_positives]
    parts = [each.rows for each in lessons]
    if not parts or not joined(parts).suffice(settings.ranker.min_positives):
        return Trained(None, {}, counted)
    names = (*names, SHOWN) if lessons[0].has_shown else tuple(names)
    subjects = [parts]
    if newest is not None and newest.has_shown == lessons[0].has_shown:
        subjects.append([parts[-1]] + [newest.rows] * bool(newest.rows.n_positives))
    chosen, compared, rehearsal = _compared(lessons, names, settings)
    rankers = _learnt(chosen, [joined(subject) for subject in subjects], settings)
    if lessons[-1].has_shown and lessons[-1].cut is not None:
        rankers = [_levelled(ranker, lessons[-1].cut) for ranker in rankers]
    return Trained(rankers[0], compared, counted, rehearsal, rankers[-1])


def _compared(
    lessons: Sequence[Lesson], names: tuple[str, ...], settings: RankerSettings
) -> tuple[Ranker, dict[str, float], Rehearsal | None]:
    """The best contender on the last lesson's cut; the logistic one where nothing can be compared."""
    *before, last = lessons
    earlier = joined([each.rows for each in before]) if before else None
    enough = earlier is not None and earlier.suffice(settings.ranker.min_positives_to_boost)
    if last.cut is None or not enough:
        return Ranker(names, ("logistic",), (None,), (1.0,)), {}, None
    ranker, per_user = _chosen(earlier, last.rows, last.cut, names, settings)
    rehearsal = Rehearsal(last.cut.labels.users, per_user[ranker.kind], _sources(last.cut))
    return ranker, {kind: _mean(values) for kind, values in per_user.items()}, rehearsal


def _sources(cut: LabelledCut) -> dict[str, np.ndarray]:
    """What each source's own lists are worth; none of those that say nothing in this view."""
    relevant, ranks = cut.labels.relevant, cut.pool.ranks
    return {
        name: METRICS["ndcg"](cut.pool.source_lists(name, K), relevant, K)
        for name in ranks
        if ranks[name].any()
    }


def _chosen(
    earlier: TrainingRows,
    later: TrainingRows,
    last: LabelledCut,
    names: tuple[str, ...],
    settings: RankerSettings,
) -> tuple[Ranker, dict[str, np.ndarray]]:
    """The best contender, as it was compared, and nDCG@10 per user of each."""
    models = _models(earlier, later, settings)
    contenders = {kind: Ranker(names, (kind,), (model,), (1.0,)) for kind, model in models.items()}
    raws = dict(zip(contenders, last.raw(list(contenders.values())), strict=True))
    per_user = {kind: last.quality(raw, K) for kind, raw in raws.items()}
    trees = max((k for k in models if k != "logistic"), key=lambda k: _mean(per_user[k]))
    kinds = ("logistic", trees)
    # In units of their own spread, the logistic one and the best trees have an equal say.
    weights = tuple(1 / (float(raws[k].std()) or 1.0) for k in kinds)
    blend = Ranker(names, kinds, tuple(models[k] for k in kinds), weights)
    raws[blend.kind] = sum(w * raws[k] for w, k in zip(weights, kinds, strict=True))
    contenders[blend.kind] = blend
    per_user[blend.kind] = last.quality(raws[blend.kind], K)
    best = _best(per_user, blend.kind, settings.ranker.seed)
    slope, offset = _platt(raws[best], last.taken)
    return replace(contenders[best], slope=slope, offset=offset), per_user


def _mean(values: np.ndarray) -> float:
    """Over users with something relevant; NaN without any."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _best(per_user: Mapping[str, np.ndarray], default: str, seed: int) -> str:
    """The default, or the one that is highest where it beats the default with an interval."""
    best = max(per_user, key=lambda kind: np.nan_to_num(_mean(per_user[kind])))
    beaten = paired_difference_interval(per_user[best], per_user[default], seed).low > 0
    return best if beaten else default


def _models(
    earlier: TrainingRows, later: TrainingRows, settings: RankerSettings
) -> dict[str, Logistic | Boosted]:
    """Every contender but the blend, side by side; trees end where they gain no more on the later rows."""
    boost, seed = settings.boosting, settings.ranker.seed
    with ThreadPoolExecutor(cores()) as pool:
        found = {"logistic": pool.submit(logistic.fit, earlier, settings.logistic)}
        if boost.sklearn:
            found["sklearn_gb"] = pool.submit(boosting.fit_sklearn, earlier, boost, seed, later)
        trees = boosting.fit_objectives(earlier, OBJECTIVES.values(), boost, seed, later)
        of_lightgbm = {kind: trees[objective] for kind, objective in OBJECTIVES.items()}
        return {kind: future.result() for kind, future in found.items()} | of_lightgbm


def _fit(kind: str, rows: TrainingRows, settings: RankerSettings) -> Logistic | Boosted:
    """One contender; trees as many as `settings` say."""
    boost, seed = settings.boosting, settings.ranker.seed
    if kind == "logistic":
        return logistic.fit(rows, settings.logistic)
    if kind == "sklearn_gb":
        return boosting.fit_sklearn(rows, boost, seed)
    return boosting.fit_lightgbm(rows, OBJECTIVES[kind], boost, seed)


def _platt(raw: np.ndarray, taken: np.ndarray) -> tuple[float, float]:
    """Slope and offset of log odds over `raw`; the slope stays above 0, or the order would turn."""
    from sklearn.linear_model import LogisticRegression

    spread, centre = float(raw.std()) or 1.0, float(raw.mean())
    model = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-6)
    model.fit(((raw - centre) / spread)[:, None], taken)
    slope = max(float(model.coef_[0, 0]) / spread, 1e-6)
    return slope, float(model.intercept_[0]) - slope * centre


def _levelled(ranker: Ranker, cut: LabelledCut) -> Ranker:
    """With the offset at which the mean chance is the share that was taken. Rows are scored as if all
    were at the top, where few were learnt from: how much is taken there differs from fit to fit."""
    from scipy.optimize import brentq

    odds = ranker.slope * cut.raw([ranker])[0]
    share, far = float(cut.taken.mean()), 50 + float(np.abs(odds).max())

    def too_much(offset: float) -> float:
        return float(np.mean(1 / (1 + np.exp(-(offset + odds))))) - share

    return replace(ranker, offset=brentq(too_much, -far, far))


def _learnt(
    ranker: Ranker, subjects: Sequence[TrainingRows], settings: RankerSettings
) -> list[Ranker]:
    """The same kinds, each again from each of `subjects`, side by side; trees as many as were best."""

    def fit(kind: str, member: Logistic | Boosted | None, rows: TrainingRows) -> Logistic | Boosted:
        rounds = member.n_trees() if isinstance(member, Boosted) else settings.boosting.rounds
        of_rounds = replace(settings, boosting=replace(settings.boosting, rounds=rounds))
        return _fit(kind, rows, of_rounds)

    members = list(zip(ranker.kinds, ranker.members, strict=True))
    with ThreadPoolExecutor(cores()) as pool:
        of_subjects = [[pool.submit(fit, *each, rows) for each in members] for rows in subjects]
        return [replace(ranker, members=tuple(f.result() for f in of)) for of in of_subjects]
