"""The catalogue as the models see it: what was known of each item as of a cut.

Text is kept as objects, categories and brands as codes into their names. An item of which the
catalogue says nothing has "" for a title, -1 for codes, NaN for a price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import duckdb

UNKNOWN_DAY = -(2**31)
"""`listed_on` of an item that was always there, as far as anybody says."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """One row per item, in the order of `Interactions.items`."""

    titles: np.ndarray
    """(n_items,) object: what a shopper reads; "" where unknown."""
    categories: np.ndarray
    """(n_items,) int32: position in `category_names`; -1 where unknown."""
    category_names: np.ndarray
    """(n_categories,) object, sorted: "Food > Tea"."""
    brands: np.ndarray
    """(n_items,) int32: position in `brand_names`; -1 where unknown."""
    brand_names: np.ndarray
    """(n_brands,) object, sorted."""
    parents: np.ndarray
    """(n_items,) object: what variants of one product share; the item's own id where it has none."""
    prices: np.ndarray
    """(n_items,) float32: list price; NaN where unknown."""
    listed_on: np.ndarray
    """(n_items,) int32: day number since which the shop has it; UNKNOWN_DAY where nobody says."""
    offerable: np.ndarray
    """(n_items,) bool: could it be bought on the day before the cut?"""

    def __len__(self) -> int:
        return len(self.titles)

    @classmethod
    def from_columns(cls, items: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Catalogue:
        """From one value an item, None where unknown; a column that is left out is unknown.

        `columns`: title, category, brand, parent_id, price, listed_on (day number), is_offerable.
        """
        n = len(items)
        none = [None] * n
        category_names, categories = _coded(columns.get("category", none))
        brand_names, brands = _coded(columns.get("brand", none))
        parents = columns.get("parent_id", none)
        return cls(
            titles=np.array([title or "" for title in columns.get("title", none)], dtype=object),
            categories=categories,
            category_names=category_names,
            brands=brands,
            brand_names=brand_names,
            parents=np.array(
                [own if p is None else p for own, p in zip(items, parents, strict=True)],
                dtype=object,
            ),
            prices=np.array(
                [np.nan if p is None else float(p) for p in columns.get("price", none)], np.float32
            ),
            listed_on=np.array(
                [UNKNOWN_DAY if d is None else d for d in columns.get("listed_on", none)], np.int32
            ),
            offerable=np.array(
                [True if o is None else o for o in columns.get("is_offerable", none)], bool
            ),
        )


_SQL = """
select item_id, title, category, brand, parent_id, price::double as price,
    (listed_on - date '1970-01-01')::integer as listed_on, is_offerable
from features.feat_catalogue
where as_of = $as_of
order by item_id
"""


@dataclass(frozen=True, eq=False)
class CatalogueRows:
    """features.feat_catalogue at one cut: its items, sorted, and their columns."""

    items: list[str]
    columns: dict[str, list[Any]]

    @classmethod
    def of(cls, rows: duckdb.DuckDBPyRelation) -> CatalogueRows:
        """From a relation of one row an item, sorted by `item_id`."""
        table = rows.to_arrow_table()
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return cls(columns.pop("item_id"), columns)

    def laid_over(self, items: np.ndarray) -> Catalogue:
        """One row for each of `items`, which hold all of these and perhaps more; both sorted."""
        place = {item: n for n, item in enumerate(self.items)}
        at = [place.get(item) for item in items]
        columns = {
            name: [None if n is None else values[n] for n in at]
            for name, values in self.columns.items()
        }
        return Catalogue.from_columns(items, columns)


def load_catalogue(connection: duckdb.DuckDBPyConnection, as_of: date) -> CatalogueRows:
    """What feat_catalogue says as of a cut. About 0.3 s for a hundred thousand items."""
    return CatalogueRows.of(connection.sql(_SQL, params={"as_of": as_of}))


def _coded(values: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    names = sorted({value for value in values if value is not None})
    place = {name: n for n, name in enumerate(names)}
    return np.array(names, dtype=object), np.array(
        [place.get(v, -1) for v in values], dtype=np.int32
    )
