"""What exploration, a rule and the list for newcomers are worth in a closed loop, by a truth.

    python benchmarks/simulated.py FOLDER [--nights 30] [--seed 1 …] [--arm none …]

Runs each arm in made-up shops of the same seeds, taking turns by the night: about half an hour for each
arm and seed on two cores. Each leaves its truth.csv in FOLDER/ARM-SEED, and what is whole there is not
run again. Ends with three tables and FOLDER/simulated.png.

Intervals of a difference pair the nights, and draw blocks of BLOCK nights in a row (Künsch 1989), since
neighbouring nights are alike, from each seed's own. They say how far a shop's month is chance, and
nothing of other shops.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from nightshelf.progress import console
from nightshelf.registry.pictures import ACCENT, GREY, INK
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.simulation import Size, simulate

BUDGET = Budget(for_you=0.1)
ARMS: dict[str, tuple[Exploration, str]] = {
    "none": (Exploration(), ""),
    "thompson": (Exploration(budget=BUDGET, policy="thompson"), ""),
    "two_of_a_category": (Exploration(), "[rules]\nmax_per_category = 2\n"),
    "even": (Exploration(budget=BUDGET), ""),
}
"""Arm → its exploration and its rules. The others are held against the first."""
STYLES = dict(zip(ARMS, ((ACCENT, "-"), (INK, "--"), ("#b3541e", "-."), (GREY, ":")), strict=True))
BLOCK, RESAMPLES = 5, 10_000
LATE = 10
"""Nights at the end, by when there has been something to learn from."""

Told = dict[str, np.ndarray]
"""An arm's truth: figure → (n_seeds, n_nights)."""


def run(folder: Path, arms: list[str], seeds: list[int], nights: int) -> dict[str, Told]:
    """The arms' truth. A night of every arm, then the next one: what is broken off can be compared."""
    roots = {(arm, seed): folder / f"{arm}-{seed}" for arm in arms for seed in seeds}
    runs = []
    for (arm, seed), root in roots.items():
        if len(read(root / "truth.csv")) < nights:
            shutil.rmtree(root, ignore_errors=True)
            runs.append(simulate(root, Size(nights=nights), seed, *ARMS[arm]))
    for _ in zip(*runs, strict=True):
        pass
    told = {key: read(root / "truth.csv")[:nights] for key, root in roots.items()}
    return {arm: together([told[arm, seed] for seed in seeds]) for arm in arms}


def read(path: Path) -> list[dict[str, float]]:
    """Nothing where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [
            {k: float(v) for k, v in row.items() if k != "night"} for row in csv.DictReader(file)
        ]


def together(seeds: list[list[dict[str, float]]]) -> Told:
    return {k: np.array([[night[k] for night in told] for told in seeds]) for k in seeds[0][0]}


def interval(difference: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % bounds of (n_seeds, n_nights): blocks of nights, drawn round the end."""
    dice = np.random.default_rng(0)
    seeds, nights = difference.shape
    starts = dice.integers(nights, size=(RESAMPLES, seeds, -(-nights // BLOCK), 1))
    drawn = ((starts + np.arange(BLOCK)) % nights).reshape(RESAMPLES, seeds, -1)[:, :, :nights]
    means = np.take_along_axis(difference[None], drawn, axis=2).mean(axis=(1, 2))
    return float(difference.mean()), *map(float, np.quantile(means, [0.025, 0.975]))


def told_as(found: tuple[float, float, float], form: str = "+.3f") -> str:
    mean, low, high = (format(value, form) for value in found)
    return f"{mean} [{low}, {high}]"


def show(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left")
    for n, name in enumerate(columns):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def arms_table(arms: Mapping[str, Told]) -> None:
    base = next(iter(arms.values()))["value"]
    columns = ("arm", "clicks a visit", f"last {LATE}", "regret", "coverage", "new", "− first arm", f"last {LATE}")  # fmt: skip
    rows = []
    for name, told in arms.items():
        ours = told["value"]
        shares = (told[k].mean() for k in ("regret", "coverage", "new_share"))
        less = ours - base
        rows.append((
            name, f"{ours.mean():.3f}", f"{ours[:, -LATE:].mean():.3f}", *(f"{s:.1%}" for s in shares),
            *(("", "") if ours is base else (told_as(interval(less)), told_as(interval(less[:, -LATE:])))),
        ))  # fmt: skip
    show("What users click", columns, rows)


def strangers_table(arms: Mapping[str, Told]) -> None:
    columns = ("arm", "rec_cold_start", "bestsellers", "best for all", "cold start − bestsellers")
    rows = [
        (
            name,
            *(f"{told[k].mean():.3f}" for k in ("cold_start", "bestsellers", "cold_best")),
            told_as(interval(told["cold_start"] - told["bestsellers"])),
        )
        for name, told in arms.items()
    ]
    show("What strangers click", columns, rows)


def cost_table(arms: Mapping[str, Told]) -> None:
    """Against the same night's scores, and against the first arm's night. The last column is what was
    learnt by it: the candidates scored best, against the first arm's."""
    first = next(iter(arms.values()))
    columns = (
        "arm", "rpt_rule_cost expects", "by the truth, same night", "against the first arm", "learnt"
    )  # fmt: skip
    rows = [
        (
            name,
            f"{told['rules_expected'].mean():.1%}",
            told_as(interval(1 - told["value"] / told["ranked"]), ".1%"),
            told_as(interval(1 - told["value"] / first["value"]), ".1%"),
            told_as(interval(told["ranked"] / first["ranked"] - 1), "+.1%"),
        )
        for name, told in arms.items()
    ]
    show("What rules and exploration take", columns, rows)


def picture(arms: Mapping[str, Told], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    for axes, key in zip(panels, ("regret", "coverage"), strict=True):
        for name, told in arms.items():
            nightly = told[key].mean(axis=0)
            color, line = STYLES[name]
            axes.plot(range(1, len(nightly) + 1), nightly, color=color, linestyle=line, label=name)
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.set_ylabel(key)
    panels[0].set_title("A made-up shop, by its truth", loc="left")
    panels[0].legend(frameon=False, ncols=2)
    panels[1].set_xlabel("night")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=list(ARMS))
    asked = parser.parse_args()
    arms = run(asked.folder, asked.arm, asked.seed, asked.nights)
    for tell in (arms_table, strangers_table, cost_table):
        tell(arms)
    picture(arms, asked.folder / "simulated.png")


if __name__ == "__main__":
    main()
