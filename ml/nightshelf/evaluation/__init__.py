"""Evaluation: a global cut in time, all items ranked, metrics per user, intervals over users."""

from nightshelf.evaluation.bootstrap import Interval, mean_interval, paired_difference_interval
from nightshelf.evaluation.metrics import METRICS, coverage
from nightshelf.evaluation.split import Labels, View, labels

__all__ = [
    "METRICS",
    "Interval",
    "Labels",
    "View",
    "coverage",
    "labels",
    "mean_interval",
    "paired_difference_interval",
]
