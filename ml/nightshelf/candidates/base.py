"""What every candidate model promises, and the exact top-k they share.

A model is fitted on one `Interactions` and keeps its ids; item codes in its answers are positions
in `model.items`, which equals `interactions.items`. A user the model has not seen gets no rows from
a personal model; popularity gives everybody its list.

Memory of `recommend`: cores × block × n_items × 8 bytes, 70 MB at 2 cores, 64 users a block and 68
thousand items.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.top_k import (
    ABOVE_ZERO,
    LEAST,
    NO,
    best_keys,
    packed,
    top_keys,
    unpacked,
)
from nightshelf.dataset.interactions import Interactions, pack_ids, positions, unpack_ids
from nightshelf.errors import ModelError
from nightshelf.warehouse import cores


@dataclass(frozen=True, eq=False)
class Recommendations:
    """One row per (user, item), sorted by (user, rank). Ranks are 1..n without holes, n <= k."""

    users: np.ndarray
    """(n_rows,) int32: position in the `users` that `recommend` was asked for."""
    item_codes: np.ndarray
    """(n_rows,) int32: position in the model's `items`."""
    scores: np.ndarray
    """(n_rows,) float32: finite, never rising with rank; comparable within one model only."""
    ranks: np.ndarray
    """(n_rows,) int16."""

    def __len__(self) -> int:
        return len(self.users)

    def lists(self, n_users: int, k: int) -> np.ndarray:
        """(n_users, k) int32: item codes by rank, -1 where a list is shorter than k."""
        table = np.full((n_users, k), -1, dtype=np.int32)
        kept = self.ranks <= k
        table[self.users[kept], self.ranks[kept] - 1] = self.item_codes[kept]
        return table


