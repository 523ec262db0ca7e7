"""Nights in a closed loop: what a night publishes is shown the next day, and the next night learns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from nightshelf.errors import SettingsError
from nightshelf.paths import Home
from nightshelf.publishing.nights import current
from nightshelf.settings_exploration import Exploration
from nightshelf.simulation.shop import HISTORY_DAYS, SimulatedShop, Size
from nightshelf.simulation.truth import SLOTS, Truth, truth_of
from nightshelf.simulation.visits import COLUMNS, Page, visits

NAME = "simulated"
TOML = """# A made-up shop, from `nightshelf simulate`: none of this is data of a real shop.
name = "{name}"
title = "A made-up shop (seed {seed})"
time_zone = "UTC"
currency = "EUR"
landing = "landing"

[[sources]]
name = "log"
adapter = "column_map"
path = "log/*.csv"
columns = {{ event_id = "event_id", event_type = "kind", occurred_at = "at", user_id = "user", item_id = "item", list_id = "list", position = "place", price = "price" }}

[[sources]]
name = "items"
adapter = "column_map"
kind = "items"
path = "items/*.csv"
columns = {{ item_id = "item", title = "title", category_path = "category", price = "price", updated_at = "since" }}

[events]
weights = {{ purchase = 1.0, click = 0.2, view = 0.2 }}

[keep]
attempts = 2

[exploration]
policy = "{policy}"
budget = {{ for_you = {budget} }}
"""


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


def simulate(root: Path, size: Size, seed: int, exploration: Exploration) -> Iterator[Truth]:
    """Makes the shop in a new folder, and yields each night's truth, which truth.csv has, too. Half a
    minute to a minute a night on two cores. Raises SettingsError where the folder holds something."""
    from nightshelf.steps import whole_night

    folder = Folder(root)
    if root.exists() and any(root.iterdir()):
        raise SettingsError(f"{root} is not empty.", "Name a new folder for the made-up shop.")
    shop = SimulatedShop.of(size, seed)
    found_shop(folder, shop, exploration)
    told: list[Truth] = []
    for day in range(HISTORY_DAYS, HISTORY_DAYS + size.nights):
        whole_night(folder.home, folder.shop_file, shop.date(day))
        lists, explores = published_lists(folder, shop)
        told.append(truth_of(shop, day, lists, explores))
        _write(folder.truth, [f.name for f in fields(Truth)], (asdict(t).values() for t in told))
        yield told[-1]
        land(folder, shop, day, Page(lists, f"for_you@{shop.date(day)}"))


def found_shop(folder: Folder, shop: SimulatedShop, exploration: Exploration) -> None:
    """The shop file, and the log of the days before the first night, when the page showed everybody what
    had sold best: a log without impressions would make the first real ones look like a fault."""
    folder.root.mkdir(parents=True, exist_ok=True)
    text = TOML.format(
        name=NAME, seed=shop.seed, policy=exploration.policy, budget=exploration.budget.for_you
    )
    folder.shop_file.write_text(text, encoding="utf-8")
    codes = {item: code for code, item in enumerate(shop.items)}
    sold = np.zeros(len(codes))
    for day in range(HISTORY_DAYS):
        best = np.argsort(-sold, kind="stable")[:SLOTS]
        page = Page(np.broadcast_to(best, (len(shop.users), SLOTS)), "front page")
        for line in land(folder, shop, day, page):
            sold[codes[line[4]]] += line[1] == "purchase"


def land(folder: Folder, shop: SimulatedShop, day: int, page: Page) -> list[tuple[str, ...]]:
    """Writes the day's log, and the catalogue's lines of what arrives on it."""
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
    return lines


def published_lists(folder: Folder, shop: SimulatedShop) -> tuple[np.ndarray, np.ndarray]:
    """(n_users, SLOTS) item codes of `rec_for_you` that readers see, -1 for nothing, and which explore."""
    rows = pq.read_table(
        current(folder.home.shop(NAME)).path / "rec_for_you.parquet",
        columns=["context_id", "rank", "item_id", "is_exploration"],
    ).to_pylist()
    users, items = ({name: n for n, name in enumerate(of)} for of in (shop.users, shop.items))
    lists = np.full((len(users), SLOTS), -1)
    explores = np.zeros(lists.shape, dtype=bool)
    for row in rows:
        if row["rank"] <= SLOTS:
            at = users[row["context_id"]], row["rank"] - 1
            lists[at], explores[at] = items[row["item_id"]], row["is_exploration"]
    return lists, explores


def _write(path: Path, header: Sequence[str], rows: Iterable[Iterable]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
