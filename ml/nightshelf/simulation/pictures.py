"""Regret, coverage and the newcomers' list over nights, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nightshelf.registry.pictures import ACCENT, GREY, INK
from nightshelf.simulation.truth import Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_picture(told: Sequence[Truth], path: Path) -> None:
    """Three panels over one axis of nights: what the lists leave, how much of the shop they show, and
    what strangers are shown."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 8.5), layout="constrained")
    panels = regret, shown, strangers = figure.subplots(3, 1, sharex=True)
    _draw(regret, [t.regret for t in told], "the shelf")
    _draw(regret, [1 - t.crowd / t.best for t in told], "the same list for all", INK, "--")
    regret.set_ylabel("regret: share of the best")
    _draw(shown, [t.coverage for t in told], "items shown to anybody")
    _draw(shown, [t.new_share for t in told], "slots of new items", INK, ":")
    _draw(shown, [t.exploring_share for t in told], "slots that explore", GREY)
    shown.set_ylabel("share")
    _draw(strangers, [t.cold_start for t in told], "rec_cold_start")
    _draw(strangers, [t.bestsellers for t in told], "bestsellers", INK, "--")
    _draw(strangers, [t.cold_best for t in told], "the best list for all strangers", GREY)
    strangers.set_ylabel("a stranger's clicks a visit")
    strangers.set_xlabel("night")
    strangers.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels:
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.legend(frameon=False)
    regret.set_title("A made-up shop, by its truth", loc="left")
    figure.savefig(path, dpi=110)


def _draw(
    axes: Axes, values: Sequence[float], label: str, color: str = ACCENT, line: str = "-"
) -> None:
    axes.plot(range(1, len(values) + 1), values, color=color, linestyle=line, label=label)
