"""A small shop's log with every trap, and what is true of it.

60 users buy from 40 items over 90 days: each has five favourites of the own colour (even users take
even items) and a rhythm of the own. Times are written without an offset, as London clocks showed
them; the night is the third after the clocks went forward, so its midnight is 23:00 UTC.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

NIGHT = date(2015, 4, 1)
FIRST = NIGHT - timedelta(days=90)
N_USERS, N_ITEMS = 60, 40
OUT_OF_STOCK = "item 04"
REFUNDED = ("user 01", "item 38")
"""Bought once and wholly taken back before the night: new to the user again."""
REFUNDED_LATE = ("user 03", "item 38")
"""Bought once and taken back on the night's date: as of the night it stands."""
AT_MIDNIGHT = ("user 05", "item 38")
"""Bought at 23:59:59 on the eve."""
AFTER_MIDNIGHT = ("user 07", "item 38")
"""Bought at 00:00:00 of the night's date: not known to the night."""
JOINED = ("user 13", "phone", "item 38")
"""Bought without a name on a device, on which the user logged in ten days later: the user's."""
JOINED_LATE = ("user 15", "tablet", "item 38")
"""As before, with the login on the night's date: as of the night it is the device's."""
SHARED = ("user 17", "user 19", "kiosk", "item 38")
"""Bought without a name in a session in which two users logged in: the device's."""
CRAWLER = "crawler"
STAFF = "staff"
RENAMED = ("item 03", "Tea, new label")
HOSTILE = (
    "line\nbreak", "\x1b[31mred\x07", "\"quoted\" o'hara, esq.", "{{ 7 * 7 }}{% raw %}",
    "../../etc/passwd", "🧀 e\u0301", "x" * 10_000, "'; drop table users; --", "50%_$HOME\\n[b]",
)  # fmt: skip

SHOP = r"""
name = "trap"
title = "The shop with every trap"
time_zone = "Europe/London"
currency = "GBP"
landing = "landing"

[[sources]]
name = "orders"
adapter = "column_map"
path = "orders/*.csv"
event_types = { sale = "purchase", return = "refund", look = "view" }

[sources.columns]
event_type = "kind"
occurred_at = "when"
user_id = "customer"
anonymous_id = "device"
session_id = "order"
order_id = "order"
item_id = "sku"
quantity = "pieces"
price = "price"
traffic = "made_by"

[[sources]]
name = "catalogue"
adapter = "column_map"
kind = "items"
path = "catalogue/*.csv"

[sources.columns]
item_id = "sku"
title = "name"
category_path = "category"
price = "price"
in_stock = "available"
updated_at = "changed"

[cleaning]
product_id_pattern = '(?s)item .*'
max_quantity = 1000
max_price = 500.0
internal_ids = ["staff"]
max_views_per_minute = 20
"""

COLUMNS = ("kind", "when", "customer", "order", "sku", "pieces", "price", "device", "made_by")
CATALOGUE = ("sku", "name", "category", "price", "available", "changed")


@dataclass
class Log:
    """The lines by file, how many of them must end where, and who has bought what by the night."""

    files: dict[str, list[tuple]] = field(default_factory=dict)
    ends: Counter = field(default_factory=Counter)
    bought: set[tuple[str, str]] = field(default_factory=set)

    def add(
        self, end: str, kind: str, when, user: str, item: str, pieces=1, price: str = "", to="",
        device: str = "", made_by: str = "", holder: str = "",
    ) -> None:  # fmt: skip
        """`end` names the report's column, or the quarantine's reason, that must count the line;
        `holder` is whose the night must take it for, where the line does not say."""
        if end == "n_kept":
            (self.bought.add if kind == "sale" else self.bought.remove)((holder or user, item))
        who = device or user
        order = f"{who} {str(when)[:10]}" if who else f"till {when}"
        name = to or f"{str(when)[:10]}.csv"
        line = (
            kind,
            str(when),
            user,
            order,
            item,
            str(pieces),
            price or price_of(item),
            device,
            made_by,
        )
        self.files.setdefault(name, []).append(line)
        self.ends[end] += 1


