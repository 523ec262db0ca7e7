"""`nightshelf shelf`: a user's published shelves as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

from rich.table import Table

from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.publishing.nights import PublishedNight
from nightshelf.settings.shop import load_shop
from nightshelf.terminal import clean, reason_told, titled_table
from nightshelf.tracing.published import Row, checked, for_nobody, of_user, titles_of, whole_night


def show_shelf(
    home: Home, shop_file: Path, user: str, night: date | None, placement: str | None, top: int
) -> None:
    """The first `top` slots of each list."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    asked = whole_night(where, shop.name, night)
    name = checked(asked, placement)
    rows = of_user(where, asked, user, name)
    others = [] if rows or name is None else of_user(where, asked, user, None)
    if others:
        shelves = ", ".join(dict.fromkeys(row.placement for row in others))
        _say(
            f"User '{clean(user)}' has no rec_{name} in the night of {asked.night}; has: {shelves}."
        )
    elif not rows:
        rows = for_nobody(where, asked)
        _tell_unknown(user, asked, rows)
    titles = titles_of(where, asked, rows)
    for shelf, of_shelf in groupby(rows, key=lambda row: row.placement):
        console.print(_table(f"rec_{shelf} of {asked.night}", list(of_shelf)[:top], titles))
    if rows and not titles:
        console.print(
            "Titles are gone: the attempt's night.duckdb is not there, or damaged.", markup=False
        )


def _tell_unknown(user: str, night: PublishedNight, instead: Sequence[Row]) -> None:
    shown = (
        f"An unknown visitor is shown rec_{instead[0].placement}:"
        if instead
        else "The night has nothing for an unknown visitor."
    )
    _say(f"User '{clean(user)}' has no shelf in the night of {night.night}. {shown}")


def _say(text: str) -> None:
    """What is of the shop in it has been through `clean`, which escapes markup."""
    console.print(text, markup=True)


def _table(title: str, rows: Sequence[Row], titles: Mapping[str, str]) -> Table:
    table = titled_table(title)
    table.add_column("rank", justify="right")
    for name in ("item", "title", "reason", "source"):
        table.add_column(name, overflow="fold")
    for name in ("score", "propensity"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row.rank),
            clean(row.item_id, 20),
            clean(titles.get(row.item_id, row.item_id), 32),
            reason_told(row.reason_code, row.evidence, row.item_id, titles, row.propensity),
            clean(row.source, 20),
            f"{row.score:.4f}",
            f"{row.propensity:.4g}",
        )
    return table
