"""Who stays away: the chance that a user takes nothing for twice their own typical gap, and four weeks
at least. docs/decisions/0024 says why.

Time is counted in the user's own gaps, so that what a shop's weekly buyers teach holds for its yearly
buyers, whose horizon is longer than any window that it could be seen in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

from nightshelf.audience.chances import (
    Calibrator,
    base_rate,
    calibrate,
    cross_calibrated_loss,
    fit_linear,
)
from nightshelf.audience.figures import figures
from nightshelf.candidates.params import need
from nightshelf.ranking.boosting import Boosted, as_lightgbm_text
from nightshelf.ranking.logistic import Logistic

TRAIN = ("churn_train_2", "churn_train_1")
RULE = "gap_rule"
CHOOSE, EVALUATE = "churn_choose", "churn_evaluate"
GONE = 2
"""Learnt from users who have been away for this many of their horizons at most: the others are gone,
they would be most of an old shop's rows, and they teach nothing."""
MAX_USERS = 100_000
"""Read at a cut to learn from: a dozen features need no more."""

FEATURES = (
    "silence",
    "silence_of_any_event",
    "silence_to_longest_gap",
    "horizon",
    "recent_gap",
    "longest_gap",
    "age",
    "visits",
    "visits_28d",
    "visits_91d",
    "basket",
    "basket_91d",
)
"""Logarithms, times in the user's own typical gaps."""


@dataclass(frozen=True)
class ChurnParams:
    c: float = 0.1
    """Inverse strength of the logistic regression's L2 penalty on standardised features."""
    iterations: int = 100
    """Trees. With the small steps below they level off at about this many."""
    leaves: int = 6
    """Of a tree: interactions of two or three features, which is all a few thousand users show."""
    learning_rate: float = 0.05
    min_users_in_leaf: int = 30
    seed: int = 20171201

    def __post_init__(self) -> None:
        need(self.c > 0, "c", self.c, "above 0")
        need(1 <= self.iterations <= 1000, "iterations", self.iterations, "in 1..1000")
        need(2 <= self.leaves <= 31, "leaves", self.leaves, "in 2..31")
        need(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "in (0, 1]")
        need(self.min_users_in_leaf >= 1, "min_users_in_leaf", self.min_users_in_leaf, "at least 1")


@dataclass(frozen=True, eq=False)
class Rhythms:
    """Users as of a cut: their features, and what became of them."""

    users: np.ndarray
    matrix: np.ndarray
    """(n_users, len(FEATURES)) float64."""
    is_active: np.ndarray
    """Not away for their own horizon yet: whoever is, has lapsed already."""
    lapsed: np.ndarray
    """Took nothing in the horizon after the cut. Meaningless as of the night itself."""
    teaches: np.ndarray
    """The window holds the whole horizon, and the user is not long gone."""


@dataclass(frozen=True, eq=False)
class ChurnModel:
    name: str
    model: Logistic | Boosted
    calibrator: Calibrator

    def chances(self, matrix: np.ndarray) -> np.ndarray:
        return self.calibrator.chances(self.model.raw(matrix))

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "is_trees": np.array([isinstance(self.model, Boosted)]),
            **{f"model_{k}": v for k, v in self.model.arrays().items()},
            **{f"calibrator_{k}": v for k, v in self.calibrator.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, np.ndarray]) -> ChurnModel:
        kind = Boosted if arrays["is_trees"][0] else Logistic
        model, calibrator = (
            {k.removeprefix(f"{part}_"): v for k, v in arrays.items() if k.startswith(f"{part}_")}
            for part in ("model", "calibrator")
        )
        return cls(name, kind.from_arrays(model), Calibrator.from_arrays(calibrator))


def read_rhythms(
    db: duckdb.DuckDBPyConnection, as_of: date, window_days: int | None, most: int | None = None
) -> Rhythms:
    """features.feat_user_rhythm as of a cut, with audience.label_returned where the window is known.
    `most` users, drawn by a hash of their ids; all of them, in the order of ids, without."""
    labelled = "join" if window_days else "left join"
    drawn = f"order by md5(user_id), user_id limit {int(most)}" if most else "order by user_id"
    rows = db.execute(
        f"""
        select rhythms.*, (returned_on - rhythms.as_of)::integer as returned_after
        from features.feat_user_rhythm as rhythms
        {labelled} audience.label_returned using (as_of, user_id)
        where as_of = ? {drawn}""",
        [as_of],
    ).fetchnumpy()
    columns = {name: np.ma.filled(_numbers(c), np.nan) for name, c in rows.items()
               if name not in ("user_id", "as_of")}  # fmt: skip
    horizon, silence = columns["horizon_days"], columns["days_since_last"]
    returned_after = np.nan_to_num(columns["returned_after"], nan=np.inf)
    return Rhythms(
        np.asarray(rows["user_id"], dtype=object),
        _features(columns),
        silence <= horizon,
        returned_after >= horizon,
        (horizon <= (window_days or 0)) & (silence <= GONE * horizon),
    )


