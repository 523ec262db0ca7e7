"""Interactions with a catalogue: items that nobody took, and gaps in every column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nightshelf.dataset import Catalogue, Interactions
from tests.support.checkerboard import AS_OF

COLUMNS = ("title", "category", "brand", "parent_id", "price", "listed_on", "is_offerable")
UNSOLD = " nobody took"
WORDS = ("red", "Blue", "grün", "mug", "mugs", "lamp", "tea-towel", "x", "🧀", "crème brûlée")


def with_items(rows: Interactions, items: Mapping[str, Mapping[str, Any]]) -> Interactions:
    """`rows` over their own items and these, and a catalogue of what is said of each."""
    ids = np.array(sorted({*rows.items, *items}), dtype=object)
    columns = {column: [items.get(i, {}).get(column) for i in ids] for column in COLUMNS}
    catalogue = Catalogue.from_columns(ids, columns)
    by_type = {name: part.over(rows.users, ids) for name, part in rows.by_type.items()}
    return replace(rows.over(rows.users, ids), by_type=by_type, catalogue=catalogue)


def furnished(rows: Interactions, without: Iterable[str] = ()) -> Interactions:
    """`rows` with a catalogue: half as many items again that nobody took, in between, before the
    first and after the last; `without` some of its columns."""
    unsold = [f"{item}{UNSOLD}" for item in rows.items[::2]]
    ids = sorted({*rows.items, *unsold, f" first{UNSOLD}", f"🧀 last{UNSOLD}"})
    items = {item: _said_of(n, item) for n, item in enumerate(ids)}
    kept = [column for column in COLUMNS if column not in {*without}]
    return with_items(rows, {item: {c: said[c] for c in kept} for item, said in items.items()})


def typed(rows: Interactions) -> Interactions:
    """The same rows, told apart: every third a view, the others purchases."""
    views = np.arange(len(rows)) % 3 == 0
    parts = {"purchase": rows._where(~views, rows.as_of), "view": rows._where(views, rows.as_of)}
    by_type = {name: part.over(rows.users, rows.items) for name, part in parts.items() if len(part)}
    return replace(rows, by_type=by_type if len(by_type) > 1 else {})


def _said_of(n: int, item: str) -> dict[str, Any]:
    """Some of it nothing, some of it odd: the same for the same place in the catalogue."""
    shelf = f"Shelf {n % 3}"
    paths = (None, shelf, f"{shelf} > Box {n % 4}", f"{shelf} > Box {n % 4} > Deep {n % 2}")
    listed = (None, AS_OF - 400, AS_OF - 399 + n % 390, AS_OF - 1 - n % 20, AS_OF + 3)
    title = f"{WORDS[n % 10]} {WORDS[n // 3 % 10]} {n % 50}"
    return {
        "title": (title, title.upper(), None, "", "   ", title)[n % 6],
        "category": paths[n % 7 % 4],
        "brand": (None, "Ours", "Théirs", f"brand {n % 13}")[n % 4],
        "parent_id": f"parent {n // 4}" if n % 8 < 4 else None,
        "price": None if n % 5 == 0 else float(n % 37) / 4,
        "listed_on": listed[n % 5],
        "is_offerable": None if n % 9 == 0 else n % 11 > 0,
    }
