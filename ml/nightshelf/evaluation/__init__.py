"""Evaluation: a global cut in time, all items ranked, metrics per user, intervals over users."""

from nightshelf.evaluation.bootstrap import (
    Interval,
    intervals,
    mean_interval,
    paired_difference_interval,
)
from nightshelf.evaluation.cohorts import Cohort, item_cohorts, user_cohorts
from nightshelf.evaluation.lists import coverage, diversity, gini, novelty, repeat_share
from nightshelf.evaluation.metrics import CUTOFFS, METRICS, all_metrics
from nightshelf.evaluation.past import Past, load_past
from nightshelf.evaluation.split import Labels, View, labels

__all__ = [
    "CUTOFFS",
    "METRICS",
    "Cohort",
    "Interval",
    "Labels",
    "Past",
    "View",
    "all_metrics",
    "coverage",
    "diversity",
    "gini",
    "intervals",
    "item_cohorts",
    "labels",
    "load_past",
    "mean_interval",
    "novelty",
    "paired_difference_interval",
    "repeat_share",
    "user_cohorts",
]
