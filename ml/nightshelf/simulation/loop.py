"""Nights in a closed loop: what a night publishes is shown the next day, and the next night learns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from nightshelf.errors import SettingsError
from nightshelf.paths import Home
from nightshelf.settings.exploration import Exploration
from nightshelf.simulation.published import page_of, shown_by
from nightshelf.simulation.shop import HISTORY_DAYS, SimulatedShop, Size
from nightshelf.simulation.shop_file import NAME, write_shop_file
from nightshelf.simulation.truth import SLOTS, Truth, truth_of
from nightshelf.simulation.visits import COLUMNS, Page, visits


@dataclass(frozen=True)
class Folder:
    """Where one made-up shop lives: its file, its landing files, its home and its truth."""

    root: Path

    @property
    def shop_file(self) -> Path:
        return self.root / f"{NAME}.toml"

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def truth(self) -> Path:
        return self.root / "truth.csv"


def simulate(
    root: Path, size: Size, seed: int, exploration: Exploration, rules: str = ""
) -> Iterator[Truth]:
    """Makes the shop in a new folder, and yields each night's truth, which truth.csv has, too. Half a
    minute to a minute a night on two cores. `rules` is TOML: a table [rules] for the shop file. Raises
    SettingsError where the folder holds something, or the rules cannot be used."""
    from nightshelf.steps import whole_night

    folder = Folder(root)
    if root.exists() and any(root.iterdir()):
        raise SettingsError(f"{root} is not empty.", "Name a new folder for the made-up shop.")
    folder.root.mkdir(parents=True, exist_ok=True)
    write_shop_file(folder.shop_file, seed, exploration, rules)
    shop = SimulatedShop.of(size, seed)
    sold = found_shop(folder, shop)
    told: list[Truth] = []
    for day in range(HISTORY_DAYS, HISTORY_DAYS + size.nights):
        night = whole_night(folder.home, folder.shop_file, shop.date(day))
        shown = shown_by(night.attempt, shop, bestsellers(sold))
        told.append(truth_of(shop, day, shown))
        _write(folder.truth, [f.name for f in fields(Truth)], (asdict(t).values() for t in told))
        yield told[-1]
        sold.append(land(folder, shop, day, page_of(shown, shop.date(day).isoformat())))


def found_shop(folder: Folder, shop: SimulatedShop) -> list[np.ndarray]:
    """Lands the days before the first night, when the page showed everybody what had sold best: a log
    without impressions would make the first real ones look like a fault. Returns what `land` does."""
    sold = [np.zeros(len(shop.items), dtype=int)]
    for day in range(HISTORY_DAYS):
        lists = np.broadcast_to(bestsellers(sold), (len(shop.users), SLOTS))
        sold.append(land(folder, shop, day, Page(lists, ["front page"] * len(lists))))
    return sold


def bestsellers(sold: Sequence[np.ndarray]) -> np.ndarray:
    """(SLOTS,) codes of what was bought most on the last four weeks of days of (n_items,) pieces."""
    return np.argsort(-np.sum(sold[-28:], axis=0), kind="stable")[:SLOTS]


def land(folder: Folder, shop: SimulatedShop, day: int, page: Page) -> np.ndarray:
    """Writes the day's log, and the catalogue's lines of what arrives on it. Returns (n_items,) the
    pieces bought."""
    lines, name = list(visits(shop, day, page)), f"{shop.date(day)}.csv"
    _write(folder.root / "landing" / "log" / name, COLUMNS, lines)
    new = [
        (
            shop.items[i],
            f"Made-up {shop.items[i]}",
            shop.categories[i],
            f"{5 + i % 20}.00",
            shop.date(day),
        )
        for i in np.flatnonzero(shop.arrives == day)
    ]
    if new:
        header = ("item", "title", "category", "price", "since")
        _write(folder.root / "landing" / "items" / name, header, new)
    bought = Counter(item for _, kind, _, _, item, *_ in lines if kind == "purchase")
    return np.array([bought[item] for item in shop.items])


def _write(path: Path, header: Sequence[str], rows: Iterable[Iterable]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
