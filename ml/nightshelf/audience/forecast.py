"""Next month's interests: which share of a user's lines each category will have in the 28 days to come.

Three contenders, each a distribution over categories for every user: the last month over again, a
multinomial logit (McFadden 1974) whose few weights hold for all categories, and naive Bayes. Learnt
from the 28 days after one cut, judged on the 28 days after the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import product

import duckdb
import numpy as np

from nightshelf.audience import figures
from nightshelf.audience.interests import (
    LATELY,
    MAX_USERS,
    QUARTER,
    Cut,
    Taken,
    dot,
    read_cut,
    read_next,
    shares,
    shop_shares,
)
from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import pack_ids, unpack_ids
from nightshelf.evaluation import paired_difference_interval
from nightshelf.evaluation.bootstrap import over
from nightshelf.evaluation.curves import average_precision

SEED = 20171201
"""Of the bootstrap."""
BASELINE = "last_month"
UNTUNED = 32.0
"""The baseline's weight where there is nobody to tune it on: what a month of a few baskets is worth."""
SMOOTHINGS = (5.0, 20.0, 80.0)
"""Users' worth of the shop's shares that are mixed into each class."""
STRENGTHS = (1.0, 3.0, 5.0, 10.0)
"""As how many independent lines a user's shares count."""
EVIDENCE = (
    "lately", "months_before", "earlier", "shop_lately", "shop_trend", "recency", "days_since"
)  # fmt: skip


@dataclass(frozen=True)
class ForecastParams:
    own_lines: float = 40.0
    """Lines of the shop's shares that are mixed into a user's own: two or three baskets, below which a
    month says little."""
    penalty: float = 0.001
    """L2 on the logit's weights: keeps them finite where two pieces of evidence agree."""
    shown: int = 10
    """Categories published for each user; the others stand in one row together."""

    def __post_init__(self) -> None:
        need(self.own_lines > 0, "own_lines", self.own_lines, "above 0")
        need(self.penalty >= 0, "penalty", self.penalty, "at least 0")
        need(1 <= self.shown <= 100, "shown", self.shown, "in 1..100")


@dataclass(frozen=True, eq=False)
class LastMonth:
    """The shares of the last 28 days, with `weight` lines of the user's year mixed in."""

    weight: float
    name = BASELINE

    def shares(self, cut: Cut, taken: Taken) -> np.ndarray:
        usual = shares(taken.year, shop_shares(cut.shop[1]), 5.0)
        return shares(taken.lately, usual, self.weight)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weight": np.array([self.weight])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> LastMonth:
        return cls(float(arrays["weight"][0]))

    @classmethod
    def fit(cls, cut: Cut, taken: Taken, wanted: np.ndarray) -> LastMonth:
        """The weight that would have foretold best: a baseline that is not tuned is no opponent."""
        tried = [cls(float(2**power)) for power in range(9)]
        return min(tried, key=lambda one: np.nanmean(losses(one.shares(cut, taken), wanted)))


@dataclass(frozen=True, eq=False)
class Logit:
    """share ∝ exp(Σ weight × evidence): what speaks for a category, weighed alike for all of them."""

    weights: np.ndarray
    own_lines: float
    name = "multinomial_logit"

    def shares(self, cut: Cut, taken: Taken) -> np.ndarray:
        return _softmax(_evidence(cut, taken, self.own_lines), self.weights)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "own_lines": np.array([self.own_lines])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Logit:
        return cls(arrays["weights"], float(arrays["own_lines"][0]))

    @classmethod
    def fit(cls, cut: Cut, taken: Taken, wanted: np.ndarray, params: ForecastParams) -> Logit:
        """Convex: 20 to 40 steps of L-BFGS, 1 s for 2,000 users and 300 categories."""
        from scipy.optimize import minimize

        evidence = _evidence(cut, taken, params.own_lines)
        target = wanted / wanted.sum(axis=1, keepdims=True)

        def loss_and_slope(weights: np.ndarray) -> tuple[float, np.ndarray]:
            found = _softmax(evidence, weights)
            off = (found - target) / len(target)
            slope = np.array([(one * off).sum() for one in evidence]) + params.penalty * weights
            loss = losses(found, wanted).mean() + params.penalty * (weights**2).sum() / 2
            return loss, slope

        start = np.zeros(len(EVIDENCE))
        found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B")
        return cls(found.x, params.own_lines)


