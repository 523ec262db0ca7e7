"""Gradient boosting: trees by LightGBM or by scikit-learn, kept as LightGBM's text.

Text is read by LightGBM's own parser and can name no code to run. Sources: Friedman 2001; Ke et al.
2017 (LightGBM); Burges 2010 (LambdaMART, the objective `lambdarank`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nightshelf.candidates.params import need
from nightshelf.errors import ModelError
from nightshelf.ranking.rows import TrainingRows
from nightshelf.ranking.small_trees import SmallTrees
from nightshelf.warehouse import cores


@dataclass(frozen=True)
class BoostingParams:
    """One set for all kinds. Small trees, slowly: a shop's fortnight is a few ten thousand labels."""

    rounds: int = 130
    """Trees at most; how many are best is found on the later cut."""
    patience: int = 20
    """Rounds without gain on the later cut after which it ends."""
    learning_rate: float = 0.15
    leaves: int = 7
    min_rows_in_leaf: int = 300
    feature_share: float = 0.4
    """Features that each tree may look at."""
    row_share: float = 0.8
    """Rows that each tree may look at."""
    l2: float = 10.0
    bins: int = 31
    """Values of a feature that trees can tell apart: with many, a leaf can be the one item that
    sold best."""
    sklearn: bool = False
    """Do scikit-learn's trees compete, too? Same loss, same trees, and as good; they look at all features
    and all rows for each tree, in three times LightGBM's time (docs/decisions/0049)."""

    def __post_init__(self) -> None:
        for key in ("rounds", "patience", "min_rows_in_leaf"):
            need(1 <= getattr(self, key) < 2**31, key, getattr(self, key), "1 to 2147483647")
        need(2 <= self.leaves <= 131_072, "leaves", self.leaves, "2 to 131072")
        need(
            0 < self.learning_rate <= 10, "learning_rate", self.learning_rate, "above 0, at most 10"
        )
        need(self.l2 >= 0, "l2", self.l2, "0 or more")
        for key in ("feature_share", "row_share"):
            need(0.001 <= getattr(self, key) <= 1, key, getattr(self, key), "0.001 to 1")
        need(2 <= self.bins <= 255, "bins", self.bins, "2 to 255")


