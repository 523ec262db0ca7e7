"""How good foretold chances are: PR-AUC, log loss, Brier score, calibration and lift, as plain numbers
for JSON and MLflow."""

from __future__ import annotations

import numpy as np

from nightshelf.evaluation import curves

TOPS = (0.1, 0.2)
"""What a campaign reaches: the tenth and the fifth of users with the highest chances."""
LEAST = 1e-6
"""Nobody is certain: a chance of 0 that comes true would cost an infinite log loss."""


def figures(chances: np.ndarray, came: np.ndarray) -> dict[str, object]:
    """`chances` (n_rows,) in 0..1, `came` (n_rows,) bool. Equal chances count as one another's average,
    so the order of rows changes nothing. PR-AUC and lift are null where nothing came.
    """
    some = bool(came.any())
    bins = curves.calibration(chances, came)
    found: dict[str, object] = {
        "n": len(came),
        "prevalence": float(came.mean()) if len(came) else None,
        "pr_auc": curves.average_precision(chances, came),
        "log_loss": log_loss(chances, came) if len(came) else None,
        "brier": bins["brier"][0] if len(came) else None,
    }
    for top in TOPS:
        found[f"lift@{top:.0%}"] = lift(chances, came, top) if some else None
    found["calibration_error"] = bins["error"][0] if len(came) else None
    return found | {"calibration": _bins(bins)}


def log_loss(chances: np.ndarray, came: np.ndarray) -> float:
    """The mean of -log of the chance given to what happened."""
    kept = np.clip(chances, LEAST, 1 - LEAST)
    return float(-np.where(came, np.log(kept), np.log1p(-kept)).mean())


def lift(chances: np.ndarray, came: np.ndarray, top: float) -> float:
    """How many times more often it came among the `top` share with the highest chances than overall."""
    wanted = max(1, round(top * len(chances)))
    bound = np.partition(chances, -wanted)[-wanted]
    above, tied = chances > bound, chances == bound
    # Of rows that tie at the bound, each is as likely as the next to be among the top.
    hits = came[above].sum() + (wanted - above.sum()) * came[tied].mean()
    return float(hits / wanted / came.mean())


def calibration(chances: np.ndarray, came: np.ndarray) -> list[dict[str, float]]:
    """Ten bins of equally many rows by rising chance: what was foretold, what came, of how many. One
    row per bin; rows of equal chance share a bin. `came` may be a share as well as a fact."""
    return _bins(curves.calibration(chances, came))


def _bins(found: dict[str, list[float]]) -> list[dict[str, float]]:
    columns = (found[name] for name in ("foretold", "came", "rows"))
    return [{"foretold": f, "came": c, "n": n} for f, c, n in zip(*columns, strict=True)]


def flat(found: dict[str, object]) -> dict[str, float]:
    """The numbers of `figures` alone, by the names that MLflow allows."""
    return {
        name.replace("@", "_at_").replace("%", ""): float(value)
        for name, value in found.items()
        if isinstance(value, int | float)
    }
