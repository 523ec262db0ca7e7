"""A day of the made-up shop's visits, as lines of its log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np

from nightshelf.simulation.shop import SimulatedShop, looks

COLUMNS = ("event_id", "kind", "at", "user", "item", "list", "place", "price")
VISITS_A_DAY = 0.35
"""The chance that a user comes on a day."""
SEARCHES = 3
"""Items that a visitor finds without any list: drawn by what suits them."""
BUYS = 0.5
"""Of what is clicked."""

Line = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Page:
    """What a visitor is shown. `lists` (n_users, slots) item codes, -1 for nothing; `list_id` says
    which shelf it is."""

    lists: np.ndarray
    list_id: str


def visits(shop: SimulatedShop, day: int, page: Page) -> Iterator[Line]:
    """The day's lines in order of time within each visitor. Two shops of one seed have the same
    visitors and searches whatever their pages show."""
    takes = shop.takes(day)
    for user in np.flatnonzero(shop.dice(day).random(len(shop.users)) < VISITS_A_DAY):
        dice = np.random.default_rng([shop.seed, 2, day, user])
        found = dice.choice(len(shop.items), SEARCHES, p=takes[user] / takes[user].sum())
        yield from _told(
            shop, day, user, [*_searched(found, dice), *_shown(page, user, takes, dice)]
        )


Step = tuple[str, int, int | None, str]
"""(kind, item code, place on the page, list_id)."""


def _searched(found: np.ndarray, dice: np.random.Generator) -> Iterator[Step]:
    for item in found:
        yield "view", item, None, ""
        if dice.random() < BUYS:
            yield "purchase", item, None, ""


def _shown(page: Page, user: int, takes: np.ndarray, dice: np.random.Generator) -> Iterator[Step]:
    slots = page.lists[user]
    stops = dice.random()
    # A draw for every slot, looked at or not, so that another list keeps the dice of its ranks.
    click, buy = dice.random((2, len(slots)))
    for place, (item, chance) in enumerate(zip(slots, looks(len(slots)), strict=True)):
        if item < 0 or stops >= chance:
            continue
        yield "impression", item, place + 1, page.list_id
        if click[place] < takes[user, item]:
            yield "click", item, place + 1, page.list_id
            if buy[place] < BUYS:
                yield "purchase", item, None, ""


def _told(shop: SimulatedShop, day: int, user: int, steps: list[Step]) -> Iterator[Line]:
    begins = datetime.combine(shop.date(day), time(8 + user % 12, user % 60))
    for n, (kind, item, place, list_id) in enumerate(steps):
        yield (
            f"{day}-{user}-{n}",
            kind,
            (begins + timedelta(seconds=20 * n)).isoformat(),
            shop.users[user],
            shop.items[item],
            list_id,
            "" if place is None else str(place),
            "" if kind != "purchase" else f"{5 + item % 20}.00",
        )