@dataclass(frozen=True, eq=False)
class Boosted:
    """A sum of trees; `raw` is in log odds, or, for lambdarank, in units of its own."""

    text: str

    @cached_property
    def booster(self) -> Any:
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.text)
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise ModelError(
                f"the trees cannot be read: {error}",
                "Roll back to another night, or promote a new model.",
            ) from error

    @cached_property
    def small(self) -> SmallTrees | None:
        return SmallTrees.of(self.booster)

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows,) float64. On one core 0.7 µs a float32 row for 200 trees of 7 leaves; trees of more
        than nine take LightGBM itself 8 µs and more."""
        if not len(matrix):
            return np.zeros(0)
        if matrix.dtype == np.float32 and self.small is not None:
            return self.small.raw(matrix)
        return self.booster.predict(matrix, raw_score=True, num_threads=cores())

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows, n_features + 1) float64: each feature's Shapley value over the trees (Lundberg et al.
        2020, TreeSHAP), and last the mean. A row's sum is its `raw`. About 1 ms a row."""
        return self.booster.predict(matrix, pred_contrib=True, num_threads=cores())

    def n_trees(self) -> int:
        return self.booster.num_trees()

    def importances(self) -> np.ndarray:
        """(n_features,) the gain of all splits on a feature."""
        return self.booster.feature_importance("gain")

    def arrays(self) -> dict[str, np.ndarray]:
        return {"text": np.frombuffer(self.text.encode(), dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Boosted:
        return cls(arrays["text"].tobytes().decode())


def fit_lightgbm(
    rows: TrainingRows,
    objective: str,
    params: BoostingParams,
    seed: int,
    later: TrainingRows | None = None,
) -> Boosted:
    """`fit_objectives` of one."""
    return fit_objectives(rows, [objective], params, seed, later)[objective]


def fit_objectives(
    rows: TrainingRows,
    objectives: Collection[str],
    params: BoostingParams,
    seed: int,
    later: TrainingRows | None = None,
) -> dict[str, Boosted]:
    """Each objective's trees, side by side: "binary" or "lambdarank". With `later`, rows of a later cut, each ends
    when they gain no more; without, it grows `params.rounds` trees.

    One thread each: histograms added up by several would round another way. Rows are laid out in bins once,
    which takes as long as thirty trees; a copy of the bins takes a fiftieth of that.
    """
    import lightgbm

    def bins(part: TrainingRows, like=None):
        labels = part.taken.astype(np.int8)
        layout = _settings("binary", params, seed)
        return lightgbm.Dataset(part.matrix, labels, reference=like, params=layout).construct()

    def copied(layout, part: TrainingRows, ranks: bool):
        found = layout.subset(np.arange(len(part)))
        return found.set_group(part.groups) if ranks else found

    learnt_from = bins(rows)
    judged_by = bins(later, learnt_from) if later else None

    def fit(objective: str) -> Boosted:
        ranks = objective == "lambdarank"
        booster = lightgbm.train(
            _settings(objective, params, seed),
            copied(learnt_from, rows, ranks),
            params.rounds,
            valid_sets=[copied(judged_by, later, ranks)] if later else None,
            callbacks=[lightgbm.early_stopping(params.patience, verbose=False)] if later else None,
        )
        return Boosted(booster.model_to_string(num_iteration=booster.best_iteration or -1))

    with ThreadPoolExecutor(len(objectives)) as pool:
        return dict(zip(objectives, pool.map(fit, objectives), strict=True))


def _settings(objective: str, params: BoostingParams, seed: int) -> dict[str, Any]:
    return {
        "objective": objective,
        "metric": "ndcg" if objective == "lambdarank" else "binary_logloss",
        "eval_at": [10],
        # Pairs with one of the first so many: a few more than are looked at. 20 take longer to the same lists.
        "lambdarank_truncation_level": 12,
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        "min_data_in_leaf": params.min_rows_in_leaf,
        "feature_fraction": params.feature_share,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1,
        "lambda_l2": params.l2,
        "max_bin": params.bins,
        "seed": seed,
        "deterministic": True,
        # A share of the features alone is looked at: half the time of rows, to the same trees.
        "force_col_wise": True,
        "enable_bundle": False,
        "num_threads": 1,
        "verbosity": -1,
    }


def fit_sklearn(
    rows: TrainingRows, params: BoostingParams, seed: int, later: TrainingRows | None = None
) -> Boosted:
    """scikit-learn's histogram gradient boosting, log loss. With `later` it ends when that cut's log
    loss gains no more, and keeps the trees at which it was least."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=params.rounds,
        learning_rate=params.learning_rate,
        max_leaf_nodes=params.leaves,
        min_samples_leaf=params.min_rows_in_leaf,
        max_features=params.feature_share,
        l2_regularization=params.l2,
        max_bins=params.bins,
        early_stopping=later is not None,
        n_iter_no_change=params.patience,
        random_state=seed,
    )
    with threadpool_limits(1, "openmp"):
        if later is None:
            model.fit(rows.matrix, rows.taken)
            n = params.rounds
        else:
            model.fit(rows.matrix, rows.taken, X_val=later.matrix, y_val=later.taken)
            # The first score is that of no trees at all.
            n = max(1, int(np.argmax(model.validation_score_)))
    return Boosted(as_lightgbm_text(model, n))


def as_lightgbm_text(model: Any, n_iterations: int) -> str:
    """A binary HistGradientBoostingClassifier's first trees in LightGBM's text format (version 4).

    Both send a row left where feature <= threshold; a missing value never comes here, as features
    have none. The base score is added to the first tree's leaves.
    """
    base = float(np.ravel(model._baseline_prediction)[0])
    trees = [
        _tree_text(number, stage[0].nodes, base if number == 0 else 0.0)
        for number, stage in enumerate(model._predictors[:n_iterations])
    ]
    n_features = model.n_features_in_
    names = " ".join(f"Column_{n}" for n in range(n_features))
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={n_features - 1}",
        "objective=binary sigmoid:1",
        f"feature_names={names}",
        f"feature_infos={' '.join(['none'] * n_features)}",
        f"tree_sizes={' '.join(str(len(text)) for text in trees)}",
        "",
        "",
    ]
    return "\n".join(head) + "".join(trees) + "end of trees\n\nparameters:\nend of parameters\n"


def _tree_text(number: int, nodes: np.ndarray, base: float) -> str:
    is_leaf = nodes["is_leaf"].astype(bool)
    inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    # Children are inner nodes by number, leaves as -1 - number.
    place = np.empty(len(nodes), dtype=np.int64)
    place[inner], place[leaves] = np.arange(len(inner)), -1 - np.arange(len(leaves))

    def told(values) -> str:
        return " ".join(repr(float(v)) if isinstance(v, float) else str(int(v)) for v in values)

    lines = {
        "num_leaves": len(leaves),
        "num_cat": 0,
        "split_feature": told(nodes["feature_idx"][inner]),
        "split_gain": told([float(v) for v in nodes["gain"][inner]]),
        "threshold": told([float(v) for v in nodes["num_threshold"][inner]]),
        # 2: missing goes left by default, no missing type.
        "decision_type": told([2] * len(inner)),
        "left_child": told(place[nodes["left"][inner]]),
        "right_child": told(place[nodes["right"][inner]]),
        "leaf_value": told([float(v) + base for v in nodes["value"][leaves]]),
        "leaf_weight": told([0.0] * len(leaves)),
        "leaf_count": told(nodes["count"][leaves]),
        "internal_value": told([float(v) for v in nodes["value"][inner]]),
        "internal_weight": told([0.0] * len(inner)),
        "internal_count": told(nodes["count"][inner]),
        "is_linear": 0,
        "shrinkage": 1,
    }
    content = "".join(f"{key}={value}\n" for key, value in lines.items())
    return f"Tree={number}\n{content}\n\n"
