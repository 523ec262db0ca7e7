"""`nightshelf simulate`: a made-up shop's nights, and what they were worth by the truth."""

from __future__ import annotations

import tomllib
from pathlib import Path

from rich.table import Table

from nightshelf.errors import SettingsError
from nightshelf.progress import console
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.simulation.loop import simulate
from nightshelf.simulation.pictures import save_picture
from nightshelf.simulation.shop import Size
from nightshelf.simulation.truth import Truth
from nightshelf.terminal import titled_table

__all__ = ["Size", "run"]


def run(
    folder: Path, size: Size, seed: int, budget: float, policy: str, rules: Path | None
) -> None:
    """Prints a table, and leaves truth.csv and truth.png beside the shop."""
    if policy not in ("even", "thompson"):
        raise SettingsError(f"'{policy}' is no policy.", "Name even or thompson.")
    exploration = Exploration(budget=Budget(for_you=budget), policy=policy)
    told = list(simulate(folder, size, seed, exploration, _text(rules) if rules else ""))
    console.print(_table(told, seed))
    picture = folder / "truth.png"
    save_picture(told, picture)
    console.print(
        f"A made-up shop: none of this is data of a real one. Figures: {folder / 'truth.csv'};"
        f" picture: {picture}",
        markup=False,
    )


def _text(rules: Path) -> str:
    """Told by its own name and line: the shop file that it becomes a part of is gone when this fails."""
    try:
        text = rules.read_text(encoding="utf-8")
        tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{rules} cannot be read: {error}.", "Pass --rules with a TOML file that has [rules]."
        ) from None
    return text


def _table(told: list[Truth], seed: int) -> Table:
    table = titled_table(f"A made-up shop (seed {seed}): expected clicks a visit, by the truth")
    table.add_column("night")
    for name in (
        "shelf", "ranked", "the crowd's", "best", "cold start", "bestsellers",
        "regret", "rules expected", "coverage", "new", "exploring",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for t in told:
        values = (t.value, t.ranked, t.crowd, t.best, t.cold_start, t.bestsellers)
        shares = (t.regret, t.rules_expected, t.coverage, t.new_share, t.exploring_share)
        table.add_row(t.night, *(f"{v:.3f}" for v in values), *(f"{v:.1%}" for v in shares))
    return table
