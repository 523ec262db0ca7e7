"""What the sources propose for both views, and its file.

Nine of ten rows are proposed for either view, and scores do not depend on it: they are kept once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.ranking.pool import Pool

CODES = ["user_code", "item_code"]
SCORE, RANK = "score_", "rank_"
"""What columns of the file begin with: score_<source>, rank_<view>_<source>."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """One row per (user, item) that any source proposed for any view, sorted by (user, item)."""

    users: np.ndarray
    """(n_users,) object: who was asked for."""
    items: np.ndarray
    """(n_items,) object: what the sources know."""
    user_codes: np.ndarray
    """(n_rows,) int32."""
    item_codes: np.ndarray
    """(n_rows,) int32."""
    scores: dict[str, np.ndarray]
    """source → (n_rows,) float32, as in Pool."""
    ranks: dict[str, dict[str, np.ndarray]]
    """view → source → (n_rows,) int16; 0 where the source did not propose the row for the view."""
    first: int = 0
    """Of a block: the place that its first user has in the file."""

    def __len__(self) -> int:
        return len(self.user_codes)

    def rows_of(self, view: str) -> np.ndarray:
        """Row numbers of what is proposed for the view."""
        proposed = np.zeros(len(self), dtype=bool)
        for ranks in self.ranks[view].values():
            proposed |= ranks > 0
        return np.flatnonzero(proposed)

    def of(self, view: str, rows: np.ndarray | None = None) -> Pool:
        """What is proposed for the view; `rows` where `rows_of` it is at hand."""
        rows = self.rows_of(view) if rows is None else rows
        return Pool(
            self.users,
            self.items,
            self.user_codes[rows],
            self.item_codes[rows],
            {name: values[rows] for name, values in self.scores.items()},
            {name: values[rows] for name, values in self.ranks[view].items()},
        )

    def by_view(self) -> dict[str, Pool]:
        return {view: self.of(view) for view in self.ranks}

    @classmethod
    def read(cls, path: Path, user: str | None = None) -> Proposals:
        """All users' rows; with `user` only theirs, under the same codes."""
        users, items = (_read_ids(path, name) for name in ("users", "items"))
        code = next(iter(np.flatnonzero(users == user).tolist()), -1)
        only = None if user is None else [("user_code", "=", code)]
        return cls._of(users, items, pq.read_table(path, filters=only))

    @classmethod
    def blocks(cls, path: Path, rows: int) -> Iterator[Proposals]:
        """The file piece by piece, some `rows` each and never half a user; each with the ids of its own
        users alone. Holds two pieces at a time."""
        ids, held = [_read_ids(path, name) for name in ("users", "items")], None
        # With pyarrow's default what was read of the file stays in memory to its end.
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(rows):
            read = pa.Table.from_batches([batch])
            if held is not None:
                # The last user may go on in what was just read.
                users = held["user_code"].to_numpy()
                whole = int(np.searchsorted(users, users[-1]))
                if whole:
                    yield cls._of(*ids, held.slice(0, whole)).of_its_users()
                read = pa.concat_tables([held.slice(whole), read]).combine_chunks()
            held = read
        if held is not None:
            yield cls._of(*ids, held).of_its_users()

    def of_its_users(self) -> Proposals:
        """The same rows, and of `users` those alone that stand from its first row's to its last row's."""
        first, last = int(self.user_codes[0]), int(self.user_codes[-1])
        return replace(
            self,
            users=self.users[first : last + 1],
            user_codes=self.user_codes - np.int32(first),
            first=first,
        )

    def coded(self, first: int) -> pa.Table:
        """As it is written, where its first user is that one of the file's."""
        ranks = {
            f"{RANK}{view}_{name}": values
            for view, of_view in self.ranks.items()
            for name, values in of_view.items()
        }
        scores = {f"{SCORE}{name}": values for name, values in self.scores.items()}
        users = self.user_codes + np.int32(first)
        codes = dict(zip(CODES, (users, self.item_codes), strict=True))
        return pa.table({name: pa.array(v) for name, v in (codes | scores | ranks).items()})

    @classmethod
    def _of(cls, users: np.ndarray, items: np.ndarray, table: pa.Table) -> Proposals:
        columns = {n: c.to_numpy() for n, c in zip(table.column_names, table.columns, strict=True)}
        ranks: dict[str, dict[str, np.ndarray]] = {}
        for name in columns:
            if name.startswith(RANK):
                _, view, source = name.split("_", 2)
                ranks.setdefault(view, {})[source] = columns[name]
        scores = {n.removeprefix(SCORE): c for n, c in columns.items() if n.startswith(SCORE)}
        return cls(users, items, columns["user_code"], columns["item_code"], scores, ranks)


class ProposalsWriter:
    """The file, for people, for tracing a shelf back, and for scoring: some 40 bytes a row. Parts
    come one after the other, each of users of its own and of the same items, and are row groups; two
    small tables beside the file keep the ids, so that codes mean the same when it is read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._users: list[np.ndarray] = []
        self._items = np.array([], dtype=object)
        self._n_users = 0
        self.rows = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def add(self, part: Proposals) -> None:
        table = part.coded(self._n_users)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                # Scores hardly repeat: a dictionary of them is given up halfway, a third of writing and reading.
                use_dictionary=[name for name in table.column_names if not name.startswith(SCORE)],
                write_statistics=CODES,
            )
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._users.append(part.users)
        self._items = part.items
        self._n_users += len(part.users)
        self.rows += len(part)

    def __exit__(self, *_) -> None:
        if self._writer is None:
            return
        self._writer.close()
        _write_ids(self._path, "users", np.concatenate(self._users))
        _write_ids(self._path, "items", self._items)


def write_proposals(path: Path, proposals: Proposals) -> None:
    """As the one part of the file."""
    with ProposalsWriter(path) as file:
        file.add(proposals)


def ids_file(path: Path, name: str) -> Path:
    """The table of a file's "users" or "items": an id a row, in the order of their codes."""
    return path.with_suffix(f".{name}.parquet")


def _write_ids(path: Path, name: str, ids: np.ndarray) -> None:
    table = pa.table({"id": pa.array(ids.tolist(), pa.string())})
    pq.write_table(table, ids_file(path, name), compression="zstd")


def _read_ids(path: Path, name: str) -> np.ndarray:
    """(n,) object."""
    ids = pq.read_table(ids_file(path, name))["id"].to_pylist()
    return np.array(ids, dtype=object)
