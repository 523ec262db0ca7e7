"""Off-policy evaluation: what another policy would have earned, from the log of the one that served."""

from nightshelf.ope.intervals import Sampling
from nightshelf.ope.log import LoggedImpressions, Policy
from nightshelf.ope.report import Findings, Options, evaluate
from nightshelf.ope.rewards import TabularRewards

__all__ = [
    "Findings",
    "LoggedImpressions",
    "Options",
    "Policy",
    "Sampling",
    "TabularRewards",
    "evaluate",
]
