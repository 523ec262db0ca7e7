"""The candidate pool of one view: what every source proposes for a user, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

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
        found = {name: np.ones(len(self.users), dtype=np.float32) for name in self.scores}
        firsts = np.flatnonzero(np.diff(self.user_codes, prepend=-1))
        if not len(firsts):
            return found
        for name, scores in self.scores.items():
            greatest = np.maximum.reduceat(np.abs(scores), firsts)
            found[name][self.user_codes[firsts]] = np.where(greatest == 0, 1, greatest)
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
