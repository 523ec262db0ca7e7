"""What a ranker learns from: the labelled rows of several cuts, the negatives thinned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightshelf.ranking.pool import Pool


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows of (user, item), those of one user side by side."""

    matrix: np.ndarray
    """(n_rows, n_features) float32."""
    taken: np.ndarray
    """(n_rows,) bool: did the user take the item in the window after the cut?"""
    groups: np.ndarray
    """(n_groups,) int32: rows of each user at each cut."""
    kept_share: float
    """Share of the rows without a label that are here."""

    def __len__(self) -> int:
        return len(self.taken)

    @property
    def n_positives(self) -> int:
        return int(self.taken.sum())

    def suffice(self, minimum: int) -> bool:
        """Are there `minimum` rows of either kind?"""
        return min(self.n_positives, len(self) - self.n_positives) >= minimum


def sampled(
    pool: Pool, matrix: np.ndarray, taken: np.ndarray, negatives_per_positive: int, seed: int
) -> TrainingRows:
    """All rows with a label, and a share of the others: `negatives_per_positive` of them each."""
    negatives = np.flatnonzero(~taken)
    wanted = min(len(negatives), negatives_per_positive * int(taken.sum()))
    chosen = np.random.default_rng(seed).choice(negatives, wanted, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(taken), chosen]))
    groups = np.bincount(pool.user_codes[kept], minlength=len(pool.users))
    share = wanted / len(negatives) if len(negatives) else 1.0
    return TrainingRows(matrix[kept], taken[kept], groups[groups > 0].astype(np.int32), share)


def joined(parts: Sequence[TrainingRows]) -> TrainingRows:
    """Several cuts as one; the share kept is that of all their negatives together."""
    left_out = sum((len(p) - p.n_positives) / p.kept_share for p in parts if p.kept_share)
    kept = sum(len(p) - p.n_positives for p in parts)
    return TrainingRows(
        np.concatenate([p.matrix for p in parts]),
        np.concatenate([p.taken for p in parts]),
        np.concatenate([p.groups for p in parts]),
        kept / left_out if left_out else 1.0,
    )
