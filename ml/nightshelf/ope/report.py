"""One log and one policy: every estimator with its interval, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from nightshelf.evaluation.bootstrap import Interval
from nightshelf.ope.estimators import by_model, by_weight, clipped, effective_size
from nightshelf.ope.intervals import Sampling, ratio_intervals
from nightshelf.ope.log import LoggedImpressions, doubled, need_support
from nightshelf.ope.rewards import RewardModel, TabularRewards, cross_fitted


@dataclass(frozen=True)
class Options:
    clip: float | None = None
    """The largest weight; None for all as they are."""
    allow_uncovered: float = 0.01
    """The evaluated policy's mass on items never shown: 1 % moves a value by less than intervals do."""
    model: RewardModel = field(default_factory=TabularRewards)
    folds: int = 5
    """Of contexts, for the model: each is predicted by four fifths of the others."""
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Findings:
    """`values` are mean rewards of a slot, by estimator. `logged` is what the logging policy earned.

    The direct method's bounds are of the contexts drawn alone: its error is the model's, and they hold
    the truth in anything from no log to half of them (`python benchmarks/ope.py`).
    """

    values: dict[str, Interval]
    logged: Interval
    mean_weight: Interval
    """Of the weights as they are. Near 1 where log and policy fit: elsewhere propensities are wrong,
    or the policy shows what the log's policy could not, or the weights are too few to tell."""
    n_impressions: int
    effective_size: float
    uncovered: float
    """NaN where the log does not say which items there were."""
    clipped: int
    """Rows whose weight was cut."""
    doubled: int
    """Rows that repeat an earlier one's night, context, item and position."""

    @property
    def fits(self) -> bool:
        """True also where there are no bounds: nothing speaks against it then."""
        return not (self.mean_weight.low > 1 or self.mean_weight.high < 1)


def evaluate(log: LoggedImpressions, options: Options | None = None) -> Findings:
    """Raises InputError where the log does not support the policy."""
    options = options or Options()
    uncovered = need_support(log, options.allow_uncovered)
    weights = clipped(log.weights, options.clip)
    sums = _sums(log, weights, options)
    tops, bottoms = (np.stack(parts, axis=1) for parts in zip(*sums.values(), strict=True))
    found = ratio_intervals(tops, bottoms, log.context, options.sampling)
    values = dict(zip(sums, _possible(found, log), strict=True))
    return Findings(
        logged=values.pop("logged"),
        mean_weight=values.pop("mean_weight"),
        values=values,
        n_impressions=len(log),
        effective_size=effective_size(weights),
        uncovered=uncovered,
        clipped=int((weights < log.weights).sum()),
        doubled=doubled(log),
    )


def _sums(log: LoggedImpressions, weights: np.ndarray, options: Options) -> dict:
    """Figure → (n,) numerators and (n,) denominators."""
    one = np.ones(len(log))
    sums = by_weight(log.reward, weights)
    if log.policy is not None and log.item is not None:
        models = cross_fitted(log, options.model, options.folds, options.sampling.seed)
        sums |= by_model(log.reward, weights, *models)
    return sums | {"logged": (log.reward, one), "mean_weight": (log.weights, one)}


def _possible(found: list[Interval], log: LoggedImpressions) -> list[Interval]:
    """No mean of rewards that are never negative lies below 0."""
    if log.reward.min() < 0:
        return found
    return [replace(value, low=float(np.maximum(value.low, 0.0))) for value in found]