def _evidence(cut: Cut, taken: Taken, own_lines: float) -> list[np.ndarray]:
    """(n_users, n_subjects + 1) each, in the order of EVIDENCE."""
    shop = shop_shares(cut.shop[1])
    lately, before = shop_shares(cut.shop[0]), shop_shares(cut.shop[1] - cut.shop[0])
    usual = shares(taken.year, shop, own_lines)
    ones = np.ones_like(usual)
    return [
        np.log(shares(taken.lately, usual, own_lines)),
        np.log(shares(taken.quarter - taken.lately, usual, own_lines)),
        np.log(shares(taken.year - taken.quarter, usual, own_lines)),
        ones * np.log(lately),
        ones * (np.log(lately) - np.log(before)),
        np.exp(-taken.days_since / LATELY),
        np.log(taken.days_since / QUARTER),
    ]


def _softmax(evidence: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    logits = np.zeros_like(evidence[0])
    for one, weight in zip(evidence, weights, strict=True):
        logits += one * weight
    return _normalised(logits)


def _normalised(logits: np.ndarray) -> np.ndarray:
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Bayes:
    """share ∝ how common the category is × how likely a user of it would take what this one took.

    Lines are counted as shares, times `strength`: a thousand lines are no thousand independent
    witnesses.
    """

    subjects: np.ndarray
    log_prior: np.ndarray
    log_likelihood: np.ndarray
    """(n + 1, n + 1): log chance that a line of one who next takes the row's is the column's."""
    strength: float
    name = "naive_bayes"

    def shares(self, cut: Cut, taken: Taken) -> np.ndarray:
        """Subjects that it has not learnt share what it gives to the rest, as the shop does."""
        known = {name: place for place, name in enumerate(self.subjects)}
        rest = len(self.subjects)
        places = np.array([known.get(name, rest) for name in cut.subjects] + [rest])
        mine = np.zeros((len(taken), rest + 1))
        for column, place in enumerate(places):
            mine[:, place] += taken.quarter[:, column]
        found = _normalised(self.strength * self._votes(mine) + self.log_prior)[:, places]
        unknown = places == rest
        shop = shop_shares(cut.shop[1])
        found[:, unknown] *= shop[unknown] / shop[unknown].sum()
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            **pack_ids("subjects", self.subjects),
            "log_prior": self.log_prior,
            "log_likelihood": self.log_likelihood,
            "strength": np.array([self.strength]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Bayes:
        return cls(
            unpack_ids("subjects", arrays),
            arrays["log_prior"],
            arrays["log_likelihood"],
            float(arrays["strength"][0]),
        )

    @classmethod
    def fit(cls, cut: Cut, taken: Taken, wanted: np.ndarray) -> Bayes:
        """Smoothing and strength are those by which one half of the users foretells the other best."""
        half = np.arange(len(wanted)) % 2 == 0
        lost = dict.fromkeys(product(SMOOTHINGS, STRENGTHS), 0.0)
        for part, smoothing in product((half, ~half), SMOOTHINGS):
            model = cls._of(cut, taken.quarter[~part], wanted[~part], smoothing, 1.0)
            votes = model._votes(taken.quarter[part])
            for strength in STRENGTHS:
                found = _normalised(strength * votes + model.log_prior)
                lost[smoothing, strength] += losses(found, wanted[part]).sum()
        return cls._of(cut, taken.quarter, wanted, *min(lost, key=lost.get))

    @classmethod
    def _of(
        cls, cut: Cut, lines: np.ndarray, wanted: np.ndarray, smoothing: float, strength: float
    ) -> Bayes:
        """scikit-learn's multinomial naive Bayes, given each class's sums instead of its rows."""
        from sklearn.naive_bayes import MultinomialNB

        weights = wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1)
        prior = shop_shares(weights.sum(axis=0))
        sums = dot(weights.T, shares(lines, prior, 1.0))
        model = MultinomialNB(alpha=smoothing * shop_shares(cut.shop[1]), class_prior=prior)
        model.fit(sums, np.arange(len(sums)))
        return cls(cut.subjects, np.log(prior), model.feature_log_prob_, strength)

    def _votes(self, lines: np.ndarray) -> np.ndarray:
        """(n_users, n + 1): what the user's shares say for each class, before strength and prior."""
        return dot(shares(lines, np.exp(self.log_prior), 1.0), self.log_likelihood.T)


def _rows(taken: Taken, kept: np.ndarray) -> Taken:
    return Taken(
        *(getattr(taken, name)[kept] for name in ("lately", "quarter", "year", "days_since"))
    )


KINDS = {kind.name: kind for kind in (LastMonth, Logit, Bayes)}


def losses(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n_users,) the mean of -log of the share foretold over the lines taken; NaN without lines."""
    n_lines = wanted.sum(axis=1)
    total = -(wanted * np.log(np.maximum(found, figures.LEAST))).sum(axis=1)
    return over(total, n_lines)


def learn(
    db: duckdb.DuckDBPyConnection, params: ForecastParams
) -> tuple[LastMonth | Logit | Bayes, dict[str, object]]:
    """The best of the three, if it beats last month with an interval; else last month. About 3 s for
    2,500 users and 300 categories."""
    cuts = dict(db.execute("select role, as_of from features.feat_audience_cuts").fetchall())
    cut, taken, wanted = _people(db, cuts["interest_train"])
    models = [
        LastMonth.fit(cut, taken, wanted),
        Logit.fit(cut, taken, wanted, params),
        Bayes.fit(cut, taken, wanted),
    ]
    cut, taken, wanted = _people(db, cuts["interest_evaluate"])
    found = {model.name: model.shares(cut, taken) for model in models}
    each = {name: losses(shares, wanted) for name, shares in found.items()}
    best = min(models[1:], key=lambda model: each[model.name].mean())
    gain = paired_difference_interval(each[BASELINE], each[best.name], SEED)
    used = best if gain.low > 0 else models[0]
    return used, {
        "used": used.name,
        "told": _told(used.name, best.name, gain),
        "judged_as_of": cut.as_of.isoformat(),
        "n_users": len(wanted),
        "gain_over_last_month": asdict(gain),
        "contenders": {name: _figures(found[name], each[name], wanted) for name in found},
        "settings": {"last_month_weight": models[0].weight, "bayes_strength": models[2].strength,
                     "logit_weights": dict(zip(EVIDENCE, models[1].weights.tolist(), strict=True))},
    }  # fmt: skip


def _people(db: duckdb.DuckDBPyConnection, as_of: date) -> tuple[Cut, Taken, np.ndarray]:
    """Those who took something after the cut; the others say nothing about shares."""
    cut = read_cut(db, "category", as_of, MAX_USERS)
    wanted = read_next(db, cut)
    some = wanted.sum(axis=1) > 0
    return cut, _rows(cut.all(), some), wanted[some]


def _told(used: str, best: str, gain) -> str:
    against = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] nats a line"
    if used == BASELINE:
        return f"last month over again: the best of the others, {best}, gains {against}"
    return f"{used} gains {against} on last month over again"


def _figures(found: np.ndarray, each: np.ndarray, wanted: np.ndarray) -> dict[str, object]:
    """Log loss is about shares of lines; PR-AUC about whether anything of the category was taken."""
    taken = wanted / wanted.sum(axis=1, keepdims=True)
    some = wanted.ravel() > 0
    return {
        "log_loss": float(each.mean()),
        "pr_auc": average_precision(found.ravel(), some),
        "prevalence": float(some.mean()),
        "calibration": figures.calibration(found.ravel(), taken.ravel()),
    }
