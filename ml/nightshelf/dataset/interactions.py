"""Interactions: one row per (user, item, day), as integer codes, strictly before `as_of`.

Ids are any strings a shop may use: emoji, 10 kB, a trailing NUL. They are kept in object arrays,
because a fixed-width numpy string takes four bytes for each character of the *longest* id and drops
trailing NULs; on disk they are UTF-8 bytes and offsets, so that nothing needs pickle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.dataset.catalogue import Catalogue, CatalogueRows
from nightshelf.errors import InputError

if TYPE_CHECKING:
    import duckdb

EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


@dataclass(frozen=True, eq=False)
class Interactions:
    """One row per (user, item, day), sorted so; make it with `from_arrays` or `load_log(…).as_of(…)`.

    16 bytes a row: 160 MB at 10 million rows, ids apart.
    """

    users: np.ndarray
    """(n_users,) object: user ids, sorted by code point, each with at least one row."""
    items: np.ndarray
    """(n_items,) object: item ids, sorted by code point: those with rows, and the catalogue's."""
    user_codes: np.ndarray
    """(n_rows,) int32: position in `users`."""
    item_codes: np.ndarray
    """(n_rows,) int32: position in `items`."""
    days: np.ndarray
    """(n_rows,) int32: days since 1970-01-01, each < `as_of`."""
    weights: np.ndarray
    """(n_rows,) float32 > 0: what the day's events weigh together, net of refunds."""
    as_of: int
    """Day number; midnight at its start, in the shop's zone."""
    by_type: Mapping[str, Interactions] = field(default_factory=dict)
    """Event type → its own rows, in these same codes. Empty where all rows are the target's."""
    target: str = "purchase"
    """The event type that the shelves are to bring about."""
    catalogue: Catalogue | None = None
    """One row per item of `items`; None where the shop has none."""

    @classmethod
    def from_arrays(
        cls,
        users: Sequence[str],
        items: Sequence[str],
        days: Sequence[int],
        weights: Sequence[float] | None,
        as_of: int,
    ) -> Interactions:
        """Sorts and adds up rows in any order: equal multisets of rows give equal bytes.

        Rows that weigh nothing or less once added up (bought and refunded) are dropped, and with
        them users and items that have no other row. Raises ValueError for a day >= as_of, a weight
        that is not finite, or arrays of different length.
        """
        user_ids, user_codes = _codes(users)
        item_ids, item_codes = _codes(items)
        days = np.asarray(days, dtype=np.int64)
        weights = np.ones(len(days)) if weights is None else np.asarray(weights, dtype=np.float64)
        lengths = {len(user_codes), len(item_codes), len(days), len(weights)}
        if len(lengths) > 1:
            raise ValueError(f"users, items, days and weights differ in length: {sorted(lengths)}")
        return cls._from_codes(user_ids, item_ids, user_codes, item_codes, days, weights, as_of)

    @property
    def typed(self) -> Mapping[str, Interactions]:
        """`by_type`, with the target where it is alone."""
        return self.by_type or {self.target: self}

    @classmethod
    def _from_codes(cls, users, items, user_codes, item_codes, days, weights, as_of):
        _check_days(days, as_of)
        if not np.isfinite(weights).all():
            raise ValueError("a weight is NaN or infinite; weights are finite numbers")
        # Weight is the last key, so that equal keys are added up in one order: float addition is
        # not associative.
        order = np.lexsort((weights, days, item_codes, user_codes))
        columns = [column[order] for column in (user_codes, item_codes, days)]
        return cls._from_sorted(users, items, columns, weights[order], as_of)

    @classmethod
    def _from_sorted(cls, users, items, columns, weights, as_of):
        """Adds up equal (user, item, day); `columns` are user codes, item codes and days."""
        starts = group_starts(columns)
        totals = np.add.reduceat(weights, starts) if len(starts) else weights[:0]
        kept = totals > 0
        user_codes, item_codes, days = (column[starts][kept] for column in columns)
        users, user_codes = _present(users, user_codes)
        items, item_codes = _present(items, item_codes)
        return cls(
            users=users,
            items=items,
            user_codes=user_codes,
            item_codes=item_codes,
            days=days.astype(np.int32),
            weights=totals[kept].astype(np.float32),
            as_of=int(as_of),
        )

    def __len__(self) -> int:
        return len(self.days)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.users), len(self.items)

    def matrix(self, half_life_days: float | None = None, log: bool = False) -> csr_matrix:
        """Users × items float32: the sum of weights, halved for every `half_life_days` of age.

        Age is `as_of - day`, at least 1. `log` takes log(1 + sum). About 0.1 s a million rows.
        """
        starts = self._pair_starts()
        values = self.weights.astype(np.float64)
        if half_life_days is not None:
            values *= np.exp2(-(self.as_of - self.days) / half_life_days)
        values = np.add.reduceat(values, starts) if len(starts) else values[:0]
        if log:
            values = np.log1p(values)
        return self._pairs(starts, values.astype(np.float32))

    def bought(self, since: int | None = None) -> csr_matrix:
        """Users × items bool: the pairs that have a row, or one with day >= `since`."""
        starts = self._pair_starts()
        if since is not None and len(starts):
            # Rows of a pair are sorted by day, so its last row decides.
            starts = starts[self.last_days() >= since]
        return self._pairs(starts, np.ones(len(starts), dtype=bool))

    def taken(self) -> csr_matrix:
        """Users × items bool: the pairs that have a row of the target's. Who only looked has taken nothing."""
        if not self.by_type:
            return self.bought()
        rows = self.by_type.get(self.target)
        return csr_matrix(self.shape, dtype=bool) if rows is None else rows.bought()

    def last_days(self) -> np.ndarray:
        """(n_pairs,) int32: the last day of each pair, in the order of `bought().indices`."""
        starts = self._pair_starts()
        ends = np.append(starts[1:], len(self.days)) - 1
        return self.days[ends] if len(starts) else self.days[:0]

    def pair_sizes(self) -> np.ndarray:
        """(n_pairs,) int64: rows of each pair, in the order of `bought().indices`."""
        return np.diff(np.append(self._pair_starts(), len(self.days)))

    def before(self, day: int) -> Interactions:
        """What was known at midnight of `day`: rows < day; later users and items are not there, nor
        are catalogue and types."""
        return self._where(self.days < day, day)

    def window(self, first: int, end: int) -> Interactions:
        """Rows with first <= day < end, as labels: its `as_of` is `end`."""
        return self._where((self.days >= first) & (self.days < end), end)

    def over(self, users: np.ndarray, items: np.ndarray) -> Interactions:
        """The same rows in the codes of larger sets of ids, both sorted."""
        user_places, item_places = positions(users, self.users), positions(items, self.items)
        return replace(
            self,
            users=users,
            items=items,
            user_codes=user_places[self.user_codes],
            item_codes=item_places[self.item_codes],
        )

    def _where(self, kept: np.ndarray, as_of: int) -> Interactions:
        users, user_codes = _present(self.users, self.user_codes[kept])
        items, item_codes = _present(self.items, self.item_codes[kept])
        return Interactions(
            users, items, user_codes, item_codes, self.days[kept], self.weights[kept], as_of
        )

    def _pair_starts(self) -> np.ndarray:
        return group_starts([self.user_codes, self.item_codes])

    def _pairs(self, starts: np.ndarray, values: np.ndarray) -> csr_matrix:
        indptr = np.zeros(len(self.users) + 1, dtype=np.int32)
        np.cumsum(np.bincount(self.user_codes[starts], minlength=len(self.users)), out=indptr[1:])
        return csr_matrix((values, self.item_codes[starts], indptr), shape=self.shape)


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """marts.fct_interactions in memory, once a night: the cuts are views of it.

    One row per (user, item, day, event type, day joined), sorted so. Rows of one (user, item, day,
    event type) are never seen together: each stands from `joined` to `gone`. 29 bytes a row.
    """

    users: np.ndarray
    items: np.ndarray
    user_codes: np.ndarray
    item_codes: np.ndarray
    days: np.ndarray
    joined: np.ndarray
    """(n_rows,) int32: the day whose login gave the user the row; its own day where none was needed."""
    gone: np.ndarray
    """(n_rows,) int32: the day since which the row is refunded or another user's; NEVER where it
    stands."""
    types: np.ndarray
    """(n_rows,) int8: position in `type_names`."""
    type_names: tuple[str, ...]
    weights: np.ndarray
    target: str = "purchase"

    def as_of(
        self,
        as_of: date,
        event_types: Sequence[str] | None = None,
        catalogue: CatalogueRows | None = None,
    ) -> Interactions:
        """Rows of earlier dates as far as they were known by then, and stood; all event types or some.

        With a catalogue as of the same date its items are there too, and the types are told apart.
        The twin of dbt's macro seen_before. Raises InputError where nothing is left.
        """
        kept = self._known_by(day_number(as_of), event_types)
        if not kept.any():
            raise self._nothing_before(as_of, event_types)
        seen = self._rows(kept, day_number(as_of))
        return seen if catalogue is None else self._in_full(seen, kept, catalogue)

    def _known_by(self, end: int, event_types: Sequence[str] | None) -> np.ndarray:
        kept = (self.joined < end) & (self.gone >= end)
        if event_types is not None:
            wanted = [n for n, name in enumerate(self.type_names) if name in event_types]
            kept &= np.isin(self.types, wanted)
        return kept

    def _rows(self, kept: np.ndarray, end: int) -> Interactions:
        columns = [c[kept] for c in (self.user_codes, self.item_codes, self.days)]
        return Interactions._from_sorted(self.users, self.items, columns, self.weights[kept], end)

    def _in_full(
        self, seen: Interactions, kept: np.ndarray, catalogue: CatalogueRows
    ) -> Interactions:
        """`seen` over all the items of the catalogue, and again for each event type."""
        items = _object_array(sorted({*seen.items, *catalogue.items}))
        parts = {
            name: self._rows(kept & (self.types == n), seen.as_of)
            for n, name in enumerate(self.type_names)
            if (kept & (self.types == n)).any()
        }
        by_type = {name: part.over(seen.users, items) for name, part in parts.items()}
        return replace(
            seen.over(seen.users, items),
            by_type={} if set(by_type) == {self.target} else by_type,
            target=self.target,
            catalogue=catalogue.laid_over(items),
        )

    def _nothing_before(self, as_of: date, event_types: Sequence[str] | None) -> InputError:
        of_types = f" of type {', '.join(event_types)}" if event_types is not None else ""
        covered = "the table is empty"
        if len(self.days):
            first, last = (
                EPOCH + timedelta(days=int(d)) for d in (self.days.min(), self.days.max())
            )
            covered = f"the table covers {first} to {last}"
        return InputError(
            f"no interactions{of_types} before {as_of} in marts.fct_interactions; {covered}",
            "load older logs or take a later night",
        )


