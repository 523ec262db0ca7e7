"""A day of the made-up shop's visits, as lines of its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np

from nightshelf.simulation.shop import SimulatedShop, looks

COLUMNS = ("event_id", "kind", "at", "user", "item", "list", "place", "price")
VISITS_A_DAY = 0.35
"""The chance that a user comes on a day."""
SEARCHES = 3
"""Items that a visitor finds without any list: drawn by what suits them."""
CARTS, KEEPS = 0.7, 0.7
"""Of what is looked into, what is laid into the cart; of that, what is bought: about half of the whole.
The rest of the cart is abandoned."""

Line = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Page:
    """What a visitor is shown. `lists` (n_users, slots) item codes, -1 for nothing; `list_ids` (n_users,)
    say which shelf it is."""

    lists: np.ndarray
    list_ids: Sequence[str]


def visits(shop: SimulatedShop, day: int, page: Page) -> Iterator[Line]:
    """The day's lines in order of time within each visitor. Two shops of one seed have the same
    visitors and searches whatever their pages show."""
    takes = shop.takes(day)
    comes = shop.dice(day).random(len(shop.users)) < VISITS_A_DAY
    for user in np.flatnonzero(comes & (shop.joins <= day)):
        dice = np.random.default_rng([shop.seed, 2, day, user])
        found = dice.choice(len(shop.items), SEARCHES, p=takes[user] / takes[user].sum())
        steps = [*_searched(found, dice), *_shown(page, user, takes, dice)]
        # What is kept is bought at the end; sorting leaves all else as it was.
        yield from _told(shop, day, user, sorted(steps, key=lambda step: step[0] == "purchase"))


Step = tuple[str, int, int | None, str]
"""(kind, item code, place on the page, list_id)."""


def _searched(found: np.ndarray, dice: np.random.Generator) -> Iterator[Step]:
    for item, cart, keep in zip(found, *dice.random((2, len(found))), strict=True):
        yield "view", item, None, ""
        yield from _taken(item, cart, keep)


def _shown(page: Page, user: int, takes: np.ndarray, dice: np.random.Generator) -> Iterator[Step]:
    slots, list_id = page.lists[user], page.list_ids[user]
    stops = dice.random()
    # A draw for every slot, looked at or not, so that another list keeps the dice of its ranks.
    click, cart, keep = dice.random((3, len(slots)))
    for place, (item, chance) in enumerate(zip(slots, looks(len(slots)), strict=True)):
        if item < 0 or stops >= chance:
            continue
        yield "impression", item, place + 1, list_id
        if click[place] < takes[user, item]:
            yield "click", item, place + 1, list_id
            yield from _taken(item, cart[place], keep[place])


def _taken(item: int, cart: float, keep: float) -> Iterator[Step]:
    if cart < CARTS:
        yield "cart_add", item, None, ""
        if keep < KEEPS:
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