class CandidateModel(ABC):
    """`fit`, `recommend`, `arrays`, `from_arrays`; nothing else is asked of a model."""

    name: ClassVar[str]
    Params: ClassVar[type]
    block: ClassVar[int] = 64
    """Users who are scored at once by one core."""

    def __init__(self, params: Any = None) -> None:
        self.params = self.Params() if params is None else params
        self.users = np.zeros(0, dtype=object)
        self.items = np.zeros(0, dtype=object)
        self.asked: np.ndarray | None = None
        """Rows of the users whom it may be asked about; None where that is everybody."""

    def fit(self, interactions: Interactions, asked: Sequence[str] | None = None) -> Self:
        """Learns from the rows; forgets an earlier fit. Returns itself. `asked`: the only users whom it
        will be asked about, where those are few: what it would look for in each user's name it looks for
        in theirs."""
        self.users, self.items = interactions.users, interactions.items
        self.asked = None if asked is None else positions(self.users, asked)
        self._fit(interactions)
        return self

    def recommend(
        self,
        users: Sequence[str],
        k: int,
        exclude: csr_matrix | None = None,
        block: int | None = None,
    ) -> Recommendations:
        """The k best items for each of `users`, less `exclude` (len(users) × n_items, True = no).

        Exact. Equal scores are ordered by item code. `block` bounds memory and changes nothing.
        """
        return self.recommend_each(users, k, [exclude], block)[0]

    def recommend_each(
        self,
        users: Sequence[str],
        k: int,
        excludes: Sequence[csr_matrix | None],
        block: int | None = None,
    ) -> list[Recommendations]:
        """`recommend` for several exclusions at the price of one scoring. Each exclusion must hold
        the ones before it, as None, then what was bought."""
        excludes = [self.checked_exclude(exclude, len(users)) for exclude in excludes]
        rows = self._rows(users)

        def best(asked: np.ndarray) -> list[Recommendations]:
            return Opinion(self, rows[asked], asked).best(excludes, k)

        known = np.flatnonzero(rows >= 0)
        answers = each_block(best, known, block or self.block)
        return [joined(parts) for parts in zip(*answers, strict=True)]

    def opinion(self, users: Sequence[str]) -> Callable[[np.ndarray], Opinion]:
        """What gives the opinion of some of `users`, named by their positions.

        What a source thinks of the others' candidates tells a ranker more than what it proposes itself.
        """
        rows = self._rows(users)
        return lambda asked: Opinion(self, rows[asked], asked)

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole fitted model as numeric arrays."""
        ids = {**pack_ids("users", self.users), **pack_ids("items", self.items)}
        return {**ids, **self._arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], params: Any = None) -> Self:
        """The model that `arrays()` describes. Raises ModelError where an array is missing."""
        model = cls(params)
        try:
            model.users = unpack_ids("users", arrays)
            model.items = unpack_ids("items", arrays)
            model._restore(arrays)
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(
                f"these arrays are not a {cls.name} model: {error!r}; they hold {sorted(arrays)}",
                "load the file that this model saved, or fit it again",
            ) from error
        return model

    @abstractmethod
    def _fit(self, interactions: Interactions) -> None: ...

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray]: ...

    @abstractmethod
    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None: ...

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        return positions(self.users, users)

    def _columns(self) -> np.ndarray:
        """(n_columns,) int32, rising: the items that the model can offer to anyone."""
        raise NotImplementedError

    def _score(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), n_columns) float32; what is not above 0 cannot be offered. Each row depends on
        its user alone, to the last bit."""
        raise NotImplementedError

    # A model that needs no scores of all columns to answer has three methods of its own instead.

    def _scored(self, rows: np.ndarray) -> Any:
        """What `_best` and `_of` go by: worked out once for a block of users."""
        return self._score(rows)

    def _best(self, scored, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return best_among(self._columns(), scored, excludes, k, asked, ABOVE_ZERO)

    def _of(self, scored, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        """(len(at),) float32: the scores of the block's users `at`; NO where there is none."""
        places = _place(self._columns(), len(self.items))[item_codes]
        known = places >= 0
        found = np.full(len(at), NO, dtype=np.float32)
        found[known] = self._at(scored, at[known], places[known])
        return found

    def _at(self, scored, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        scores = scored[at, places]
        return np.where(scores > 0, scores, NO)

    def checked_exclude(self, exclude: csr_matrix | None, n_users: int) -> csr_matrix | None:
        if exclude is None:
            return None
        if exclude.shape != (n_users, len(self.items)):
            raise ModelError(
                f"exclude is {exclude.shape[0]} × {exclude.shape[1]}, but {n_users} users were "
                f"asked for and {self.name} knows {len(self.items)} items",
                "build exclude from the users asked for and from model.items",
            )
        exclude = csr_matrix(exclude, copy=True)
        exclude.eliminate_zeros()
        return exclude


class Opinion:
    """What one model makes of some users and all items, worked out once: its best for them, and its
    scores of whatever others propose. Holds len(rows) × n_columns × 4 bytes for a model that scores
    all columns."""

    def __init__(self, model: CandidateModel, rows: np.ndarray, asked: np.ndarray) -> None:
        """`rows` (n,) are positions in the model's users, -1 for nobody; answers call them `asked`."""
        self._model, self._asked = model, asked
        self._known = np.flatnonzero(rows >= 0)
        self._scored = model._scored(rows[self._known])

    def best(self, excludes: Sequence[csr_matrix | None], k: int) -> list[Recommendations]:
        """One answer for each of `excludes`, whose rows are those that `asked` names."""
        asked = self._asked[self._known]
        cut_out = [None if exclude is None else exclude[asked] for exclude in excludes]
        return self._model._best(self._scored, cut_out, k, asked)

    def of(self, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        """(len(at),) float32: the scores of pairs (the at-th of those asked, item); 0 where the model
        has nothing to say."""
        position = np.full(len(self._asked), -1)
        position[self._known] = np.arange(len(self._known))
        said = np.flatnonzero(position[at] >= 0)
        found = np.zeros(len(at), dtype=np.float32)
        scores = self._model._of(self._scored, position[at[said]], item_codes[said])
        found[said] = np.where(np.isfinite(scores), scores, 0)
        return found


def each_block(work: Callable[[np.ndarray], Any], asked: np.ndarray, block: int) -> list:
    """What `work` makes of each `block` of `asked`, in their order; an empty one if nobody is asked."""
    blocks = np.split(asked, np.arange(block, len(asked), block))
    with one_blas_thread(), ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, blocks))


def best_among(
    columns: np.ndarray,
    scores: np.ndarray,
    excludes: Sequence[csr_matrix | None],
    k: int,
    asked: np.ndarray,
    floor: np.float32 = LEAST,
) -> list[Recommendations]:
    """Top k of each row of `scores` (n_rows × len(columns)) under each of `excludes`, each of which
    holds those before it; rows are the users `asked`. Nothing below `floor`. Leaves `scores` as they were.

    All scores are looked at once, less all that is excluded. With what one exclusion hides and the one
    before it does not, the k best of all are among the k best and what was hidden.
    """
    hidden = [_hide(exclude, columns, scores) for exclude in excludes]
    table, found = top_keys(scores, k, floor), []
    for (rows, places), values in reversed(hidden):
        found.append(_answer(table, columns, asked))
        scores[rows, places] = values
        shown = values >= floor
        keys = packed(values[shown], places[shown])
        table = np.hstack([table, best_keys(rows[shown], keys, len(scores), k)])
        table = np.sort(table, axis=1)[:, : min(k, len(columns))]
    return found[::-1]


def _answer(table: np.ndarray, columns: np.ndarray, asked: np.ndarray) -> Recommendations:
    at, places, values, ranks = unpacked(table)
    codes = columns[places].astype(np.int32, copy=False)
    return Recommendations(asked[at].astype(np.int32), codes, values, ranks)


def _hide(exclude: csr_matrix | None, columns: np.ndarray, scores: np.ndarray):
    """Rows and places in `scores` of what `exclude` (n_rows × n_items) holds, and the scores that stood
    there; NO stands there now."""
    if exclude is None:
        nowhere = np.zeros(0, dtype=np.int64)
        return (nowhere, nowhere), scores[nowhere, nowhere]
    places = _places(exclude, columns)
    values = scores[places]
    scores[places] = NO
    return places, values


def _places(exclude: csr_matrix, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and places of what `exclude` (n_rows × n_items) holds and `columns` have."""
    rows = np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr))
    places = _place(columns, exclude.shape[1])[exclude.indices]
    return rows[places >= 0], places[places >= 0]


def _place(columns: np.ndarray, n_items: int) -> np.ndarray:
    """(n_items,) int32: where an item stands among `columns`, -1 where it does not. For the many pairs
    of a block thirty times as fast as a search in each."""
    place = np.full(n_items, -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    return place


def cut(rows, columns, values, n_rows: int, k: int):
    """The first k of each row, with ranks; input is sorted by (row, order of merit)."""
    counts = np.bincount(rows, minlength=n_rows)
    ranks = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    kept = ranks <= k
    return (
        rows[kept],
        columns[kept].astype(np.int32),
        values[kept].astype(np.float32, copy=False),
        ranks[kept].astype(np.int16),
    )


def enough_buyers(minimum: int, n_users: int) -> int:
    """How many buyers an item needs before its company says something: the setting, or 1 % of the
    users where that is fewer, so that a shop of a hundred users is not left without models."""
    return min(minimum, max(1, n_users // 100))


def one_blas_thread() -> AbstractContextManager:
    """BLAS on one thread while inside: blocks run in threads of ours, and a split sum rounds
    another way.

    Threads may be inside at once only where their starter is inside too: the first to leave would
    give the others' BLAS its threads back.
    """
    # scipy brings a BLAS of its own, which can be limited only once it is loaded; and two threads that
    # load parts of scikit-learn at once may find each other's half loaded.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.ensemble
    import sklearn.feature_extraction.text
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def joined(parts: Sequence[Recommendations]) -> Recommendations:
    return Recommendations(
        np.concatenate([part.users for part in parts]).astype(np.int32),
        np.concatenate([part.item_codes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.ranks for part in parts]),
    )
