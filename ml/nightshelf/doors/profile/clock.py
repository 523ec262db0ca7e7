"""The shop's own clock in SQL: which of its days, and which hour, a UTC time belongs to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from expectations import DoorContext
from nightshelf.doors.profile.text import literal

HOUR = timedelta(hours=1)


def shown_time(context: DoorContext, days: int, column: str = "occurred_at") -> str:
    """`column` as the shop's clock shows it, right for `days` before the night.

    A few CASE branches, one a clock change: DuckDB's own conversion costs ten times an addition.
    """
    changes = _offsets(context, days)
    branches = "".join(
        f" WHEN {column} >= {literal(since)} THEN INTERVAL ({seconds}) SECOND"
        for since, seconds in reversed(changes[1:])
    )
    first = f"INTERVAL ({changes[0][1]}) SECOND"
    return f"({column} + CASE{branches} ELSE {first} END)" if branches else f"({column} + {first})"


def days_of_change(context: DoorContext, days: int) -> list[int]:
    """Days before the night (1 is the last) on which clocks were changed: they lack an hour, or have
    one twice."""
    night = context.night
    return [
        (night - (since + timedelta(seconds=seconds)).date()).days
        for since, seconds in _offsets(context, days)[1:]
    ]


def _offsets(context: DoorContext, days: int) -> list[tuple[datetime, int]]:
    """(UTC instant from which it holds, offset in seconds), oldest first. Clocks change on full hours."""
    instant = context.as_of_utc
    as_of = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    found: list[tuple[datetime, int]] = []
    for hours in range(24 * days, -1, -1):
        at = (as_of - hours * HOUR).astimezone(UTC)
        seconds = int(at.astimezone(context.zone).utcoffset().total_seconds())
        if not found or found[-1][1] != seconds:
            found.append((at.replace(tzinfo=None), seconds))
    return found
