"""Door raw, files that were restated: a shorter content takes the longer one's place, and its days with it.

Bands cannot tell: they are learnt from the log as it was just restated.
"""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import literal, rows_rule


def rules(context: DoorContext) -> list[Rule]:
    """One, on a small table."""
    return [_keep_their_events(context)]


def _keep_their_events(context: DoorContext) -> Rule:
    """Half of a file is no correction of it, if the log is told by it at all: a hundredth of the events, and
    five, which are no chance. A fifth of the whole log is not, however many files it went from."""
    meant = f"AND read_on > {literal(context.learn_from)}" if context.learn_from else ""
    return rows_rule(
        "restated_files_keep_their_events",
        "raw.restated",
        f"""
        SELECT name, source, read_on, before AS events_before, now AS events_now, kept AS events_kept,
            days_before, days_kept
        FROM (SELECT *, before - kept AS lost, sum(before - kept) OVER () AS lost_in_all FROM {{batch}})
        WHERE (lost >= 5 AND 2 * lost >= before AND 100 * lost >= log_before
            OR lost > 0 AND lost_in_all >= 5 AND 5 * lost_in_all >= log_before) {meant}
        ORDER BY lost DESC, name, source
        """,
        reason="What a file held before is replaced, not added to: history that it lacks is lost to every shelf.",
        next_step="Deliver the named files whole, or a part of the log under a name of its own; if it is meant, "
        "set the shop's doors.learn_from to tonight.",
    )
