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
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.best import Recommendations, best_of, place_of
from nightshelf.candidates.sparse import values_at
from nightshelf.candidates.top_k import ABOVE_ZERO, NO
from nightshelf.dataset.interactions import Interactions, pack_ids, positions, unpack_ids
from nightshelf.errors import ModelError
from nightshelf.warehouse import cores


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
        return [Recommendations.joined(parts) for parts in zip(*answers, strict=True)]

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

    def _score(self, rows: np.ndarray) -> np.ndarray | csr_matrix:
        """(len(rows), n_columns) float32; what is not above 0 cannot be offered. Each row depends on
        its user alone, to the last bit. As a csr_matrix (sorted) where it says something of few columns."""
        raise NotImplementedError

    # A model that needs no scores of all columns to answer has three methods of its own instead.

    def _scored(self, rows: np.ndarray) -> Any:
        """What `_best` and `_of` go by: worked out once for a block of users."""
        return self._score(rows)

    def _best(self, scored, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        return best_of(self._columns(), scored, excludes, k, asked, ABOVE_ZERO)

    def _of(self, scored, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        """(len(at),) float32: the scores of the block's users `at`; NO where there is none."""
        places = place_of(self._columns(), len(self.items))[item_codes]
        known = places >= 0
        found = np.full(len(at), NO, dtype=np.float32)
        found[known] = self._at(scored, at[known], places[known])
        return found

    def _at(self, scored, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        scores = values_at(scored, at, places)
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
