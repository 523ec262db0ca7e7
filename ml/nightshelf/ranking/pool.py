"""The candidate pool: what every source proposes for a user, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix

from nightshelf.candidates import CandidateModel, Recommendations
from nightshelf.candidates.base import Opinion, each_block
from nightshelf.candidates.sparse import distinct

PER_SOURCE = 30
"""Candidates a source may propose for a user; all sources together propose some two hundred and fifty.
Sixty are twice the work, and no better: nDCG@10 over two windows on Online Retail .3652 with 60, .3654
with 30, .3636 with 20; of new items .1588, .1603, .1602."""

USERS_AT_ONCE = 128
"""Users whose scores by every source a core holds at once: 50 MB a source, were it to score all of a
hundred thousand items. Larger blocks take no less time."""

USERS_IN_A_PART = 5_000
"""Users whose candidates are in memory at a time where everybody's are made: a quarter of a gigabyte."""

VIEWS = ("all", "new")
"""all: repeats are welcome (rec_for_you). new: never bought by the user (rec_discover)."""


@dataclass(frozen=True, eq=False)
class Pool:
    """One row per (user, item) that any source proposed, sorted by (user, item)."""

    users: np.ndarray
    """(n_users,) object: who was asked for."""
    items: np.ndarray
    """(n_items,) object: what the sources know."""
    user_codes: np.ndarray
    """(n_rows,) int32."""
    item_codes: np.ndarray
    """(n_rows,) int32."""
    scores: dict[str, np.ndarray]
    """source → (n_rows,) float32: what the source makes of the row, whoever proposed it; 0 where it
    has nothing to say."""
    ranks: dict[str, np.ndarray]
    """source → (n_rows,) int16; 0 where the source did not propose the row."""

    def __len__(self) -> int:
        return len(self.user_codes)

    @cached_property
    def best(self) -> dict[str, np.ndarray]:
        """source → (n_users,) float32 > 0: the greatest size of its scores among the user's rows; 1 where it
        has nothing to say."""
        found = {name: np.zeros(len(self.users), dtype=np.float32) for name in self.scores}
        for name, scores in self.scores.items():
            np.maximum.at(found[name], self.user_codes, np.abs(scores))
            found[name][found[name] == 0] = 1
        return found

    def source_lists(self, source: str, k: int) -> np.ndarray:
        """(n_users, k) int32 item codes by the source's own rank, -1 where its list is shorter."""
        ranks = self.ranks[source]
        rows = np.flatnonzero((ranks > 0) & (ranks <= k))
        table = np.full((len(self.users), k), -1, dtype=np.int32)
        table[self.user_codes[rows], ranks[rows] - 1] = self.item_codes[rows]
        return table

    def lists_by(self, scores: np.ndarray, k: int) -> np.ndarray:
        """(n_users, k) int32 item codes by falling score; equal scores by item code."""
        rows = self.best_rows(scores, k)
        users = self.user_codes[rows]
        firsts = np.searchsorted(users, np.arange(len(self.users)))
        table = np.full((len(self.users), k), -1, dtype=np.int32)
        table[users, np.arange(len(users)) - firsts[users]] = self.item_codes[rows]
        return table

    def best_rows(self, scores: np.ndarray, k: int) -> np.ndarray:
        """Row numbers of each user's k best, by user, then best first; equal scores by item code. 60 ns a
        row: only what reaches the user's k-th is sorted."""
        reaching = self._reaching(scores, k)
        users, items = self.user_codes[reaching], self.item_codes[reaching]
        order = np.lexsort((items, -scores[reaching], users))
        users = users[order]
        firsts = np.searchsorted(users, np.arange(len(self.users)))
        return reaching[order[np.arange(len(users)) - firsts[users] < k]]

    def _reaching(self, scores: np.ndarray, k: int) -> np.ndarray:
        """Row numbers of what is no worse than its user's k-th, so of k rows a user and those that tie."""
        counts = np.bincount(self.user_codes, minlength=len(self.users))
        if counts.max(initial=0) <= k:
            return np.arange(len(scores))
        order = np.argsort(self.user_codes, kind="stable")
        owners = self.user_codes[order]
        place = np.arange(len(order)) - (np.cumsum(counts) - counts)[owners]
        falling = np.full((len(counts), counts.max()), np.inf)
        falling[owners, place] = -scores[order]
        falling.partition(k - 1, axis=1)
        # Nothing is worse than what is no number, which comes last.
        return np.flatnonzero(~(-scores > falling[:, k - 1][self.user_codes]))

    def first_source(self) -> np.ndarray:
        """(n_rows,) object: the source that ranked the row highest; equal ranks by source order."""
        names = list(self.ranks)
        ranks = np.stack([np.where(self.ranks[n] > 0, self.ranks[n], 32_767) for n in names])
        return np.array(names, dtype=object)[ranks.argmin(axis=0)]

    def rows(self, at: np.ndarray | slice) -> Pool:
        """Some rows, in the order of `at`; all of the ids. A slice copies nothing."""
        scores, ranks = (
            {name: values[at] for name, values in of.items()} for of in (self.scores, self.ranks)
        )
        return replace(
            self, user_codes=self.user_codes[at], item_codes=self.item_codes[at], scores=scores, ranks=ranks
        )  # fmt: skip

    def table(self) -> pa.Table:
        """Columns user_id, item_id, in row order."""
        users, items = (pa.array(ids.tolist(), pa.string()) for ids in (self.users, self.items))
        return pa.table(
            {
                "user_id": pa.DictionaryArray.from_arrays(self.user_codes, users),
                "item_id": pa.DictionaryArray.from_arrays(self.item_codes, items),
            }
        )

    def write(self, path: Path) -> None:
        """As the one part of a PoolWriter."""
        with PoolWriter(path) as file:
            file.add(self)

    @classmethod
    def read(cls, path: Path, user: str | None = None) -> Pool:
        """All users' rows; with `user` only theirs, under the same codes."""
        users, items = (_read_ids(path, name) for name in ("users", "items"))
        code = next(iter(np.flatnonzero(users == user).tolist()), -1)
        only = None if user is None else [("user_code", "=", code)]
        return cls._of(users, items, pq.read_table(path, filters=only))

    @classmethod
    def blocks(cls, path: Path, rows: int) -> Iterator[Pool]:
        """The pool piece by piece, some `rows` each and never half a user; each with the ids of its own
        users alone. Holds two pieces at a time."""
        ids, held = [_read_ids(path, name) for name in ("users", "items")], None
        for batch in pq.ParquetFile(path).iter_batches(rows):
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

    def of_its_users(self) -> Pool:
        """The same rows, and of `users` those alone that stand from its first row's to its last row's."""
        first, last = int(self.user_codes[0]), int(self.user_codes[-1])
        return replace(
            self, users=self.users[first : last + 1], user_codes=self.user_codes - np.int32(first)
        )

    @classmethod
    def _of(cls, users: np.ndarray, items: np.ndarray, table: pa.Table) -> Pool:
        columns = {n: c.to_numpy() for n, c in zip(table.column_names, table.columns, strict=True)}
        of = {
            kind: {n.removeprefix(kind): c for n, c in columns.items() if n.startswith(kind)}
            for kind in ("score_", "rank_")
        }
        return cls(
            users, items, columns["user_code"], columns["item_code"], of["score_"], of["rank_"]
        )

    def coded(self, first: int) -> pa.Table:
        """As it is written, where its first user is that one of the file's."""
        coded = {
            "user_code": pa.array(self.user_codes + np.int32(first)),
            "item_code": pa.array(self.item_codes),
        }
        return pa.table(coded | self._source_columns())

    def _source_columns(self) -> dict[str, pa.Array]:
        scores = {f"score_{n}": pa.array(v) for n, v in self.scores.items()}
        return scores | {f"rank_{n}": pa.array(v) for n, v in self.ranks.items()}


