"""What a sink's tables are known by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nightshelf.columns import AUDIENCE_KEYS, SHELVES
from nightshelf.publishing.nights import PublishedNight

SHELF_KEY = ("context_type", "context_id", "rank")


def key(table: str) -> tuple[str, ...]:
    """The columns of the primary key, in an order that also finds a context's rows; none for a report."""
    return SHELF_KEY if table in SHELVES else AUDIENCE_KEYS.get(table, ())


def asked_by(table: str) -> str:
    """The column by which a shop asks for rows; "" for a report."""
    return "context_id" if table in SHELVES else "user_id" if table in AUDIENCE_KEYS else ""


def files(night: PublishedNight, chosen: Sequence[str] | None) -> dict[str, Path]:
    """Table → Parquet file: those of the manifest that the shop chose; None chooses all."""
    names = (name.removesuffix(".parquet") for name in night.manifest["tables"])
    return {
        name: night.path / f"{name}.parquet" for name in names if chosen is None or name in chosen
    }
