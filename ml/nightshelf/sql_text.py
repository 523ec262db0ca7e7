"""Text in SQL, for the statements and the places that take no parameters."""

from __future__ import annotations

from pathlib import Path


def literal(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'
