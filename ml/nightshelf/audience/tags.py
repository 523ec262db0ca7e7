"""Interests beyond habit: which categories and brands will a user take within 28 days that they have
not taken for a quarter?

Three contenders for the chance of a (user, subject): how often users without the habit take the
subject at all, naive Bayes on which others the user takes, and a logistic regression that weighs
both with how active the user is. Learnt after one cut, judged after the next, as the forecast is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

import duckdb
import numpy as np

from nightshelf.audience import figures
from nightshelf.audience.chances import fit_linear, sigmoid
from nightshelf.audience.interests import (
    MAX_USERS,
    QUARTER,
    YEAR,
    Cut,
    Taken,
    dot,
    read_cut,
    read_next,
    shop_shares,
)
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import pack_ids, unpack_ids
from nightshelf.evaluation import paired_difference_interval
from nightshelf.evaluation.bootstrap import over
from nightshelf.ranking import logistic

SEED = 20171201
BASELINE = "base_rate"
FEATURES = (
    "rate", "affinity", "affinity_by_lines", "had_before", "days_since", "lines_before", "lines_quarter",
    "lines_lately", "n_subjects", "trend",
)  # fmt: skip
SMOOTHING = 5.0
"""Users' worth of the average that is mixed into every share of users: five of them may be chance."""


@dataclass(frozen=True)
class TagParams:
    c: float = 1.0
    """Inverse strength of the logistic regression's L2 penalty on standardised features."""
    negatives_per_positive: int = 20
    """Pairs without a label that are kept for each with one; the intercept is corrected for it."""
    min_taken: int = 100
    """With fewer first purchases than this in a window, nothing is learnt or nothing is judged."""
    min_chance: float = 0.1
    """Of a tag: below one in ten, nine of ten who are told about it do not care."""
    min_lift: float = 2.0
    """Of a tag: at least twice as likely as for any user without the habit, or it says nothing of this
    one."""
    most: int = 3
    """Tags of a kind for a user."""
    seed: int = 20171201

    def __post_init__(self) -> None:
        need(self.c > 0, "c", self.c, "above 0")
        need(
            self.negatives_per_positive >= 1,
            "negatives_per_positive",
            self.negatives_per_positive,
            "at least 1",
        )
        need(self.min_taken >= 1, "min_taken", self.min_taken, "at least 1")
        need(0 < self.min_chance < 1, "min_chance", self.min_chance, "in (0, 1)")
        need(self.min_lift >= 1, "min_lift", self.min_lift, "at least 1")
        need(self.most >= 1, "most", self.most, "at least 1")


@dataclass(frozen=True, eq=False)
class Around:
    """What the users of a cut say of its subjects, without looking past the cut."""

    rate: np.ndarray
    """(n_subjects,) share that took it in the last 28 days, of those who had not in the 56 before."""
    lift: np.ndarray
    """(n, n): log of how much more common the column's subject is among takers of the row's."""
    trend: np.ndarray
    """(n,) log share of the shop's lines lately, less that of the quarter."""

    @classmethod
    def of(cls, cut: Cut, taken: Taken) -> Around:
        """`taken` are some of the cut's users: shares of users need no more than a few thousand."""
        lately, before = (_some(m) for m in (taken.lately, taken.quarter - taken.lately))
        fresh = ~before
        overall = (lately & fresh).sum() / max(fresh.sum(), 1)
        rate = ((lately & fresh).sum(axis=0) + SMOOTHING * max(overall, figures.LEAST)) / (
            fresh.sum(axis=0) + SMOOTHING
        )
        lift = _lift(_some(taken.quarter).astype(np.float64))
        now, quarter = shop_shares(cut.shop[0]), shop_shares(cut.shop[1])
        return cls(rate, lift, (np.log(now) - np.log(quarter))[:-1])


def _some(lines: np.ndarray) -> np.ndarray:
    """(n_users, n_subjects) bool, without the rest."""
    return lines[:, :-1] > 0


