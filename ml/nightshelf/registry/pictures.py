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
SERVES, BEFORE, BASELINE = "serves", "champion before", "best baseline"
ROLES: dict[str, dict[str, Any]] = {
    SERVES: {"color": ACCENT, "linestyle": "-", "linewidth": 2.6, "marker": "o"},
    BEFORE: {"color": INK, "linestyle": "--", "linewidth": 1.6, "marker": "s"},
    BASELINE: {"color": INK, "linestyle": ":", "linewidth": 1.6, "marker": "^"},
}
"""What a contender is tonight → how it is drawn. Told apart by line and marker as well as by colour:
a picture is printed in greys, too."""
OTHERS: dict[str, Any] = {"color": GREY, "linestyle": "-", "linewidth": 0.9, "marker": "."}
LEADER = {
    "arrowstyle": "-", "color": GREY, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0
}  # fmt: skip
"""From a line's end to the left edge of its name."""

Three = Sequence[float]
"""(mean, low, high)."""


def ndcg_picture(by_k: Mapping[str, Sequence[float]], roles: Mapping[str, str]) -> Figure:
    """nDCG@k over k, a line for each contender, its name at its end. `roles` (contender → one of
    ROLES) are drawn in colour, the others in grey."""
    lines = {name: values for name, values in by_k.items() if np.isfinite(values).any()}
    figure, axes = _figure(height=max(4.2, 1 + 0.24 * len(lines)))
    for name, values in lines.items():
        style = {**_style(name, roles), "marker": ""}
        axes.plot(range(1, len(values) + 1), values, **style, zorder=2 + (name in roles))
    axes.set_xticks(range(1, 1 + max(map(len, by_k.values()), default=0)))
    axes.set_xlabel("k")
    axes.set_ylabel("mean nDCG@k")
    _name_ends(axes, lines, roles)
    return figure


def _name_ends(
    axes: Axes, lines: Mapping[str, Sequence[float]], roles: Mapping[str, str], size: float = 7.5
) -> None:
    """Each line's name right of its end, moved up or down where names would overlap."""
    if not lines:
        return
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height / axes.figure.dpi * 72
    ends = sorted((float(np.nan_to_num(values[-1])), name) for name, values in lines.items())
    places = apart([end for end, _ in ends], 1.25 * size * (high - low) / points, low, high)
    right = max(map(len, lines.values()))
    for (end, name), place in zip(ends, places, strict=True):
        axes.annotate(
            _named(name, roles),
            xy=(len(lines[name]), end),
            xytext=(right + 0.06 * right, place),
            arrowprops=LEADER,
            color=_style(name, roles)["color"] if name in roles else "#52606d",
            fontsize=size,
            fontweight="bold" if roles.get(name) == SERVES else "normal",
            verticalalignment="center",
            annotation_clip=False,
        )


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> np.ndarray:
    """Places `gap` apart in low..high, nearest to the wanted ones, which rise. By isotonic regression
    of what is left of each place when the gaps below it are taken away."""
    from sklearn.isotonic import isotonic_regression

    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    steps = gap * np.arange(len(wanted))
    return isotonic_regression(np.array(wanted) - steps, y_min=low, y_max=high - steps[-1]) + steps


def intervals_picture(
    intervals: Mapping[str, Three], label: str, roles: Mapping[str, str]
) -> Figure:
    """A dot and its 95 % interval for each contender, in the order given."""
    figure, axes = _figure(height=1.2 + 0.32 * len(intervals))
    _dots(axes, intervals, roles)
    axes.set_xlabel(f"{label}, 95 % interval over users")
    return figure


def cohorts_picture(
    cohorts: Mapping[str, Mapping[str, Three]], label: str, roles: Mapping[str, str]
) -> Figure:
    """A panel for each cohort with a dot and an interval for each contender, on one scale."""
    names = sum(len(inner) for inner in cohorts.values())
    rows = max(len(cohorts), 1)
    figure, panels = _figure(1.0 + 0.26 * names + 0.5 * rows, rows=rows, sharex=True)
    each = np.atleast_1d(panels).ravel()
    for axes, (cohort, inner) in zip(each, cohorts.items(), strict=False):
        _dots(axes, inner, roles)
        axes.set_title(plain(cohort, 90), loc="left", fontsize=9)
    each[-1].set_xlabel(f"{label}, 95 % interval over users")
    return figure


def _dots(axes: Axes, intervals: Mapping[str, Three], roles: Mapping[str, str]) -> None:
    for row, (name, (mean, low, high)) in enumerate(intervals.items()):
        style = _style(name, roles) if name in roles else {**OTHERS, "marker": "o"}
        axes.plot([low, high], [row, row], color=style["color"], linewidth=1.8)
        axes.plot([mean], [row], style["marker"], color=style["color"], markersize=6)
    axes.set_yticks(range(len(intervals)), [_named(n, roles) for n in intervals], fontsize=8)
    axes.set_ylim(len(intervals) - 0.5, -0.5)
    for tick, name in zip(axes.get_yticklabels(), intervals, strict=True):
        tick.set_fontweight("bold" if roles.get(name) == SERVES else "normal")


def _style(name: str, roles: Mapping[str, str]) -> dict[str, Any]:
    return ROLES[roles[name]] if name in roles else OTHERS


def _named(name: str, roles: Mapping[str, str]) -> str:
    """ "ranker, serves"; a champion that served before is called so once."""
    role = roles.get(name)
    if role is None:
        return plain(name)
    return role if role.startswith(name) else f"{plain(name)}, {role}"


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
    _legend_above(axes)
    return figure


def precision_recall_picture(curve: Mapping[str, Sequence[float]]) -> Figure:
    """Precision over recall of the pool's rows; the dotted line is a ranker that knows nothing."""
    from sklearn.metrics import PrecisionRecallDisplay

    figure, axes = _figure()
    precision, prevalence = curve["average_precision"][0], curve["prevalence"][0]
    shown = PrecisionRecallDisplay(np.array(curve["precision"]), np.array(curve["recall"]))
    named = f"ranker, average precision {precision:.3f}"
    shown.plot(ax=axes, name=named, curve_kwargs={"color": ACCENT})
    by_chance = f"knows nothing, {prevalence:.3f}"
    axes.axhline(prevalence, color=INK, linestyle=":", label=by_chance)
    axes.set_aspect("auto")
    axes.set_xlabel("recall, of what the pool holds")
    axes.set_ylabel("precision")
    _legend_above(axes)
    return figure


def _legend_above(axes: Axes) -> None:
    """Outside the axes, where it hides no line."""
    axes.legend(
        fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderpad=0
    )


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
    _legend_above(axes)
    return figure


def plain(name: str, width: int = 40) -> str:
    """A name as matplotlib draws it letter by letter: a dollar sign would begin mathematics."""
    shown = "".join(c if c.isprintable() else "·" for c in str(name))
    shown = shown if len(shown) <= width else shown[: width - 1] + "…"
    return shown.replace("$", r"\$")


def _figure(
    height: float = 4.2, rows: int = 1, columns: int = 1, sharex: bool = False
) -> tuple[Figure, Any]:
    _quiet()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, sharex=sharex)
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
