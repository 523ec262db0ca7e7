"""What a ranker learns from: the labelled rows of several cuts, the negatives thinned out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nightshelf.ranking.pool import Pool


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows of (user, item), those of one user side by side."""

    matrix: np.ndarray
    """(n_rows, n_features) float32; last `shown`, where the shop logs what it shows."""
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


FEWEST_NEGATIVES = 5
"""For each row with a label, where `max_rows` is short; from there on users are left out."""


def sampled(
    pool: Pool,
    features: Callable[[np.ndarray], np.ndarray],
    taken: np.ndarray,
    teaches: np.ndarray,
    negatives_per_positive: int,
    max_rows: int,
    seed: int,
    shown: np.ndarray | None = None,
) -> TrainingRows:
    """All rows that teach and have a label, and for each of them so many of the others, `max_rows`
    together. `features` of (n_kept,) row numbers are asked for those alone.

    A shop with more labels than that is learnt from a share of its users. What was shown and not taken
    is thinned out like the rest: kept more often it would look less wanted than it is.
    """
    generator = np.random.default_rng(seed)
    taken = taken & teaches
    here = teaches & _some_users(pool, taken, max_rows // (1 + FEWEST_NEGATIVES), generator)
    positives, negatives = np.flatnonzero(taken & here), np.flatnonzero(~taken & here)
    room = max(max_rows - len(positives), 0)
    wanted = min(len(negatives), negatives_per_positive * len(positives), room)
    chosen = generator.choice(negatives, wanted, replace=False)
    kept = np.sort(np.concatenate([positives, chosen]))
    groups = np.bincount(pool.user_codes[kept], minlength=len(pool.users))
    share = wanted / len(negatives) if len(negatives) else 1.0
    matrix = features(kept)
    learnt = matrix if shown is None else np.column_stack([matrix, shown[kept]])
    return TrainingRows(learnt, taken[kept], groups[groups > 0].astype(np.int32), share)


def _some_users(
    pool: Pool, taken: np.ndarray, max_positives: int, generator: np.random.Generator
) -> np.ndarray:
    """(n_rows,) bool: the rows of users drawn until they have `max_positives` labels together."""
    counts = np.bincount(pool.user_codes[taken], minlength=len(pool.users))
    if counts.sum() <= max_positives:
        return np.ones(len(taken), dtype=bool)
    order = generator.permutation(len(counts))
    drawn = np.zeros(len(counts), dtype=bool)
    drawn[order[np.cumsum(counts[order]) <= max_positives]] = True
    return drawn[pool.user_codes]


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
