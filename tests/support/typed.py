"""A shop of a few rows with event types, in the form that a night's cut has."""

from __future__ import annotations

from dataclasses import replace

from nightshelf.dataset import Catalogue, Interactions


def typed_shop(rows, as_of: int, catalogue=None, target: str = "purchase") -> Interactions:
    """Interactions of (user, item, event type, day); `by_type` has every type that occurs.

    `catalogue`: columns of `Catalogue.from_columns` as dictionaries item → value; its items that have
    no row are added.
    """
    whole = _interactions([(u, i, d) for u, i, _, d in rows], as_of)
    known = {*whole.items, *(i for column in (catalogue or {}).values() for i in column)}
    whole = whole.over(whole.users, _objects(sorted(known)))
    by_type = {}
    for kind in sorted({row[2] for row in rows}):
        part = _interactions([(u, i, d) for u, i, t, d in rows if t == kind], as_of)
        by_type[kind] = part.over(whole.users, whole.items)
    columns = None
    if catalogue is not None:
        columns = Catalogue.from_columns(
            whole.items,
            {name: [column.get(i) for i in whole.items] for name, column in catalogue.items()},
        )
    return replace(
        whole,
        by_type={} if set(by_type) == {target} else by_type,
        target=target,
        catalogue=columns,
    )


def _interactions(rows, as_of: int) -> Interactions:
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def _objects(values):
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