class PoolWriter:
    """A pool's file, for people, for tracing a shelf back, and for scoring: about 20 bytes a row. Parts
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

    def add(self, part: Pool) -> None:
        table = part.coded(self._n_users)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
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


def _write_ids(path: Path, name: str, ids: np.ndarray) -> None:
    table = pa.table({"id": pa.array(ids.tolist(), pa.string())})
    pq.write_table(table, path.with_suffix(f".{name}.parquet"), compression="zstd")


def _read_ids(path: Path, name: str) -> np.ndarray:
    """(n,) object."""
    ids = pq.read_table(path.with_suffix(f".{name}.parquet"))["id"].to_pylist()
    return np.array(ids, dtype=object)


def propose(
    models: Mapping[str, CandidateModel],
    users: Sequence[str],
    bought: csr_matrix,
    k: int,
    block: int = USERS_AT_ONCE,
) -> dict[str, Pool]:
    """Asks every source once for both views, and lays their answers over each other: view → pool.

    `bought` is len(users) × n_items; the view `new` leaves it out. All sources know the same items.
    Memory: the pools twice, and for each core a block of users' scores; `block` changes nothing else.
    """
    return next(propose_parts(models, users, bought, k, max(len(users), 1), block))


def propose_parts(
    models: Mapping[str, CandidateModel],
    users: Sequence[str],
    bought: csr_matrix,
    k: int,
    part: int = USERS_IN_A_PART,
    block: int = USERS_AT_ONCE,
) -> Iterator[dict[str, Pool]]:
    """`propose` for `part` users at a time; once for nobody, too."""
    items = next(iter(models.values())).items
    bought = next(iter(models.values())).checked_exclude(bought, len(users))
    # A source looks all users up at once: a dictionary of a million takes longer than a part's candidates.
    opinions = {name: model.opinion(users) for name, model in models.items()}
    ids = np.asarray(users, dtype=object)

    def of_block(asked: np.ndarray) -> list[_Part]:
        return _of_block({name: of(asked) for name, of in opinions.items()}, asked, bought, k)

    for first in range(0, max(len(ids), 1), part):
        some = ids[first : first + part]
        blocks = each_block(of_block, np.arange(first, first + len(some)), block)
        yield {
            view: _pool(some, first, items, [of_view[v] for of_view in blocks])
            for v, view in enumerate(VIEWS)
        }


@dataclass(frozen=True, eq=False)
class _Part:
    """The pool of some users: keys (position among all that were asked for × n_items + item code), and
    what stands beside them."""

    keys: np.ndarray
    scores: dict[str, np.ndarray]
    ranks: dict[str, np.ndarray]


def _of_block(
    opinions: Mapping[str, Opinion], asked: np.ndarray, bought: csr_matrix, k: int
) -> list[_Part]:
    """One part a view; every source is asked once what it makes of the rows of both."""
    n_items = bought.shape[1]
    answers = {name: opinion.best([None, bought], k) for name, opinion in opinions.items()}
    keys = {name: [_keys(a, n_items) for a in both] for name, both in answers.items()}
    unions = [distinct(np.concatenate([of[v] for of in keys.values()])) for v in range(len(VIEWS))]
    rows = distinct(np.concatenate(unions))
    users, codes = np.divmod(rows, max(n_items, 1))
    at = np.searchsorted(asked, users)
    scores = {n: opinion.of(at, codes) for n, opinion in opinions.items()}
    parts = []
    for v, union in enumerate(unions):
        places = np.searchsorted(rows, union)
        of_view = {name: values[places] for name, values in scores.items()}
        ranks = {n: _ranks(union, of[v], answers[n][v].ranks) for n, of in keys.items()}
        parts.append(_Part(union, of_view, ranks))
    return parts


def _keys(answer: Recommendations, n_items: int) -> np.ndarray:
    return answer.users.astype(np.int64) * n_items + answer.item_codes


def _ranks(union: np.ndarray, keys: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """(len(union),) int16; 0 where the source did not propose the row."""
    found = np.zeros(len(union), dtype=np.int16)
    found[np.searchsorted(union, keys)] = ranks
    return found


def _pool(users: np.ndarray, first: int, items: np.ndarray, parts: Sequence[_Part]) -> Pool:
    """`users` are those who stand from `first` on among all that were asked for."""
    asked, item_codes = np.divmod(np.concatenate([p.keys for p in parts]), max(len(items), 1))
    return Pool(
        users,
        items,
        (asked - first).astype(np.int32),
        item_codes.astype(np.int32),
        {name: np.concatenate([p.scores[name] for p in parts]) for name in parts[0].scores},
        {name: np.concatenate([p.ranks[name] for p in parts]) for name in parts[0].ranks},
    )
