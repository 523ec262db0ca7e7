"""Models that link items to items: the user's items speak for others, each as much as its link."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.sparse import columns_of, product


class LinkedItems(CandidateModel):
    """Score: the sum of a user's row of `profile` times `links`, above 0."""

    def _link(self, profile: csr_matrix, links: csr_matrix) -> None:
        """`profile`: users × items; `links`: items × items, from what was taken to what to offer.

        Who has no links to it is never a candidate.
        """
        self.profile = profile
        self._candidates = columns_of(links).astype(np.int32)
        self._votes = links[:, self._candidates]

    def _columns(self) -> np.ndarray:
        return self._candidates

    def _score(self, rows: np.ndarray) -> np.ndarray | csr_matrix:
        return product(self.profile[rows], self._votes)