def load_log(connection: duckdb.DuckDBPyConnection, target: str = "purchase") -> InteractionLog:
    """Reads marts.fct_interactions whole. Codes are made inside DuckDB: 10 million rows never
    become Python strings. About 1 s a million rows."""
    users, items = (_ids(connection, c) for c in ("user_id", "item_id"))
    types = tuple(_ids(connection, "event_type"))
    rows = connection.execute(_CODED_ROWS).fetchnumpy()
    return InteractionLog(
        users=users,
        items=items,
        user_codes=np.asarray(rows["user_code"]),
        item_codes=np.asarray(rows["item_code"]),
        days=np.asarray(rows["day"]),
        joined=np.asarray(rows["joined"]),
        gone=np.asarray(rows["gone"]),
        types=np.asarray(rows["type_code"]),
        type_names=types,
        weights=np.asarray(rows["weight"]),
        target=target,
    )


NEVER = 2**31 - 1
"""The day on which what stands is gone."""

_CODED_ROWS = f"""
with coded_users as (
    select user_id, (row_number() over (order by user_id) - 1)::integer as user_code
    from (select distinct user_id from marts.fct_interactions)
),
coded_items as (
    select item_id, (row_number() over (order by item_id) - 1)::integer as item_code
    from (select distinct item_id from marts.fct_interactions)
),
coded_types as (
    select event_type, (row_number() over (order by event_type) - 1)::tinyint as type_code
    from (select distinct event_type from marts.fct_interactions)
)
select
    user_code,
    item_code,
    type_code,
    (interaction_date - date '1970-01-01')::integer as day,
    (greatest(interaction_date, coalesce(joined_on, interaction_date)) - date '1970-01-01')::integer
        as joined,
    coalesce((least(cancelled_on, left_on) - date '1970-01-01')::integer, {NEVER}) as gone,
    weight::double as weight
from marts.fct_interactions
join coded_users using (user_id)
join coded_items using (item_id)
join coded_types using (event_type)
order by user_code, item_code, day, type_code, joined
"""


