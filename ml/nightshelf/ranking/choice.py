"""Which kind of ranker: contenders learn on the earlier cuts and are compared on the last one.

A blend of the logistic model and the best trees ships unless one alone is significantly better: what
errs in different ways errs less together, and the best of five on one cut is partly the luckiest. Who
is chosen learns from all cuts then; its calibration is the one found on the last while it had not
seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from nightshelf.candidates.params import need
from nightshelf.evaluation import METRICS, paired_difference_interval
from nightshelf.ranking import boosting, logistic
from nightshelf.ranking.boosting import Boosted, BoostingParams
from nightshelf.ranking.labelled import LabelledCut
from nightshelf.ranking.logistic import Logistic, LogisticParams
from nightshelf.ranking.ranker import KINDS, Ranker
from nightshelf.ranking.rows import TrainingRows, joined, sampled
from nightshelf.warehouse import cores

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
        need(self.seed >= 0, "seed", self.seed, "0 or more")
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


def train(
    cuts: Sequence[LabelledCut],
    names: Sequence[str],
    settings: RankerSettings,
    newest: LabelledCut | None = None,
) -> Trained:
    """`cuts` oldest first. With one cut there is nothing to compare on: the logistic ranker.

    `newest` is the cut that the ranker is examined on. It takes no part in the choice; what serves
    learns from it and from the youngest of `cuts`: labels of the season, and as many of them.
    """
    trained, parts = _train(cuts, tuple(names), settings)
    if trained.ranker is None or newest is None:
        return replace(trained, renewed=trained.ranker)
    youngest = [parts[-1], _sample(newest, settings.ranker, len(cuts))]
    rows = joined([part for part in youngest if part.n_positives])
    return replace(trained, renewed=_learnt_again(trained.ranker, rows, settings))


def _train(
    cuts: Sequence[LabelledCut], names: tuple[str, ...], settings: RankerSettings
) -> tuple[Trained, list[TrainingRows]]:
    """What was chosen, and the rows that it learnt from, cut by cut."""
    unproposed = [cut.unproposed() for cut in cuts]
    counted = (sum(u[0] for u in unproposed), sum(u[1] for u in unproposed))
    parts = [_sample(cut, settings.ranker, n) for n, cut in enumerate(cuts)]
    # A cut without labels has nothing to teach and nothing to compare on.
    usable = [n for n, part in enumerate(parts) if part.n_positives]
    cuts, parts = [cuts[n] for n in usable], [parts[n] for n in usable]
    if not parts or not joined(parts).suffice(settings.ranker.min_positives):
        return Trained(None, {}, counted), parts
    earlier = joined(parts[:-1]) if len(parts) > 1 else None
    if earlier is None or not earlier.suffice(settings.ranker.min_positives_to_boost):
        model = logistic.fit(joined(parts), settings.logistic)
        return Trained(Ranker(names, ("logistic",), (model,), (1.0,)), {}, counted), parts
    ranker, per_user = _chosen(earlier, parts[-1], cuts[-1], names, settings)
    compared = {kind: _mean(values) for kind, values in per_user.items()}
    rehearsal = Rehearsal(cuts[-1].labels.users, per_user[ranker.kind], _sources(cuts[-1]))
    learnt = _learnt_again(ranker, joined(parts), settings)
    return Trained(learnt, compared, counted, rehearsal), parts


def _sources(cut: LabelledCut) -> dict[str, np.ndarray]:
    """What each source's own lists are worth; none of those that say nothing in this view."""
    relevant, ranks = cut.labels.relevant, cut.pool.ranks
    return {
        name: METRICS["ndcg"](cut.pool.source_lists(name, K), relevant, K)
        for name in ranks
        if ranks[name].any()
    }


def _sample(cut: LabelledCut, params: RankerParams, number: int) -> TrainingRows:
    return sampled(
        cut.pool,
        cut.matrix,
        cut.taken,
        cut.teaches,
        params.negatives_per_positive,
        params.max_rows,
        params.seed + number,
    )


def _chosen(
    earlier: TrainingRows,
    later: TrainingRows,
    last: LabelledCut,
    names: tuple[str, ...],
    settings: RankerSettings,
) -> tuple[Ranker, dict[str, np.ndarray]]:
    """The best contender, as it was compared, and nDCG@10 per user of each."""
    fits = _fits(settings)
    with ThreadPoolExecutor(cores()) as pool:
        models = dict(
            zip(fits, pool.map(lambda fit: fit(earlier, later), fits.values()), strict=True)
        )
    raws = {kind: model.raw(last.matrix) for kind, model in models.items()}
    contenders = {kind: Ranker(names, (kind,), (model,), (1.0,)) for kind, model in models.items()}
    per_user = {kind: last.quality(raw, K) for kind, raw in raws.items()}
    trees = max((k for k in KINDS if k != "logistic"), key=lambda k: _mean(per_user[k]))
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


def _fits(settings: RankerSettings) -> dict[str, Callable]:
    """Contender → how it learns from rows, and, if given, from when it gains no more on later ones."""
    boost, seed = settings.boosting, settings.ranker.seed
    return {
        "logistic": lambda rows, later=None: logistic.fit(rows, settings.logistic),
        "sklearn_gb": lambda rows, later=None: boosting.fit_sklearn(rows, boost, seed, later),
        "lightgbm_binary": lambda rows, later=None: boosting.fit_lightgbm(
            rows, "binary", boost, seed, later
        ),
        "lightgbm_lambdarank": lambda rows, later=None: boosting.fit_lightgbm(
            rows, "lambdarank", boost, seed, later
        ),
    }


def _platt(raw: np.ndarray, taken: np.ndarray) -> tuple[float, float]:
    """Slope and offset of log odds over `raw`; the slope stays above 0, or the order would turn."""
    from sklearn.linear_model import LogisticRegression

    spread, centre = float(raw.std()) or 1.0, float(raw.mean())
    model = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-6)
    model.fit(((raw - centre) / spread)[:, None], taken)
    slope = max(float(model.coef_[0, 0]) / spread, 1e-6)
    return slope, float(model.intercept_[0]) - slope * centre


def _learnt_again(ranker: Ranker, rows: TrainingRows, settings: RankerSettings) -> Ranker:
    """The same kinds, each again on other rows; trees as many as were best."""

    def again(kind: str, model: Logistic | Boosted) -> Logistic | Boosted:
        if isinstance(model, Logistic):
            return logistic.fit(rows, settings.logistic)
        rounds = replace(settings.boosting, rounds=model.n_trees())
        return _fits(replace(settings, boosting=rounds))[kind](rows)

    members = tuple(again(k, m) for k, m in zip(ranker.kinds, ranker.members, strict=True))
    return replace(ranker, members=members)
