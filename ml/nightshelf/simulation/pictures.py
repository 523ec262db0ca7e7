"""Regret and coverage over nights, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nightshelf.registry.pictures import ACCENT, GREY, INK
from nightshelf.simulation.truth import Truth


def save_picture(told: Sequence[Truth], path: Path) -> None:
    """Two panels over one axis of nights: what the lists leave, and how much of the shop they show."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 6), layout="constrained")
    regret, shown = figure.subplots(2, 1, sharex=True)
    nights = range(1, len(told) + 1)
    regret.plot(nights, [t.regret for t in told], color=ACCENT, marker="o", label="the shelf")
    crowd = [1 - t.crowd / t.best for t in told]
    regret.plot(nights, crowd, color=INK, linestyle="--", label="the same list for all")
    regret.set_ylabel("regret: share of the best list's clicks")
    shown.plot(
        nights, [t.coverage for t in told], color=ACCENT, marker="o", label="items shown to anybody"
    )
    shown.plot(
        nights, [t.new_share for t in told], color=INK, linestyle=":", label="slots of new items"
    )
    shown.plot(nights, [t.exploring_share for t in told], color=GREY, label="slots that explore")
    shown.set_ylabel("share")
    shown.set_xlabel("night")
    shown.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (regret, shown):
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.legend(frameon=False)
    regret.set_title("A made-up shop, by its truth", loc="left")
    figure.savefig(path, dpi=110)