def _ids(connection: duckdb.DuckDBPyConnection, column: str) -> np.ndarray:
    """The distinct ids, sorted. DuckDB sorts strings by UTF-8 byte, that is by code point."""
    sql = f"select distinct {column} as id from marts.fct_interactions order by id"
    return _object_array([row[0] for row in connection.execute(sql).fetchall()])


def pack_ids(name: str, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Ids as `<name>_bytes` (uint8) and `<name>_offsets` (int64, one more than ids)."""
    # A lone surrogate is not UTF-8; it is let through so that any Python string comes back whole.
    encoded = [text.encode("utf-8", "surrogatepass") for text in ids]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return {f"{name}_bytes": joined, f"{name}_offsets": offsets}


def unpack_ids(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What `pack_ids` packed, as an object array."""
    joined = arrays[f"{name}_bytes"].tobytes()
    offsets = arrays[f"{name}_offsets"].tolist()
    pieces = zip(offsets[:-1], offsets[1:], strict=True)
    return _object_array([joined[a:b].decode("utf-8", "surrogatepass") for a, b in pieces])


def positions(sorted_ids: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """(len(wanted),) int32: where each wanted id stands in `sorted_ids`, or -1."""
    if wanted is sorted_ids:
        return np.arange(len(sorted_ids), dtype=np.int32)
    place = {name: position for position, name in enumerate(sorted_ids)}
    return np.fromiter((place.get(name, -1) for name in wanted), np.int32, len(wanted))


def _codes(values: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    ids = _object_array(sorted(set(values)))
    return ids, positions(ids, values)


def _present(ids: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drops ids that no row has, and renumbers."""
    seen = np.zeros(len(ids), dtype=bool)
    seen[codes] = True
    renumbered = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    return ids[seen], renumbered[codes].astype(np.int32, copy=False)


def group_starts(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Where a new group begins in columns that are sorted together."""
    n_rows = len(columns[0])
    if not n_rows:
        return np.zeros(0, dtype=np.int64)
    changed = np.zeros(n_rows - 1, dtype=bool)
    for column in columns:
        changed |= column[1:] != column[:-1]
    return np.concatenate(([0], np.flatnonzero(changed) + 1))


def _check_days(days: np.ndarray, as_of: int) -> None:
    late = days >= as_of
    if late.any():
        raise ValueError(
            f"{int(late.sum())} of {len(days)} rows are not before as_of: "
            f"the last is day {int(days.max())}, as_of is day {as_of}; pass only earlier rows"
        )


def _object_array(values: Sequence[str]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
