"""A shop in which everything happens, before the night, at each of its cuts, and after it.

36 people are shown lists, look, put into carts, buy at the web shop or the till, give back, use devices with and
without a name, log in late or as two; a crawler, bursts of looks, the shop's own people, postage.
The catalogue and its tree change every few days, and order lines claim titles of their own. Clocks
are New York's: the shop's midnight is four or five in UTC.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

NIGHT = date(2015, 4, 1)
FIRST = NIGHT - timedelta(days=84)
LAST = NIGHT + timedelta(days=7)
N_PEOPLE, N_ITEMS, N_CATALOGUED = 36, 36, 30
CRAWLER, STAFF = "CRAWLER", "STAFF"

SHOP = r"""
name = "busy"
time_zone = "America/New_York"
currency = "USD"
landing = "landing"

[[sources]]
name = "web"
adapter = "column_map"
path = "web.csv"

[sources.columns]
event_type = "kind"
occurred_at = "when"
event_id = "id"
user_id = "user"
anonymous_id = "device"
session_id = "visit"
order_id = "order"
item_id = "sku"
quantity = "pieces"
price = "price"
traffic = "made_by"
list_id = "list"
position = "place"

[[sources]]
name = "till"
adapter = "online_retail"
path = "till.csv"

[[sources]]
name = "till_titles"
adapter = "online_retail_items"
path = "till.csv"

[[sources]]
name = "items"
adapter = "column_map"
kind = "items"
path = "items.csv"

[sources.columns]
item_id = "sku"
parent_id = "parent"
title = "name"
category_path = "shelf"
brand = "brand"
price = "price"
in_stock = "available"
available_from = "from"
available_until = "until"
updated_at = "when"

[[sources]]
name = "tree"
adapter = "column_map"
kind = "categories"
path = "tree.csv"

[sources.columns]
category_id = "id"
parent_id = "parent"
title = "name"
updated_at = "when"

[events]
target = "purchase"
weights = { view = 1.0, cart_add = 2.0, purchase = 4.0 }

[cleaning]
product_id_pattern = 'I\d\d'
max_quantity = 100
internal_ids = ["STAFF"]
max_views_per_minute = 20
max_views_per_day = 60
"""

COLUMNS = {
    "web": ("kind", "when", "id", "user", "device", "visit", "order", "sku", "pieces", "price", "made_by", "list", "place"),
    "till": ("InvoiceNo", "StockCode", "Description", "Quantity", "when", "UnitPrice", "CustomerID"),
    "items": ("sku", "parent", "name", "shelf", "brand", "price", "available", "from", "until", "when"),
    "tree": ("id", "parent", "name", "when"),
}  # fmt: skip
HEADER = {"till": {"when": "InvoiceDate"}}
"""What a file calls its columns, where not as we do."""

Line = dict[str, str]


@dataclass
class Log:
    """Each landing file's lines. A line's `when` is the shop's clock; without one it is always true."""

    files: dict[str, list[Line]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def add(self, file: str, when: datetime | str, **values: object) -> None:
        line = dict.fromkeys(COLUMNS[file], "") | {k: str(v) for k, v in values.items()}
        self.files[file].append(line | {"when": str(when)})

    def web(self, kind: str, when: datetime, sku: str = "", **values: object) -> None:
        """An id of its own, unless it is given one."""
        named = {"id": f"e{len(self.files['web'])}"} | values
        if kind in ("purchase", "refund"):
            named = {"pieces": 1, "price": price_of(sku)} | named
        self.add("web", when, kind=kind, sku=sku, **named)

    def till(self, when: datetime, order: str, user: str, sku: str, pieces: int, said: str) -> None:
        self.add(
            "till", when, InvoiceNo=order, StockCode=sku, Description=said, Quantity=pieces,
            UnitPrice=price_of(sku), CustomerID=user,
        )  # fmt: skip

    def write(self, folder: Path) -> Path:
        """Writes the shop's TOML and its landing files; returns the TOML's path."""
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        for name, lines in self.files.items():
            titles = HEADER.get(name, {})
            path = folder / "landing" / f"{name}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([titles.get(c, c) for c in COLUMNS[name]])
                writer.writerows([line[c] for c in COLUMNS[name]] for line in lines)
        (folder / "busy.toml").write_text(SHOP, encoding="utf-8")
        return folder / "busy.toml"


def dice(*of: object, sides: int) -> int:
    """0 to sides - 1, the same on every machine."""
    return int(sha256(repr(of).encode()).hexdigest()[:8], 16) % sides


def item(n: int) -> str:
    return f"I{n % N_ITEMS:02d}"


def person(n: int) -> str:
    return f"U{n % N_PEOPLE:02d}"


def device(n: int) -> str:
    """Of the first eight people each two share one; the last six never say who they are."""
    return f"D{n // 2 if n < 8 else n:02d}"


def price_of(sku: str) -> str:
    return f"{3 + dice(sku, 'price', sides=2000) / 100:.2f}"


def days(first: date, end: date, step: int = 1) -> Iterator[date]:
    while first < end:
        yield first
        first += timedelta(days=step)


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second)


