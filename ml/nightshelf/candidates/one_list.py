"""One list for everybody, known to the shop or not.

Ranked once: a user's list is its beginning, less what is excluded. Looked at is a beginning as long as
the list and the most that any user of the block has excluded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nightshelf.candidates.base import NO, CandidateModel
from nightshelf.candidates.best import Recommendations, best_among
from nightshelf.dataset.interactions import Interactions


class OneList(CandidateModel):
    """Keeps `scores`, (n_items,) float32, NO for what is not offered."""

    scores: np.ndarray

    def _keep(self, scores: np.ndarray) -> None:
        self.scores = scores
        codes = np.lexsort((np.arange(len(scores)), -scores))
        self._ranked = codes[scores[codes] > NO].astype(np.int32)

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        return np.zeros(len(users), dtype=np.int32)

    def _scored(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def _of(self, rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return self.scores[item_codes]

    def _best(self, rows, excludes, k: int, asked: np.ndarray) -> list[Recommendations]:
        most = max(
            (int(np.diff(e.indptr).max(initial=0)) for e in excludes if e is not None), default=0
        )
        codes = np.sort(self._ranked[: k + most])
        scores = np.tile(self.scores[codes], (len(rows), 1))
        return best_among(codes, scores, excludes, k, asked)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"scores": self.scores}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._keep(arrays["scores"])


def offerable(interactions: Interactions) -> np.ndarray:
    """(n_items,) bool: what the catalogue says can be bought; everything where there is none."""
    if interactions.catalogue is None:
        return np.ones(len(interactions.items), dtype=bool)
    return interactions.catalogue.offerable
