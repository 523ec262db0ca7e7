"""The ranker: one model or a blend of two over the features, and its calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nightshelf.dataset.interactions import pack_ids, unpack_ids
from nightshelf.ranking.boosting import Boosted
from nightshelf.ranking.logistic import Logistic
from nightshelf.ranking.shown import AT_THE_TOP, SHOWN

KINDS: dict[str, type[Logistic] | type[Boosted]] = {
    "logistic": Logistic,
    "sklearn_gb": Boosted,
    "lightgbm_binary": Boosted,
    "lightgbm_lambdarank": Boosted,
}
"""The simplest first: of equals the first is taken."""
BATCH_ROWS = 200_000
"""Rows that are copied at a time to put `shown` beside them."""


@dataclass(frozen=True, eq=False)
class Ranker:
    """score = sigmoid(offset + slope × Σ weight × raw) over its members."""

    features: tuple[str, ...]
    kinds: tuple[str, ...]
    """Of the members, each a key of KINDS."""
    members: tuple[Logistic | Boosted, ...]
    weights: tuple[float, ...]
    """(n_members,) brings the members' units together; 1 where there is one."""
    slope: float = 1.0
    offset: float = 0.0
    """Platt 1999: from the members' units to log odds, learnt on a cut they had not seen."""

    @property
    def kind(self) -> str:
        return " + ".join(self.kinds)

    @property
    def needs(self) -> tuple[str, ...]:
        """The features that are asked of a row that is ranked: all but `shown`."""
        return tuple(name for name in self.features if name != SHOWN)

    def all_at_the_top(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows, n_features) of the (n_rows, n_needs) asked for: as if each row were shown at the top."""
        if self.needs == self.features:
            return matrix
        at_the_top = np.full(len(matrix), AT_THE_TOP, dtype=matrix.dtype)
        return np.column_stack([matrix, at_the_top])

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows,) float64 over (n_rows, n_needs): the order, in units of its own. A row's value depends
        on it alone."""
        found = np.zeros(len(matrix))
        for first in range(0, len(matrix), BATCH_ROWS):
            batch = slice(first, first + BATCH_ROWS)
            rows = self.all_at_the_top(matrix[batch])
            for member, weight in zip(self.members, self.weights, strict=True):
                found[batch] += weight * member.raw(rows)
        return found

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows,) float64 in 0..1: the chance that the user takes the item in the window."""
        return 1 / (1 + np.exp(-(self.offset + self.slope * self.raw(matrix))))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """(n_rows, n_features + 1) float64, log odds: what each feature adds to a row's score, and last
        what every row has. A row's sum is the log odds of its `score`."""
        matrix = self.all_at_the_top(matrix)
        found = np.zeros((len(matrix), len(self.features) + 1))
        for member, weight in zip(self.members, self.weights, strict=True):
            found += weight * member.contributions(matrix)
        found *= self.slope
        found[:, -1] += self.offset
        return found

    def importances(self) -> dict[str, float]:
        """Feature → its share of what the members make of all features, the largest first."""
        total = np.zeros(len(self.features))
        for member in self.members:
            found = member.importances().astype(float)
            total += found / found.sum() if found.sum() else 0
        shares = total / len(self.members)
        order = np.argsort(-shares, kind="stable")
        return {self.features[n]: float(shares[n]) for n in order}

    def arrays(self) -> dict[str, np.ndarray]:
        named = {
            f"member{n}_{name}": array
            for n, member in enumerate(self.members)
            for name, array in member.arrays().items()
        }
        return {
            **pack_ids("features", np.array(self.features, dtype=object)),
            **pack_ids("kinds", np.array(self.kinds, dtype=object)),
            "weights": np.array(self.weights, dtype=np.float64),
            "calibration": np.array([self.slope, self.offset]),
            **named,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Ranker:
        kinds = tuple(unpack_ids("kinds", arrays))
        members = tuple(
            KINDS[kind].from_arrays(_of_member(arrays, n)) for n, kind in enumerate(kinds)
        )
        slope, offset = arrays["calibration"].tolist()
        weights = tuple(arrays["weights"].tolist())
        return cls(tuple(unpack_ids("features", arrays)), kinds, members, weights, slope, offset)


def _of_member(arrays: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    prefix = f"member{number}_"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
