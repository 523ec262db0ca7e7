"""The one place that turns a night's date into instants and cuts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WINDOW_DAYS = 14
"""Length of the label window. Two weekly shopping trips: shorter windows leave most users without
a label, longer ones measure a season instead of tomorrow's shelf."""

TRAIN_ROLES = ("train_2", "train_1")
"""The cuts whose labels teach the ranker, oldest first. On the first of them contenders learn, on the
next they are chosen; the chosen one learns from all."""

ROLES = (*TRAIN_ROLES, "evaluate", "serve")


@dataclass(frozen=True)
class Night:
    """A date whose shelves are made; `as_of` is the midnight at which it begins.

    Four cuts a night: candidates fitted at the train cuts give the ranker its labels, at `evaluate`
    its examination, at `serve` the shelves. Each cut's labels lie in the window after it, so the
    ranker that is examined never saw a label of its examination.
    """

    date: date
    zone: ZoneInfo

    def as_of(self, role: str) -> date:
        """Features of this role see events of earlier dates only."""
        windows = len(ROLES) - 1 - ROLES.index(role)
        return self.date - timedelta(days=windows * WINDOW_DAYS)

    @property
    def instant(self) -> datetime:
        """`as_of` of the night itself, in UTC."""
        return datetime.combine(self.date, time.min, self.zone).astimezone(UTC)