def _lift(holds: np.ndarray) -> np.ndarray:
    """log P(column | row) / P(column), `SMOOTHING` takers of the row's mixed in who are like all."""
    together = dot(holds.T, holds)
    n_takers = np.diag(together)
    common = (n_takers + 0.5) / (len(holds) + 1)
    given = (together + SMOOTHING * common) / (n_takers[:, None] + SMOOTHING)
    return np.log(given) - np.log(common)


@dataclass(frozen=True, eq=False)
class Pairs:
    """(user, subject) without the habit, of users who took anything within the quarter."""

    rows: np.ndarray
    places: np.ndarray
    matrix: np.ndarray
    """(n_pairs, len(FEATURES)) float64."""


def pairs_of(around: Around, taken: Taken) -> Pairs:
    holds = _some(taken.quarter)
    rows, places = np.nonzero(~holds & (taken.quarter.sum(axis=1) > 0)[:, None])
    equal = holds / np.maximum(holds.sum(axis=1, keepdims=True), 1)
    lines = taken.quarter[:, :-1] / np.maximum(taken.quarter.sum(axis=1, keepdims=True), 1)
    before = taken.year[rows, places]
    columns = {
        "rate": np.log(around.rate)[places],
        "affinity": dot(equal, around.lift)[rows, places],
        "affinity_by_lines": dot(lines, around.lift)[rows, places],
        "had_before": (before > 0).astype(np.float64),
        "days_since": np.log(np.clip(taken.days_since[rows, places], QUARTER, YEAR) / YEAR),
        "lines_before": np.log1p(before),
        "lines_quarter": np.log1p(taken.quarter.sum(axis=1))[rows],
        "lines_lately": np.log1p(taken.lately.sum(axis=1))[rows],
        "n_subjects": np.log1p(holds.sum(axis=1))[rows],
        "trend": around.trend[places],
    }
    return Pairs(rows, places, np.column_stack([columns[name] for name in FEATURES]))


@dataclass(frozen=True, eq=False)
class BaseRate:
    """Everybody without the habit has the same chance."""

    name = BASELINE

    def chances(self, cut: Cut, around: Around, taken: Taken, pairs: Pairs) -> np.ndarray:
        return around.rate[pairs.places]


@dataclass(frozen=True, eq=False)
class Logistic:
    model: logistic.Logistic
    name = "logistic"

    def chances(self, cut: Cut, around: Around, taken: Taken, pairs: Pairs) -> np.ndarray:
        return sigmoid(self.model.raw(pairs.matrix))

    def arrays(self) -> dict[str, np.ndarray]:
        return self.model.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Logistic:
        return cls(logistic.Logistic.from_arrays(arrays))

    @classmethod
    def fit(cls, matrix: np.ndarray, took: np.ndarray, params: TagParams) -> Logistic:
        return cls(_fitted(matrix, took, params))


def _fitted(matrix: np.ndarray, took: np.ndarray, params: TagParams) -> logistic.Logistic:
    """Negatives are sampled; King and Zeng 2001 say what that does to the intercept."""
    positives, negatives = np.flatnonzero(took), np.flatnonzero(~took)
    kept = min(len(negatives), params.negatives_per_positive * len(positives))
    drawn = np.random.default_rng(params.seed).choice(negatives, kept, replace=False)
    rows = np.sort(np.concatenate([positives, drawn]))
    fitted = fit_linear(matrix[rows], took[rows], params.c)
    return replace(fitted, intercept=fitted.intercept + float(np.log(kept / len(negatives))))


