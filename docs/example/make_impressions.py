"""Writes a bestseller shelf's impressions with exploration, and a policy to ask about.

    python docs/example/make_impressions.py FOLDER

makes FOLDER/impressions.csv: 20 thousand visitors see a list of three of twelve items, and three slots
of ten explore. FOLDER/policy.csv is the same list with item "mug" always third. Nobody has told the
ranking that the mug is the best of all: it is clicked by 9 % at the third place, where what is ranked
there is clicked by 5 %.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from nightshelf.exploration import Candidates, explore_uniformly, keys, seed_of

ITEMS = ["beans", "filter", "kettle", "grinder", "mug", *(f"tea {n}" for n in range(1, 8))]
CLICKED = np.array([0.10, 0.08, 0.07, 0.03, 0.12, *[0.02] * 7])
AT_POSITION = np.array([1.0, 0.8, 0.75])
VISITORS, K, BUDGET = 20_000, 3, 0.3


def impressions() -> list[tuple]:
    visitors = [f"visitor {n}" for n in range(VISITORS)]
    candidates = Candidates(
        context=np.repeat(np.arange(VISITORS), len(ITEMS)),
        item=np.tile(np.arange(len(ITEMS)), VISITORS),
        score=np.tile(-np.arange(len(ITEMS), dtype=float), VISITORS),
        context_keys=keys(visitors),
        item_keys=keys(ITEMS),
    )
    slots = explore_uniformly(candidates, K, BUDGET, seed_of("2026-05-01", "rec_popular"))
    item = candidates.item[slots.row]
    chance = CLICKED[item] * AT_POSITION[slots.rank - 1]
    clicked = (np.random.default_rng(7).random(len(item)) < chance).astype(int)
    who = candidates.context[slots.row]
    return [
        (visitors[c], ITEMS[i], r, p, y)
        for c, i, r, p, y in zip(who, item, slots.rank, slots.propensity, clicked, strict=True)
    ]


def write(path: Path, header: tuple, rows: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main(folder: Path) -> None:
    columns = ("context_id", "item_id", "position", "propensity", "reward")
    write(folder / "impressions.csv", columns, impressions())
    lists = [("beans", 1, 1.0), ("filter", 2, 1.0), ("mug", 3, 1.0)]
    write(folder / "policy.csv", ("item_id", "position", "probability"), lists)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