def user_id(number: int) -> str:
    return HOSTILE[number - 40] if 40 <= number < 40 + len(HOSTILE) else f"user {number:02d}"


def item_id(number: int) -> str:
    return (
        f"item {HOSTILE[number - 24]}" if 24 <= number < 24 + len(HOSTILE) else f"item {number:02d}"
    )


def price_of(item: str) -> str:
    return f"{1 + _chance(item, 'price') * 20:.2f}"


def _chance(*of: object) -> float:
    """0..1, the same on every machine."""
    return int(sha256(repr(of).encode()).hexdigest()[:8], 16) / 2**32


def _mate(user: int, n: int) -> str:
    """One of the 17 ordinary items of the user's colour; 38 and 39 are kept for the traps."""
    return item_id((2 * n + user % 2) % 38)


def log() -> Log:
    made = Log()
    for user in range(N_USERS):
        _habits(made, user)
    _plant(made)
    return made


def _habits(made: Log, user: int) -> None:
    favourites = [int(_chance(user, n) * 19) for n in range(5)]
    day = FIRST + timedelta(days=user % 5)
    visit = 0
    while day < NIGHT:
        when = datetime(day.year, day.month, day.day, 8 + user % 12, 7)
        bought = {_mate(user, favourites[(visit + n) % 5]) for n in range(2)}
        if _chance(user, day, "curious") < 0.6:
            bought.add(_mate(user, int(_chance(user, day, "which") * 19)))
        for item in sorted(bought):
            made.add("n_kept", "sale", when, user_id(user), item)
        visit += 1
        day += timedelta(days=4 + int(_chance(user, visit, "gap") * 5))


def _plant(made: Log) -> None:
    eve = NIGHT - timedelta(days=1)
    noon = datetime(2015, 2, 10, 12)
    made.add("n_kept", "sale", noon, *REFUNDED)
    made.add("n_kept", "return", noon + timedelta(days=9), *REFUNDED)
    made.add("n_kept", "sale", noon, *REFUNDED_LATE)
    made.add("n_after_night", "return", f"{NIGHT} 09:00:00", *REFUNDED_LATE)
    made.add("n_kept", "sale", f"{eve} 23:59:59", *AT_MIDNIGHT)
    made.add("n_after_night", "sale", f"{NIGHT} 00:00:00", *AFTER_MIDNIGHT)
    _plant_visitors(made, noon)
    for n in range(5):
        kind, when, user, _, item, pieces, price, *_ = made.files["2015-02-01.csv"][n]
        made.add("n_copies", kind, when, user, item, pieces, price, to="2015-02-03.csv")
        made.add("n_not_a_product", "sale", noon, user_id(n), "POST")
        made.add(
            "n_after_night", "sale", f"{NIGHT + timedelta(days=n)} 11:00:00", user_id(n), "item 00"
        )
        made.add("n_without_user", "sale", f"2015-02-1{n} 10:0{n}:00", "", item_id(n))
        # A file that comes late, with events of a day that an earlier file told of.
        made.add(
            "n_kept", "sale", f"2015-01-20 1{n}:00:00", user_id(n), _mate(n, n), to="z-late.csv"
        )
    made.add("n_impossible_quantity", "sale", noon, "user 09", "item 01", -3)
    made.add("n_impossible_quantity", "sale", noon, "user 09", "item 01", 80995)
    made.add("n_impossible_price", "sale", noon, "user 09", "item 01", 1, "-9.90")
    made.add("n_impossible_price", "sale", noon, "user 09", "item 01", 1, "11062.06")
    # British Summer Time begins at 01:00 UTC on 29 March; 01:30 did not exist and is read as 01:30 UTC.
    made.add("n_kept", "sale", "2015-03-29 00:30:00", "user 11", "item 01")
    made.add("n_kept", "sale", "2015-03-29 01:30:00", "user 11", "item 03")
    made.add("bad_time", "sale", "2015-02-30 10:00:00", "user 13", "item 01", to="2015-02-10.csv")
    made.add("missing_item_id", "sale", noon, "user 13", "")
    made.add("unknown_event_type", "gift", noon, "user 13", "item 01")
    made.add("bad_number", "sale", noon, "user 13", "item 01", "many")
    made.add("bad_number", "sale", noon, "user 13", "item 01", 1, "1e400")