@dataclass(frozen=True, eq=False)
class Bayes:
    """For each subject a Bernoulli naive Bayes on which others the user took in the quarter. Its
    witnesses are not independent, so its evidence is weighed against the base rate by two weights
    that are learnt on users it was not fitted on."""

    subjects: np.ndarray
    weights: np.ndarray
    """(n, n): what taking the column's subject says for the row's, in log odds."""
    constants: np.ndarray
    curve: logistic.Logistic
    """Of (evidence, log odds of the base rate)."""
    name = "naive_bayes"

    def chances(self, cut: Cut, around: Around, taken: Taken, pairs: Pairs) -> np.ndarray:
        """A subject that it has not learnt gets no evidence either way."""
        known = {name: place for place, name in enumerate(self.subjects)}
        places = np.array([known.get(name, -1) for name in cut.subjects])
        holds = np.zeros((len(taken), len(self.subjects)))
        holds[:, places[places >= 0]] = _some(taken.quarter)[:, places >= 0]
        evidence = dot(holds, self.weights.T) + self.constants
        evidence = np.append(evidence, np.zeros((len(taken), 1)), axis=1)
        return self._calibrated(evidence[pairs.rows, places[pairs.places]], around, pairs)

    def _calibrated(self, evidence: np.ndarray, around: Around, pairs: Pairs) -> np.ndarray:
        return sigmoid(self.curve.raw(np.column_stack([evidence, _odds(around, pairs)])))

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            **pack_ids("subjects", self.subjects),
            "weights": self.weights,
            "constants": self.constants,
            **{f"curve_{k}": v for k, v in self.curve.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Bayes:
        curve = {k.removeprefix("curve_"): v for k, v in arrays.items() if k.startswith("curve_")}
        return cls(
            unpack_ids("subjects", arrays),
            arrays["weights"],
            arrays["constants"],
            logistic.Logistic.from_arrays(curve),
        )

    @classmethod
    def fit(cls, window: Window, params: TagParams) -> Bayes:
        holds, takes = _some(window.taken.quarter), _some(window.wanted)
        half = np.arange(len(holds)) % 2 == 0
        evidence = np.empty(holds.shape)
        for part in (half, ~half):
            weights, constants = bernoulli_bayes(holds[~part], takes[~part])
            evidence[part] = dot(holds[part].astype(np.float64), weights.T) + constants
        pairs = window.pairs
        seen = np.column_stack([evidence[pairs.rows, pairs.places], _odds(window.around, pairs)])
        curve = _fitted(seen, window.took, params)
        return cls(window.cut.subjects, *bernoulli_bayes(holds, takes), curve)


def _odds(around: Around, pairs: Pairs) -> np.ndarray:
    rate = np.clip(around.rate[pairs.places], figures.LEAST, 1 - figures.LEAST)
    return np.log(rate) - np.log1p(-rate)


def bernoulli_bayes(holds: np.ndarray, takes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's BernoulliNB(alpha=1), without its prior, for all subjects at once, each learnt
    from the users who do not hold it: the log odds are `holds @ weights.T + constants`.

    `holds`, `takes` (n_users, n) bool. Returns (n, n) weights and (n,) constants; two products.
    """
    base = holds.astype(np.float64)
    logs = []
    for kind in (takes & ~holds, ~takes & ~holds):
        n_users = kind.sum(axis=0)[:, None]
        share = (dot(kind.T.astype(np.float64), base) + 1) / (n_users + 2)
        logs.append((np.log(share), np.log1p(-share)))
    (yes, no), (yes_else, no_else) = logs
    return (yes - no) - (yes_else - no_else), (no - no_else).sum(axis=1)


KINDS = {"logistic": Logistic, "naive_bayes": Bayes}


@dataclass(frozen=True, eq=False)
class Window:
    """What there is to learn from, or to be judged on, after one cut."""

    cut: Cut
    around: Around
    taken: Taken
    wanted: np.ndarray
    pairs: Pairs
    took: np.ndarray
    """(n_pairs,) bool."""

    @classmethod
    def read(cls, db: duckdb.DuckDBPyConnection, kind: str, as_of: date) -> Window:
        cut = read_cut(db, kind, as_of, MAX_USERS)
        taken, wanted = cut.all(), read_next(db, cut)
        around = Around.of(cut, taken)
        pairs = pairs_of(around, taken)
        return cls(cut, around, taken, wanted, pairs, wanted[pairs.rows, pairs.places] > 0)

    def chances(self, model: BaseRate | Logistic | Bayes) -> np.ndarray:
        return model.chances(self.cut, self.around, self.taken, self.pairs)

    def losses(self, chances: np.ndarray) -> np.ndarray:
        """(n_users,) the mean log loss over a user's pairs; NaN without any."""
        kept = np.clip(chances, figures.LEAST, 1 - figures.LEAST)
        each = -np.where(self.took, np.log(kept), np.log1p(-kept))
        n_pairs = np.bincount(self.pairs.rows, minlength=len(self.taken))
        total = np.bincount(self.pairs.rows, each, minlength=len(self.taken))
        return over(total, n_pairs)


def learn(
    db: duckdb.DuckDBPyConnection, kind: str, params: TagParams
) -> tuple[Logistic | Bayes | None, dict[str, object]]:
    """The better by log loss, if it beats the base rate with an interval; else None, since the base
    rate says nothing of a user. About 2 s for 2,500 users and 300 subjects."""
    cuts = dict(db.execute("select role, as_of from features.feat_audience_cuts").fetchall())
    train, judged = (Window.read(db, kind, cuts[f"interest_{r}"]) for r in ("train", "evaluate"))
    least = min(int(train.took.sum()), int(judged.took.sum()))
    if least < params.min_taken:
        told = f"{least:,} takings beyond habit in a window, {params.min_taken:,} wanted"
        return None, {"used": None, "told": told}
    models = [
        BaseRate(),
        Logistic.fit(train.pairs.matrix, train.took, params),
        Bayes.fit(train, params),
    ]
    found = {model.name: judged.chances(model) for model in models}
    each = {name: judged.losses(chances) for name, chances in found.items()}
    best = min(models[1:], key=lambda model: np.nanmean(each[model.name]))
    gain = paired_difference_interval(each[BASELINE], each[best.name], SEED)
    used = best if gain.low > 0 else None
    return used, {
        "used": used.name if used else None,
        "told": f"{best.name} gains {gain.mean:+.5f} [{gain.low:+.5f}, {gain.high:+.5f}] nats a pair"
        " on the base rate" + ("" if used else ": no tags"),
        "judged_as_of": judged.cut.as_of.isoformat(),
        "n_users": len(judged.taken),
        "gain_over_base_rate": asdict(gain),
        "contenders": {
            name: figures.figures(chances, judged.took) for name, chances in found.items()
        },
    }


def tags(
    db: duckdb.DuckDBPyConnection,
    model: Logistic | Bayes,
    kind: str,
    as_of: date,
    params: TagParams,
) -> dict[str, np.ndarray]:
    """user_id, subject, probability, base_rate: at most `most` a user, best first."""
    around = Around.of(*_sample(db, kind, as_of))
    cut = read_cut(db, kind, as_of)
    found: dict[str, list] = {n: [] for n in ("user_id", "subject", "probability", "base_rate")}
    for users, taken in cut.blocks():
        pairs = pairs_of(around, taken)
        chances = np.round(model.chances(cut, around, taken, pairs), 6)
        rate = around.rate[pairs.places]
        kept = np.flatnonzero((chances >= params.min_chance) & (chances >= params.min_lift * rate))
        # Equal chances: the more common subject first, as the subjects stand.
        order = kept[np.lexsort((pairs.places[kept], -chances[kept], pairs.rows[kept]))]
        first = _first_of_each(pairs.rows[order], params.most)
        order = order[first]
        found["user_id"].extend(users[pairs.rows[order]])
        found["subject"].extend(cut.subjects[pairs.places[order]])
        found["probability"].extend(chances[order])
        found["base_rate"].extend(np.round(rate[order], 6))
    return found


def _sample(db: duckdb.DuckDBPyConnection, kind: str, as_of: date) -> tuple[Cut, Taken]:
    cut = read_cut(db, kind, as_of, MAX_USERS)
    return cut, cut.all()


def _first_of_each(sorted_rows: np.ndarray, most: int) -> np.ndarray:
    """Positions of the first `most` of each run of equal values."""
    begins = np.searchsorted(sorted_rows, sorted_rows)
    return np.flatnonzero(np.arange(len(sorted_rows)) - begins < most)
