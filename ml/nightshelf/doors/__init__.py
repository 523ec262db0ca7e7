"""The doors: run a suite of `expectations/` against an attempt, and stop the night if it fails."""

from expectations import DOORS, DoorContext, Rule
from nightshelf.doors.results import DoorResult, RuleResult
from nightshelf.doors.run import check

__all__ = ["DOORS", "DoorContext", "DoorResult", "Rule", "RuleResult", "check"]
