"""Pictures of an examination, for MLflow. Each function returns a matplotlib figure.

Names are drawn as they are: nothing in them is read as mathematics or markup.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, GREY = "#1f2933", "#0b6e99", "#9aa5b1"
SHOWN_FEATURES = 20
SHOWN_CURVES = 6


def ndcg_picture(by_k: Mapping[str, Sequence[float]]) -> Figure:
    """nDCG@k over k, a line for each contender, the best at the last k first in the legend."""
    figure, axes = _figure()
    for name, values in sorted(by_k.items(), key=lambda each: -np.nan_to_num(each[1][-1])):
        is_bold = name in ("ranker", "champion")
        ks = range(1, len(values) + 1)
        axes.plot(ks, values, label=plain(name), linewidth=2.4 if is_bold else 1.2)
    axes.set_xticks(range(1, 1 + max(map(len, by_k.values()), default=0)))
    axes.set_xlabel("k")
    axes.set_ylabel("mean nDCG@k")
    axes.legend(fontsize=8, ncols=2)
    return figure


def intervals_picture(intervals: Mapping[str, Sequence[float]], label: str) -> Figure:
    """A dot and its 95 % interval for each name: (mean, low, high), in the order given."""
    figure, axes = _figure(height=1.2 + 0.32 * len(intervals))
    for row, (name, (mean, low, high)) in enumerate(intervals.items()):
        colour = ACCENT if name in ("ranker", "champion") else INK
        axes.plot([low, high], [row, row], color=colour, linewidth=2)
        axes.plot([mean], [row], "o", color=colour)
    axes.set_yticks(range(len(intervals)), [plain(n) for n in intervals])
    axes.invert_yaxis()
    axes.set_xlabel(f"{label}, 95 % interval over users")
    return figure


def cohorts_picture(cohorts: Mapping[str, Mapping[str, Sequence[float]]], label: str) -> Figure:
    """A group of dots for each cohort: cohort → contender → (mean, low, high)."""
    figure, axes = _figure()
    names = list(dict.fromkeys(n for inner in cohorts.values() for n in inner))
    for place, name in enumerate(names):
        at = np.arange(len(cohorts)) + 0.8 * (place + 0.5) / len(names) - 0.4
        found = np.array([inner.get(name, [np.nan] * 3) for inner in cohorts.values()], dtype=float)
        means, lows, highs = found.reshape(-1, 3).T
        reach = np.stack([means - lows, highs - means]).clip(min=0)
        axes.errorbar(at, means, reach, fmt="o", capsize=3, label=plain(name))
    axes.set_xticks(range(len(cohorts)), [plain(c) for c in cohorts])
    axes.set_ylabel(label)
    axes.legend(fontsize=8)
    return figure


def calibration_picture(curve: Mapping[str, Sequence[float]]) -> Figure:
    """What the ranker foretold against what came, on logarithmic axes: most chances are small."""
    from sklearn.calibration import CalibrationDisplay

    figure, axes = _figure()
    foretold, came = np.array(curve["foretold"]), np.array(curve["came"])
    shown = CalibrationDisplay(came, foretold, foretold)
    shown.plot(ax=axes, name="ranker", color=ACCENT)
    seen = np.concatenate([foretold, came])
    least = seen[seen > 0].min(initial=1.0)
    for axis in (axes.set_xscale, axes.set_yscale):
        axis("log")
    axes.set_xlim(least / 2, 1)
    axes.set_ylim(least / 2, 1)
    axes.set_xlabel("chance foretold (mean of a tenth of the rows)")
    axes.set_ylabel("share taken")
    return figure


def precision_recall_picture(curve: Mapping[str, Sequence[float]]) -> Figure:
    """Precision over recall of the pool's rows; the dotted line is a ranker that knows nothing."""
    from sklearn.metrics import PrecisionRecallDisplay

    figure, axes = _figure()
    shown = PrecisionRecallDisplay(
        np.array(curve["precision"]),
        np.array(curve["recall"]),
        average_precision=curve["average_precision"][0],
        prevalence_pos_label=curve["prevalence"][0],
    )
    shown.plot(ax=axes, name="ranker", curve_kwargs={"color": ACCENT})
    axes.axhline(curve["prevalence"][0], color=GREY, linestyle=":")
    axes.set_xlabel("recall, of what the pool holds")
    axes.set_ylabel("precision")
    return figure


def importance_picture(importances: Mapping[str, float], label: str) -> Figure:
    """A bar for each of the SHOWN_FEATURES features that matter most, by absolute value."""
    most = sorted(importances.items(), key=lambda each: (-abs(each[1]), each[0]))[:SHOWN_FEATURES]
    figure, axes = _figure(height=1.2 + 0.26 * len(most))
    axes.barh(range(len(most)), [value for _, value in most], color=ACCENT)
    axes.set_yticks(range(len(most)), [plain(name) for name, _ in most], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    return figure


def partial_dependence_picture(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """How the mean chance moves with one feature, all else as it is: feature → {grid, mean}.

    Source: Friedman 2001. The first SHOWN_CURVES features are drawn, in the order given.
    """
    shown = list(curves.items())[:SHOWN_CURVES]
    columns = min(3, max(len(shown), 1))
    rows = -(-max(len(shown), 1) // columns)
    figure, axes = _figure(height=2.6 * rows, rows=rows, columns=columns)
    each = np.atleast_1d(axes).ravel()
    for place, (name, curve) in zip(each, shown, strict=False):
        place.plot(curve["grid"], curve["mean"], color=ACCENT)
        place.set_xlabel(plain(name), fontsize=8)
        place.tick_params(labelsize=7)
    for place in each[len(shown) :]:
        place.set_visible(False)
    return figure


def history_picture(values: Sequence[float | None], bar: float) -> Figure:
    """A search's trials over its present settings, and the best so far; None was given up, and stands
    at the bottom. The dotted line is the bar that a find has to pass."""
    figure, axes = _figure()
    done = [(n, value) for n, value in enumerate(values) if value is not None]
    lowest = min(value for _, value in done) if done else 1.0
    given_up = [n for n, value in enumerate(values) if value is None]
    axes.plot([n for n, _ in done], [value for _, value in done], "o", color=GREY, label="trial")
    axes.plot(given_up, [lowest] * len(given_up), "x", color=GREY, label="given up")
    best = np.maximum.accumulate([value for _, value in done]) if done else []
    axes.step([n for n, _ in done], best, where="post", color=ACCENT, label="best so far")
    axes.axhline(bar, color=INK, linestyle=":", label="bar")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trial")
    axes.set_ylabel("nDCG@10 over the present settings'")
    axes.legend(fontsize=8)
    return figure


def plain(name: str, width: int = 40) -> str:
    """A name as matplotlib draws it letter by letter: a dollar sign would begin mathematics."""
    shown = "".join(c if c.isprintable() else "·" for c in str(name))
    shown = shown if len(shown) <= width else shown[: width - 1] + "…"
    return shown.replace("$", r"\$")


def _figure(height: float = 4.2, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    _quiet()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns)
    for each in np.atleast_1d(axes).ravel():
        _bare(each)
    return figure, axes


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def _quiet() -> None:
    """No window, no font messages, no complaint about a home that cannot be written to."""
    os.environ.setdefault("MPLBACKEND", "agg")
    if "MPLCONFIGDIR" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="nightshelf-matplotlib-")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
