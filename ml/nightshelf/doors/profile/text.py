"""SQL literals for statements that we run ourselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from nightshelf import sql_text

__all__ = ["literal", "values"]


def literal(value: object) -> str:
    """Text is quoted, a time is UTC or made so, None is NULL; numbers stand as they are."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"TIMESTAMP '{utc.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return sql_text.literal(value)
    return str(value)


def values(rows: Iterable[tuple]) -> str:
    """(1, 'a'), (2, 'b')"""
    return ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