def _plant_visitors(made: Log, noon: datetime) -> None:
    """Devices and their logins, a robot, the shop's own people."""
    user, device, item = JOINED
    made.add("n_kept", "sale", noon, "", item, device=device, holder=user)
    made.add("n_no_item", "login", noon + timedelta(days=10), user, "", device=device)
    user, device, item = JOINED_LATE
    made.add("n_kept", "sale", noon, "", item, device=device, holder=device)
    made.add("n_after_night", "login", f"{NIGHT} 09:00:00", user, "", device=device)
    one, other, device, item = SHARED
    made.add("n_no_item", "login", noon, one, "", device=device)
    made.add("n_kept", "sale", noon + timedelta(minutes=1), "", item, device=device, holder=device)
    made.add("n_no_item", "login", noon + timedelta(minutes=2), other, "", device=device)
    for n in range(21):
        when = noon + timedelta(seconds=n)
        made.add("n_robots", "look", when, "", item_id(n), device=CRAWLER)
    made.add("n_robots", "sale", noon, "user 21", "item 38", made_by="bot")
    made.add(
        "n_internal", "sale", f"{noon + timedelta(hours=1)}", "user 21", "item 38", made_by="Test"
    )
    made.add("n_internal", "sale", noon, STAFF, "item 38")


def afterthoughts(made: Log) -> None:
    """Events on and after the night's date, of users and items old and new, logins and robots."""
    for user, device in (("user 23", SHARED[2]), ("user 25", JOINED[1]), ("user 27", "tablet")):
        made.add(
            "n_after_night", "login", f"{NIGHT} 00:00:00", user, "", to="after.csv", device=device
        )
    for n in range(30):
        when = datetime(NIGHT.year, NIGHT.month, NIGHT.day) + timedelta(seconds=n)
        made.add("n_after_night", "look", when, user_id(n % 2), "item 00", to="after.csv")
    for n in range(200):
        when = datetime(NIGHT.year, NIGHT.month, NIGHT.day) + timedelta(hours=n)
        made.add(
            "n_after_night",
            "sale",
            when,
            f"user {n % 70:02d}",
            f"item {n % 45:02d}",
            to="after.csv",
        )
        if n % 9 == 0:
            made.add(
                "n_after_night", "return", when, user_id(n % 60), item_id(n % 38), to="after.csv"
            )


def catalogue() -> list[tuple]:
    items = [item_id(n) for n in range(N_ITEMS)]
    rows = [
        (i, f"Title of {i[:40]}", f"Shelf {n % 3} > Box {n % 5} > Deep", price_of(i),
         "no" if i == OUT_OF_STOCK else "yes", f"{FIRST} 00:00:00")
        for n, i in enumerate(items)
    ]  # fmt: skip
    item, title = RENAMED
    changes = [
        (title, f"{NIGHT - timedelta(days=1)} 18:00:00"),
        ("Tomorrow's", f"{NIGHT} 00:00:00"),
    ]
    return rows + [(item, t, "Shelf 1 > Box 3", "", "", when) for t, when in changes]


def write(folder: Path, made: Log) -> Path:
    """Writes the shop's TOML and its landing files; returns the TOML's path."""
    for name, lines in made.files.items():
        _write_csv(folder / "landing" / "orders" / name, COLUMNS, lines)
    _write_csv(folder / "landing" / "catalogue" / "catalogue.csv", CATALOGUE, catalogue())
    (folder / "trap.toml").write_text(SHOP, encoding="utf-8")
    return folder / "trap.toml"


def _write_csv(path: Path, columns: tuple, lines: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *lines])
