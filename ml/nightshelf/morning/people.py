"""What the tables about users say of the shop as a whole."""

from __future__ import annotations

from typing import Any

from nightshelf.morning.opened import BEFORE, TONIGHT, Opened

MONTHS = 13
"""The months in the picture of drift: a year, and the same month a year ago."""
CATEGORIES = 8
LISTS = 12


def drift(of: Opened) -> list[dict[str, Any]]:
    """One row per month, oldest first: how far the median user's interests moved from the month before,
    and how many of their categories rose or faded."""
    if not of.has("user_interest_history"):
        return []
    return of.rows(
        f"""select month, bool_and(is_whole_month) as is_whole, count(distinct user_id) as n_users,
            median(drift) filter (rank = 1) as drift,
            count(*) filter (trend = 'rising') as n_rising,
            count(*) filter (trend = 'fading') as n_fading
        from {TONIGHT}.user_interest_history group by month
        having median(drift) filter (rank = 1) is not null
        order by month desc limit {MONTHS}"""
    )[::-1]


def moving_categories(of: Opened) -> list[dict[str, Any]]:
    """One row per category that most users turned to or from in the newest month of the table."""
    if not of.has("user_interest_history"):
        return []
    return of.rows(
        f"""select category, count(*) filter (trend = 'rising') as n_rising,
            count(*) filter (trend = 'fading') as n_fading
        from {TONIGHT}.user_interest_history
        where month = (select max(month) from {TONIGHT}.user_interest_history)
        group by category having n_rising + n_fading > 0
        order by n_rising + n_fading desc, category limit {CATEGORIES}"""
    )


def segments(of: Opened) -> list[dict[str, Any]]:
    """One row per segment: its users tonight and last night, whose numbers are the same segments."""
    if not of.has("user_segments"):
        return []
    before = _by_key(of, "user_segments", "segment")
    found = of.rows(
        f"""select segment, any_value(name) as name, count(*) as n_users
        from {TONIGHT}.user_segments group by segment order by segment"""
    )
    return [{**row, "before": before.get(row["segment"])} for row in found]


def risks(of: Opened) -> list[dict[str, Any]]:
    """One row per level of the risk to lapse, the highest first."""
    if not of.has("user_churn_risk"):
        return []
    before = _by_key(of, "user_churn_risk", "risk")
    tonight = {
        row["risk"]: row["n_users"]
        for row in of.rows(
            f"select risk, count(*) as n_users from {TONIGHT}.user_churn_risk group by risk"
        )
    }
    known = ["high", "medium", "low", "lapsed"]
    levels = [*known, *sorted(set(tonight) - set(known))]
    return [
        {"risk": level, "n_users": tonight[level], "before": before.get(level)}
        for level in levels
        if level in tonight
    ]


def audiences(of: Opened) -> dict[str, Any]:
    """The longest lists to write to, and how many there are."""
    if not of.has("audiences"):
        return {}
    found = of.rows(
        f"""select audience, kind, count(*) as n_users from {TONIGHT}.audiences
        group by audience, kind order by n_users desc, audience"""
    )
    before = _by_key(of, "audiences", "audience")
    shown = [{**row, "before": before.get(row["audience"])} for row in found[:LISTS]]
    return {"n_lists": len(found), "shown": shown}


def _by_key(of: Opened, table: str, key: str) -> dict[Any, int]:
    """Last night's users by the column; empty where last night has no such table."""
    if not of.has(table, BEFORE):
        return {}
    found = of.rows(f"select {key} as key, count(*) as n from {BEFORE}.{table} group by {key}")
    return {row["key"]: row["n"] for row in found}