def log() -> Log:
    made = Log()
    for who in range(N_PEOPLE):
        _habits(made, who)
    _over_midnight(made)
    _robots_and_staff(made)
    _catalogue(made)
    _arrivals(made)
    _tree(made)
    return made


def _habits(made: Log, who: int) -> None:
    """A visit every two to five days, now here, now there."""
    day = FIRST + timedelta(days=who % 4)
    while day < LAST:
        begin = at(day, 8 + dice(who, day, "hour", sides=15), dice(who, day, "minute", sides=60))
        if who < 30 and dice(who, day, "how", sides=3) == 0:
            _at_the_till(made, who, begin)
        else:
            _on_the_web(made, who, begin)
        day += timedelta(days=2 + dice(who, day, "gap", sides=4))


def _at_the_till(made: Log, who: int, when: datetime) -> None:
    for n in range(1 + dice(who, when, sides=3)):
        sku, order = _wanted(who, when, n), f"{when:%m%d%H%M}{who:02d}"
        said = f"Tea {sku}" if dice(sku, when, "slip", sides=3) else f"Tee {sku}"
        made.till(when, order, person(who), sku, 1 + n, said)
        if dice(who, when, n, "back", sides=5) == 0:
            back = when + timedelta(days=1 + dice(order, sides=30))
            made.till(back, f"C{order}", person(who), sku, -1 - n, said)


def _on_the_web(made: Log, who: int, when: datetime) -> None:
    """Named from the beginning, from a login at the end on, or not at all."""
    visit = f"V{who:02d} {when:%m%d}"
    how = 2 if who >= 30 else dice(who, when, "named", sides=3)
    here = {"device": device(who), "visit": visit if dice(visit, sides=4) else ""}
    named = here | {"user": person(who)}
    _shown(made, who, when, named if how == 0 else here)
    for n in range(3):
        sku, moment = _wanted(who, when, n), when + timedelta(minutes=9 * n)
        _look_and_buy(made, named if how == 0 else here, sku, moment)
    if how == 1:
        made.web("login", when + timedelta(minutes=28), **named)


def _shown(made: Log, who: int, when: datetime, here: Line) -> None:
    """A list of five, some of which the visitor looks at afterwards; one of them is clicked."""
    for place in range(1, 6):
        where = here | {"list": "for_you", "place": place}
        made.web("impression", when - timedelta(seconds=9), _wanted(who, when, place - 1), **where)
        if place == 1 + dice(who, when, "click", sides=5):
            made.web("click", when - timedelta(seconds=3), _wanted(who, when, place - 1), **where)


def _look_and_buy(made: Log, who: Line, sku: str, when: datetime) -> None:
    made.web("view", when, sku, **who)
    if dice(who, sku, when, "cart", sides=2):
        made.web("cart_add", when + timedelta(minutes=2), sku, **who)
    if dice(who, sku, when, "buy", sides=2):
        order = f"O{who['visit']}" if who["visit"] else ""
        pieces = 1 + dice(sku, when, sides=2)
        made.web("purchase", when + timedelta(minutes=4), sku, **who, order=order, pieces=pieces)
        if dice(who, sku, when, "back", sides=5) == 0:
            back = when + timedelta(days=1 + dice(sku, when, "late", sides=30))
            made.web("refund", back, sku, **who, order=order, pieces=pieces)


