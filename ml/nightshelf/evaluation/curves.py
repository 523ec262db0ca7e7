"""Curves: a list's quality over its length, and how far a ranker's chances can be believed.

All are lists of floats, so that they go into JSON as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.evaluation.metrics import METRICS, hits_of, relevant_counts

CALIBRATION_BINS = 10
POINTS = 200
"""A precision-recall curve has one point a row of the pool; the eye needs no more than these."""

GRID = 12
ROWS_FOR_DEPENDENCE = 500


def ndcg_by_k(recommended: np.ndarray, relevant: csr_matrix, k: int) -> list[float]:
    """The mean nDCG@1, nDCG@2, … nDCG@k over users with something relevant; NaN without any."""
    hits, counts = hits_of(recommended, relevant, k), relevant_counts(relevant)
    some = ~np.isnan(counts)
    if not some.any():
        return [float("nan")] * k
    each = METRICS["ndcg"].measure
    return [float(each(hits[some, :n], counts[some], n).mean()) for n in range(1, k + 1)]


def calibration(chances: np.ndarray, taken: np.ndarray) -> dict[str, list[float]]:
    """Rows of equal number by rising chance: what was foretold, what came. Rows of equal chance share a
    bin, so their order changes nothing. `error` is the expected calibration error over these bins
    (Naeini et al. 2015), `brier` the mean squared error.

    `chances` (n_rows,) in 0..1, `taken` (n_rows,) bool, or a share of 1. Empty lists without rows.
    """
    ends = [part[-1] for part in np.array_split(np.sort(chances), CALIBRATION_BINS) if len(part)]
    bins = np.searchsorted(np.unique(ends), chances)  # each row's
    rows = np.bincount(bins)
    foretold, came = (np.bincount(bins, weights) / rows for weights in (chances, taken))
    errors = (np.asarray(chances, dtype=np.float64) - taken) ** 2
    n_rows = max(len(chances), 1)
    return {
        "foretold": foretold.tolist(),
        "came": came.tolist(),
        "rows": rows.tolist(),
        "error": [float((abs(foretold - came) * rows).sum()) / n_rows],
        "brier": [float(errors.sum()) / n_rows],
    }


def average_precision(chances: np.ndarray, taken: np.ndarray) -> float | None:
    """The area under precision over recall, in steps (Davis and Goadrich 2006), as scikit-learn has it;
    None where nothing was taken."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(taken, chances)) if taken.any() else None


def precision_recall(chances: np.ndarray, taken: np.ndarray) -> dict[str, list[float]]:
    """scikit-learn's curve over the pool's rows, thinned to POINTS, and the average precision. Empty
    where nothing was taken: recall is then undefined."""
    from sklearn.metrics import precision_recall_curve

    if not taken.any():
        return {"precision": [], "recall": [], "average_precision": [], "prevalence": [0.0]}
    precision, recall, _ = precision_recall_curve(taken, chances)
    wanted = np.searchsorted(-recall, np.linspace(-1, 0, POINTS))
    kept = np.unique(np.minimum(wanted, len(recall) - 1))
    return {
        "precision": precision[kept].tolist(),
        "recall": recall[kept].tolist(),
        "average_precision": [average_precision(chances, taken)],
        "prevalence": [float(taken.mean())],
    }


def partial_dependence(
    score: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray, columns: Mapping[str, int]
) -> dict[str, dict[str, list[float]]]:
    """name → {"grid", "mean"}: the mean score were the feature everywhere this, all else as it is.

    Over ROWS_FOR_DEPENDENCE rows, evenly spaced; the grid are the feature's own quantiles there, each
    value once. About 6,000 rows are scored for each feature. Source: Friedman 2001.
    """
    if not len(matrix):
        return {}
    sample = matrix[spaced(len(matrix))]
    found = {}
    for name, column in columns.items():
        grid = np.unique(np.quantile(sample[:, column], np.linspace(0, 1, GRID)))
        means = [float(np.mean(score(_with(sample, column, value)))) for value in grid]
        found[name] = {"grid": grid.tolist(), "mean": means}
    return found


def spaced(n_rows: int) -> np.ndarray:
    """(at most ROWS_FOR_DEPENDENCE,) row numbers, evenly spaced; all where there are no more, so that a sample
    of a sample is itself."""
    if not n_rows:
        return np.zeros(0, dtype=int)
    return np.unique(np.linspace(0, n_rows - 1, ROWS_FOR_DEPENDENCE).astype(int))


def _with(matrix: np.ndarray, column: int, value: float) -> np.ndarray:
    changed = matrix.copy()
    changed[:, column] = value
    return changed
