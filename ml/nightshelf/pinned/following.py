"""Which published nights a night looks back on: raw.published and raw.published_nights."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from nightshelf.columns import SHELF
from nightshelf.night import Night
from nightshelf.paths import ShopHome
from nightshelf.progress import console
from nightshelf.publishing.nights import PublishedNight, damage, published
from nightshelf.sql_text import literal, quoted
from nightshelf.warehouse import lay

FOLLOWED_DAYS = 14
"""A purchase is waited for seven days; a week of nights has then been followed to the end. Each night more
costs a scan of its shelves, some 0.1 s a million rows."""


def pin_published(db: duckdb.DuckDBPyConnection, shop: ShopHome, night: Night) -> None:
    """The shelves of the FOLLOWED_DAYS before the night, as a view over their Parquet, and the nights.

    Of several attempts at a night the newest counts. A night whose files are not what its manifest
    says is left out, and told of.
    """
    nights = [p for p in _newest(shop, night) if _is_whole(p)]
    columns = {"night": "date", "attempt": "integer"}
    lay(db, "published_nights", columns, [(p.night, p.attempt) for p in nights])
    db.execute(f"create or replace view raw.published as {_rows(nights)}")


def _newest(shop: ShopHome, night: Night) -> list[PublishedNight]:
    first = night.date - timedelta(days=FOLLOWED_DAYS)
    # Sorted by night and attempt: the last one of a night stays.
    found = {p.night: p for p in published(shop) if first <= p.night < night.date}
    return list(found.values())


def _is_whole(night: PublishedNight) -> bool:
    wrong = damage(night)
    if wrong:
        told = f"Warning: what {night.path} brought is not told: {'; '.join(wrong)}"
        console.print(f"  {told}", markup=False)
    return not wrong


def _rows(nights: list[PublishedNight]) -> str:
    paths = [night.path / n for night in nights for n in _shelves(night)]
    if not paths:
        empty = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in SHELF.items())
        return f"select {empty} where false"
    names = ", ".join(map(quoted, SHELF))
    listed = ", ".join(literal(str(path)) for path in paths)
    return f"select {names} from read_parquet([{listed}], hive_partitioning = false)"


def _shelves(night: PublishedNight) -> list[str]:
    """A night of an older version may have fewer shelves, and a later one more."""
    tables = night.manifest["tables"].items()
    return [name for name, t in tables if list(t["columns"]) == list(SHELF)]