def _wanted(who: int, when: datetime, n: int) -> str:
    """Mostly of the own colour; every fifth from anywhere."""
    if dice(who, when, n, "any", sides=5) == 0:
        return item(dice(who, when, n, sides=N_ITEMS))
    return item(3 * dice(who, when, n, sides=N_ITEMS // 3) + who % 3)


def _over_midnight(made: Log) -> None:
    """Visits without a name that go on after midnight, and then have one: every night."""
    for day in days(FIRST, LAST):
        n = dice(day, "late", sides=6)
        here = {"device": f"L{n}", "visit": f"late {day}"}
        late = at(day, 23, 50)
        for minutes, kind in ((0, "view"), (3, "cart_add"), (8, "purchase"), (12, "view")):
            made.web(kind, late + timedelta(minutes=minutes), item(n + minutes), **here)
        if dice(day, "login", sides=3):
            user = person(30 + n)
            made.web("login", late + timedelta(minutes=15), **here, user=user)
            made.web("purchase", late + timedelta(minutes=20), item(n), **here, user=user)


def _robots_and_staff(made: Log) -> None:
    for day in days(FIRST, LAST, 3):
        n = dice(day, "burst", sides=20)
        # A crawler, and a device that looks too fast for a minute, and buys all the same; of some of
        # these nobody ever says whose they are.
        for who, sku in ((CRAWLER, item(n)), (device(16 + n), item(2 * n))):
            for second in range(25):
                looked = item(second * n)
                made.web("view", at(day, 7, 30, second), looked, device=who, visit=f"fast {day}")
            if who != CRAWLER:
                made.web("purchase", at(day, 7, 31), sku, device=who, visit=f"fast {day}")
        made.web("purchase", at(day, 12), item(n), user=STAFF, device=device(9 + n))
        made.web("purchase", at(day, 12, 1), item(n), user=person(n), made_by="test")
        made.web("view", at(day, 12, 2), item(n), device=device(n), made_by="bot")
        made.web("purchase", at(day, 12, 3), "POST", user=person(n))
        made.web("purchase", at(day, 12, 4), item(n), user=person(n), pieces=1000)


def _catalogue(made: Log) -> None:
    """Versions of each item, a few days apart; the last of them after the night. Some begin undated,
    some arrive late, the last six of `N_CATALOGUED` have no title but what the till claims, and six
    items are in no catalogue."""
    for n in range(N_CATALOGUED):
        first = FIRST + timedelta(days=12 * (n % 6))
        for version, day in enumerate(days(first, LAST, 7 + n % 6)):
            when = "" if version == 0 and n % 6 == 0 else at(day, dice(n, day, sides=24))
            made.add("items", when, sku=item(n), **_said(n, version, day))


def _arrivals(made: Log) -> None:
    """An item that the shop never had, every week from its fifth on; people take to some of them."""
    for n, day in enumerate(days(FIRST + timedelta(days=30), NIGHT, 7)):
        sku = f"I9{n}"
        made.add(
            "items", at(day, 6), sku=sku, name=f"New {n}", shelf=f"C{n % 6}", price=f"{9 + n}.50"
        )
        for step in range(8):
            who = {
                "device": device(5 * n + step),
                "user": person(5 * n + step),
                "visit": f"new {n}",
            }
            _look_and_buy(made, who, sku, at(day + timedelta(days=2 + 2 * step), 11))


def _said(n: int, version: int, day: date) -> Line:
    """What a version says; now and then it says nothing of an attribute."""
    own = f"P{n // 3}" if n % 2 else ""
    shelf = f"C{(n + version // 2) % 6}" if n % 4 else f"Aisle {version % 2} > Box {n % 3} > Deep"
    return {
        "parent": own if version % 3 else f"P{n // 2}",
        "name": "" if n >= 24 else f"Item {n}" + (f", batch {version // 3}" if version > 2 else ""),
        "shelf": "" if version % 3 == 1 else shelf,
        "brand": "" if version % 2 else f"Brand {(n + version // 4) % 5}",
        "price": f"{5 + n + version / 4:.2f}" if version % 4 else "",
        "available": ("yes", "yes", "", "no")[dice(n, version, sides=4)],
        "from": str(day - timedelta(days=2)) if version % 5 == 0 else "",
        "until": str(day + timedelta(days=20)) if version % 5 == 4 else "",
    }


def _tree(made: Log) -> None:
    """Six categories below two roots, which move from one to the other and change their names."""
    for root in ("R0", "R1"):
        made.add("tree", "", id=root, name=f"Hall {root}")
    for n in range(6):
        made.add(
            "tree", "" if n < 3 else at(FIRST, n), id=f"C{n}", parent=f"R{n % 2}", name=f"Row {n}"
        )
        for version, day in enumerate(days(FIRST + timedelta(days=5 + n), LAST, 13), start=1):
            name = f"Row {n}" + (" anew" if version % 3 == 2 else "")
            made.add("tree", at(day, 3 * n), id=f"C{n}", parent=f"R{(n + version) % 2}", name=name)
