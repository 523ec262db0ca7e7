"""One view at one cut, labelled: who was proposed what, and what was taken in the window after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.lately import brought_by_a_burst
from nightshelf.candidates.sparse import entries_at
from nightshelf.dataset.interactions import Interactions, day_number, positions
from nightshelf.evaluation import METRICS
from nightshelf.evaluation.split import Labels
from nightshelf.paths import Attempt
from nightshelf.ranking import shown
from nightshelf.ranking.features import attach
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.ranker import Ranker
from nightshelf.warehouse import connect

BLOCK_ROWS = 250_000
"""Rows whose features are there at a time where all are ranked: 70 MB, and as much to join them from."""

Features = Callable[[np.ndarray | slice], np.ndarray]
"""Rows of a pool → (n_rows, n_features) float32."""


@dataclass(frozen=True, eq=False)
class LabelledCut:
    pool: Pool
    features: Features
    """Asked for what is looked at: all rows' at once are a quarter of a gigabyte a million."""
    taken: np.ndarray
    """(n_rows,) bool."""
    teaches: np.ndarray
    """(n_rows,) bool: False where a burst brought the user to the item: what all at once took on one day
    says what that day was like, and a ranker that learnt from it would offer the item, and its like, to
    everybody."""
    labels: Labels
    shown: np.ndarray | None = None
    """(n_rows,) float32, shown.attach of the window: to learn from, and never to rank by. None where the
    shop does not log it."""

    def raw(self, rankers: Sequence[Ranker]) -> list[np.ndarray]:
        """(n_rows,) float64 each: how the rankers order all rows. Each row's features are made once."""
        found = [np.empty(len(self.pool)) for _ in rankers]
        for block in blocks(len(self.pool)):
            matrix = self.features(block)
            for raw, ranker in zip(found, rankers, strict=True):
                raw[block] = ranker.raw(matrix)
        return found

    def quality(self, scores: np.ndarray, k: int) -> np.ndarray:
        """(n_users,) nDCG@k; NaN for a user with nothing relevant."""
        return METRICS["ndcg"](self.pool.lists_by(scores, k), self.labels.relevant, k)

    def unproposed(self) -> tuple[int, int]:
        """(taken items that no source proposed, taken items)."""
        n_relevant = int(self.labels.relevant.sum())
        return n_relevant - int(self.taken.sum()), n_relevant


def blocks(n_rows: int) -> Iterator[slice]:
    """BLOCK_ROWS each, and the rest."""
    for first in range(0, n_rows, BLOCK_ROWS):
        yield slice(first, min(first + BLOCK_ROWS, n_rows))


def read_features(attempt: Attempt, pool: Pool, as_of: date) -> Features:
    """Of the pool's rows, read from the attempt's file when they are asked for."""

    def of(rows: np.ndarray | slice) -> np.ndarray:
        with connect(attempt.database) as db:
            return attach(db, pool, as_of, rows)

    return of


def labelled(
    db: duckdb.DuckDBPyConnection,
    pool: Pool,
    as_of: date,
    wanted: Labels,
    known: Interactions,
    burst: float,
    features: Features,
) -> LabelledCut:
    """`known` are the target's rows as of the end of the window, by which a burst in it is told."""
    hits = taken(pool, wanted.relevant)
    crowd = brought_by_a_burst(known, day_number(as_of), burst)
    brought = _over(pool, crowd, known.users, known.items)
    teaches = ~(hits & taken(pool, brought))
    return LabelledCut(pool, features, hits, teaches, wanted, shown.attach(db, pool, as_of))


def taken(pool: Pool, relevant: csr_matrix) -> np.ndarray:
    """(n_rows,) bool: is the row one of the pairs of `relevant`, whose rows are the pool's users, and
    whose columns begin with the pool's items?"""
    return entries_at(relevant.sorted_indices(), pool.user_codes, pool.item_codes) >= 0


def _over(pool: Pool, pairs: csr_matrix, users: np.ndarray, items: np.ndarray) -> csr_matrix:
    """Pairs of other ids over the pool's own; those it does not know are left out."""
    of_users, of_items = positions(pool.users, users), positions(pool.items, items)
    owners = of_users[np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))]
    codes = of_items[pairs.indices]
    kept = (owners >= 0) & (codes >= 0)
    shape = (len(pool.users), len(pool.items))
    return csr_matrix((np.ones(kept.sum(), bool), (owners[kept], codes[kept])), shape)
