"""What a published night says of one user: rows of every shelf, and the titles of the items on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from nightshelf.errors import InputError, SettingsError
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight, current, published, require_whole
from nightshelf.warehouse import connect, in_memory

FOR_NOBODY = ("cold_start", "popular")
"""What an unknown visitor is shown: the first of these that the night has."""


@dataclass(frozen=True)
class Row:
    """A shelf row, without what is the same on all of a list."""

    placement: str
    rank: int
    item_id: str
    score: float
    source: str
    reason_code: str
    evidence: tuple[str, ...]
    model_fingerprint: str
    is_exploration: bool
    propensity: float


def whole_night(shop: ShopHome, name: str, night: date | None) -> PublishedNight:
    """The newest attempt published of that night; by default the night that readers see. Raises
    InputError where there is none, StorageError where it is damaged."""
    found = current(shop) if night is None else _newest(shop, night)
    if found is None and night is None:
        raise InputError(
            f"Shop '{name}' has no published night yet.", "Run `nightshelf night` first."
        )
    if found is None:
        raise InputError(
            f"Shop '{name}' has published no night of {night}.",
            "`nightshelf nights` lists those there are.",
        )
    require_whole(found)
    return found


def _newest(shop: ShopHome, night: date) -> PublishedNight | None:
    return max((p for p in published(shop) if p.night == night), default=None)


def placements(night: PublishedNight) -> list[str]:
    """In the order in which they were published."""
    names = [Path(name).stem for name in night.manifest["tables"]]
    return [n.removeprefix("rec_") for n in names if n.startswith("rec_")]


def checked(night: PublishedNight, placement: str | None) -> str | None:
    """`rec_for_you` and `for_you` are one. Raises SettingsError for what the night did not publish."""
    if placement is None:
        return None
    name = placement.removeprefix("rec_")
    if name not in placements(night):
        raise SettingsError(
            f"The night of {night.night} has no placement {placement!r}.",
            f"Name one of {', '.join(placements(night))}.",
        )
    return name


def of_user(shop: ShopHome, night: PublishedNight, user: str, placement: str | None) -> list[Row]:
    """The user's rows, by placement and rank."""
    return _rows(shop, night, placement, "user", user)


def for_nobody(shop: ShopHome, night: PublishedNight) -> list[Row]:
    """What an unknown visitor is shown."""
    for placement in FOR_NOBODY:
        if placement in placements(night):
            rows = _rows(shop, night, placement, "all", "all")
            if rows:
                return rows
    return []


def _rows(
    shop: ShopHome, night: PublishedNight, placement: str | None, kind: str, context: str
) -> list[Row]:
    order = placements(night)
    asked = order if placement is None else [placement]
    paths = [str(night.path / f"rec_{name}.parquet") for name in asked]
    with in_memory(shop) as db:
        found = db.execute(
            """select placement, rank, item_id, score, source, reason_code, evidence,
                model_fingerprint, is_exploration, propensity
            from read_parquet($paths) where context_type = $kind and context_id = $context
            order by list_position($order, placement), rank""",
            {"paths": paths, "kind": kind, "context": context, "order": order},
        ).fetchall()
    return [Row(*r[:6], tuple(r[6]), *r[7:]) for r in found]


def titles(shop: ShopHome, night: PublishedNight, items: Iterable[str]) -> dict[str, str]:
    """Item → title as of the night; empty where the attempt's tables are gone or damaged."""
    try:
        with connect(shop.attempt(night.night, night.attempt).database) as db:
            return dict(
                db.execute(
                    "select item_id, title from marts.dim_items where list_contains($items, item_id)",
                    {"items": sorted(set(items))},
                ).fetchall()
            )
    except duckdb.Error:
        return {}


def titles_of(shop: ShopHome, night: PublishedNight, rows: Iterable[Row]) -> dict[str, str]:
    return titles(shop, night, [i for row in rows for i in (row.item_id, *row.evidence)])
