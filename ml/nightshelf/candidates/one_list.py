"""One list for everybody, known to the shop or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nightshelf.candidates.base import NO, CandidateModel
from nightshelf.dataset.interactions import Interactions


class OneList(CandidateModel):
    """Keeps `scores`, (n_items,) float32, NO for what is not offered."""

    scores: np.ndarray

    def _rows(self, users: Sequence[str]) -> np.ndarray:
        return np.zeros(len(users), dtype=np.int32)

    def _columns(self) -> np.ndarray:
        return np.flatnonzero(self.scores > NO).astype(np.int32)

    def _score(self, rows: np.ndarray) -> np.ndarray:
        return np.tile(self.scores[self.scores > NO], (len(rows), 1))

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"scores": self.scores}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.scores = arrays["scores"]


def offerable(interactions: Interactions) -> np.ndarray:
    """(n_items,) bool: what the catalogue says can be bought; everything where there is none."""
    if interactions.catalogue is None:
        return np.ones(len(interactions.items), dtype=bool)
    return interactions.catalogue.offerable
