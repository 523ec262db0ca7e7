"""Shops that lack something: each a few hundred lines of one CSV, and perhaps a catalogue."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

NIGHT = date(2015, 4, 1)
EVENT = ("kind", "when", "id", "user", "visitor", "session", "order", "sku", "price")
ITEM = ("sku", "name", "category", "price", "available")
USER = ("user", "county", "newsletter")
CONTRACT = {
    "kind": "event_type", "when": "occurred_at", "id": "event_id", "user": "user_id",
    "visitor": "anonymous_id", "session": "session_id", "order": "order_id", "sku": "item_id",
    "price": "price", "name": "title", "category": "category_path", "available": "in_stock",
    "county": "region", "newsletter": "consent",
}  # fmt: skip


@dataclass(frozen=True)
class SmallShop:
    """What the shop has. `people` names the columns that say who acted."""

    name: str
    people: tuple[str, ...] = ("user",)
    kinds: tuple[str, ...] = ("view", "view", "cart_add", "purchase")
    target: str = "purchase"
    weights: dict[str, float] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    """Columns that neither the log nor the catalogue has."""
    has_catalogue: bool = True
    tells_of_users: bool = False
    """Whether it has a file of its users, with county and newsletter."""
    n_users: int = 30
    n_newcomers: int = 0
    """More users, who come first when the shop has been open for a month."""
    n_items: int = 24
    n_days: int = 60

    def events(self) -> Iterator[dict[str, str]]:
        """Each user visits every third to sixth day, and looks at two or three items of a colour."""
        for user in range(self.n_users + self.n_newcomers):
            for day in self._days(user):
                visit = f"{user} {day}"
                for n in range(2 + user % 2):
                    item = 2 * _dice(user, day, n, sides=(self.n_items + 1) // 2) + user % 2
                    for step, kind in enumerate(self.kinds):
                        yield self._event(
                            kind, user, visit, day, 10 * n + step, item % self.n_items
                        )

    def _days(self, user: int) -> Iterator[date]:
        day = NIGHT - timedelta(days=self.n_days)
        if user >= self.n_users:
            day += timedelta(days=30 + user % 10)
        while day < NIGHT:
            yield day
            day += timedelta(days=3 + _dice(user, day, sides=4))

    def _event(self, kind: str, user: int, visit: str, day: date, minute: int, item: int) -> dict:
        return {
            "kind": kind,
            "when": str(datetime(day.year, day.month, day.day, 9 + user % 9, minute)),
            "id": f"{visit} {minute}",
            "user": f"user {user:02d}",
            "visitor": f"visitor {user:02d}",
            "session": f"session {visit}",
            "order": f"order {visit}",
            "sku": f"item {item:02d}",
            "price": f"{5 + item}.50",
        }

    def items(self) -> Iterator[dict[str, str]]:
        for n in range(self.n_items):
            yield {
                "sku": f"item {n:02d}",
                "name": f"Title {n}",
                "category": f"Shelf {n % 2} > Box {n % 4}",
                "price": f"{5 + n}.50",
                "available": "no" if n and n == self.n_items - 1 else "yes",
            }

    def users(self) -> Iterator[dict[str, str]]:
        """Of ten users five are of the north, four of the south; of four one says no, and one nothing."""
        for n in range(self.n_users + self.n_newcomers):
            yield {
                "user": f"user {n:02d}",
                "county": ("north", "south", "west")[(n % 10 > 4) + (n % 10 > 8)],
                "newsletter": ("no", "", "yes", "yes")[n % 4],
            }

    def columns(self, all_of: tuple[str, ...]) -> list[str]:
        nobody = {"user", "visitor", "session"} - {*self.people}
        return [c for c in all_of if c not in nobody | {*self.lacks}]

    def write(self, folder: Path) -> Path:
        """The shop's TOML and its landing files; returns the TOML's path."""
        _write_csv(folder / "landing" / "log.csv", self.columns(EVENT), self.events())
        if self.has_catalogue:
            _write_csv(folder / "landing" / "items.csv", self.columns(ITEM), self.items())
        if self.tells_of_users:
            _write_csv(folder / "landing" / "users.csv", list(USER), self.users())
        path = folder / f"{self.name}.toml"
        path.write_text(self._toml(), encoding="utf-8")
        return path

    def _toml(self) -> str:
        sources = [_source("log", "events", self.columns(EVENT))]
        if self.has_catalogue:
            sources.append(_source("items", "items", self.columns(ITEM)))
        if self.tells_of_users:
            sources.append(_source("users", "users", list(USER)))
        weights = ", ".join(f"{kind} = {weight}" for kind, weight in self.weights.items())
        return "\n".join(
            [
                f'name = "{self.name}"\ntime_zone = "UTC"\ncurrency = "EUR"\nlanding = "landing"',
                *sources,
                f'[events]\ntarget = "{self.target}"',
                f"weights = {{ {weights} }}" if weights else "",
            ]
        )


def _source(name: str, kind: str, columns: list[str]) -> str:
    mapped = "\n".join(f'{CONTRACT[c]} = "{c}"' for c in columns)
    return (
        f'[[sources]]\nname = "{name}"\nadapter = "column_map"\nkind = "{kind}"\n'
        f'path = "{name}.csv"\n[sources.columns]\n{mapped}\n'
    )


def _write_csv(path: Path, columns: list[str], rows: Iterator[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _dice(*of: object, sides: int) -> int:
    """0 to sides - 1, the same on every machine."""
    return int(sha256(repr(of).encode()).hexdigest()[:8], 16) % sides


@dataclass(frozen=True)
class Staples(SmallShop):
    """Enough baskets to learn from, of which none says anything: each holds three items by chance."""

    n_baskets: int = 1_100

    def events(self) -> Iterator[dict[str, str]]:
        for n in range(self.n_baskets):
            day = NIGHT - timedelta(days=1 + n % self.n_days)
            for line in range(3):
                item = _dice(n, line, sides=self.n_items)
                yield self._event("purchase", _dice(n, sides=self.n_users), f"{n}", day, line, item)


ONLY_PURCHASES = SmallShop("only_purchases", kinds=("purchase",))
ONLY_VISITORS = SmallShop("only_visitors", people=("visitor",), kinds=("view",), target="view")
ONLY_SESSIONS = SmallShop(
    "only_sessions", people=("session",), kinds=("view", "cart_add"), target="cart_add",
    weights={"view": 1.0, "cart_add": 3.0}, lacks=("order",),
)  # fmt: skip
NO_CATALOGUE = SmallShop("no_catalogue", has_catalogue=False)
NO_PRICES = SmallShop("no_prices", lacks=("price",), tells_of_users=True, n_newcomers=60)
NO_EVENT_IDS = SmallShop("no_event_ids", lacks=("id",))
FIVE_ITEMS = SmallShop("five_items", n_users=3, n_items=5)
ONE_DAY = SmallShop("one_day", n_days=1)
ONE_ITEM = SmallShop("one_item", n_items=1)
STAPLES = Staples("staples", kinds=("purchase",), n_users=60, n_items=12)

SMALL_SHOPS = (
    ONLY_PURCHASES, ONLY_VISITORS, ONLY_SESSIONS, NO_CATALOGUE, NO_PRICES, NO_EVENT_IDS, FIVE_ITEMS,
    ONE_DAY, ONE_ITEM, STAPLES,
)  # fmt: skip