def _numbers(column: np.ndarray) -> np.ma.MaskedArray:
    return np.ma.masked_array(column, dtype=np.float64)


def _features(of: Mapping[str, np.ndarray]) -> np.ndarray:
    gap = np.maximum(of["typical_gap_days"], 1)
    recent = np.maximum(_where_known(of["recent_gap_days"], gap), 1)
    longest = np.maximum(_where_known(of["longest_gap_days"], gap), 1)
    age = np.maximum(of["days_since_first"], 28)
    silence = of["days_since_last"]
    usual_basket = of["n_lines"] / of["n_dates"]
    late_basket = np.where(
        of["n_dates_91d"] > 0, of["n_lines_91d"] / np.maximum(of["n_dates_91d"], 1), usual_basket
    )
    columns = {
        "silence": np.log(silence / gap),
        "silence_of_any_event": np.log(of["days_since_any"] / gap),
        "silence_to_longest_gap": np.log(silence / longest),
        "horizon": np.log(of["horizon_days"] / gap),
        "recent_gap": np.log(recent / gap),
        "longest_gap": np.log(longest / gap),
        "age": np.log(age / gap),
        "visits": np.log(of["n_dates"]),
        # Against what the user's own pace would have brought.
        "visits_28d": np.log1p(of["n_dates_28d"]) - np.log1p(of["n_dates"] * 28 / age),
        "visits_91d": np.log1p(of["n_dates_91d"])
        - np.log1p(of["n_dates"] * np.minimum(91, age) / age),
        "basket": np.log(usual_basket),
        "basket_91d": np.log(late_basket) - np.log(usual_basket),
    }
    return np.column_stack([columns[name] for name in FEATURES])


def _where_known(values: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), otherwise, values)


def learn(
    db: duckdb.DuckDBPyConnection, params: ChurnParams
) -> tuple[ChurnModel, dict[str, object]]:
    """Trains on the oldest cuts, calibrates and chooses on the next, judges on the newest.

    Calibration, choice and judgement are about users who had not lapsed at the cut. The chosen model
    is the one that serves. About 1 s for two cuts of 2,500 users.
    """
    cuts = _cuts(db)
    train = [read_rhythms(db, *cuts[role], MAX_USERS) for role in TRAIN]
    matrix = np.concatenate([r.matrix[r.teaches] for r in train])
    lapsed = np.concatenate([r.lapsed[r.teaches] for r in train])
    models = _contenders(matrix, lapsed, params)
    choose, judged = (_at_stake(read_rhythms(db, *cuts[r], MAX_USERS)) for r in (CHOOSE, EVALUATE))
    losses = {
        name: cross_calibrated_loss(m.raw(choose[0]), choose[1]) for name, m in models.items()
    }
    calibrated = {
        name: ChurnModel(name, m, calibrate(m.raw(choose[0]), choose[1]))
        for name, m in models.items()
    }
    chosen = min(losses, key=lambda name: (losses[name], name))
    found = {name: figures(m.chances(judged[0]), judged[1]) for name, m in calibrated.items()}
    everybody = base_rate(choose[1]).chances(np.zeros(len(judged[1])))
    report = {
        "used": chosen,
        "told": f"{chosen}: PR-AUC {found[chosen]['pr_auc']:.3f}; {RULE} {found[RULE]['pr_auc']:.3f},"
        f" the base rate {found[chosen]['prevalence']:.3f}",
        "window_days": cuts[EVALUATE][1],
        "judged_as_of": cuts[EVALUATE][0].isoformat(),
        "n_train": len(lapsed),
        "choice_log_loss": losses,
        "contenders": {**found, "base_rate": figures(everybody, judged[1])},
    }
    return calibrated[chosen], report


def _cuts(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[date, int]]:
    rows = db.execute("select role, as_of, window_days from features.feat_audience_cuts").fetchall()
    return {role: (as_of, window) for role, as_of, window in rows}


def _at_stake(rhythms: Rhythms) -> tuple[np.ndarray, np.ndarray]:
    kept = rhythms.teaches & rhythms.is_active
    return rhythms.matrix[kept], rhythms.lapsed[kept]


def _contenders(
    matrix: np.ndarray, lapsed: np.ndarray, params: ChurnParams
) -> dict[str, Logistic | Boosted]:
    """RULE is what everybody goes by: days since the last, over the usual gap."""
    return {
        "logistic": fit_linear(matrix, lapsed, params.c),
        "boosting": _boosting(matrix, lapsed, params),
        RULE: fit_linear(matrix, lapsed, 1.0, [FEATURES.index("silence")]),
    }


def _boosting(matrix: np.ndarray, lapsed: np.ndarray, params: ChurnParams) -> Boosted:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=params.iterations,
        max_leaf_nodes=params.leaves,
        learning_rate=params.learning_rate,
        min_samples_leaf=params.min_users_in_leaf,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=params.seed,
    )
    with threadpool_limits(1):
        model.fit(matrix, lapsed)
    return Boosted(as_lightgbm_text(model, params.iterations))
