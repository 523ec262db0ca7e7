"""What can be done to a log from a date on: nothing of it may be known as of that date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from tests.support.busy_shop import (
    N_CATALOGUED,
    N_ITEMS,
    N_PEOPLE,
    STAFF,
    Line,
    Log,
    at,
    dice,
    item,
    person,
)


def removed(log: Log, cut: date) -> Log:
    """The log ends at the cut."""
    return Log(
        {name: [x for x in lines if not _since(x, cut)] for name, lines in log.files.items()}
    )


def changed(log: Log, cut: date) -> Log:
    """Every line since the cut says something else, of somebody else, some hours later."""
    return Log(
        {
            name: [_otherwise(name, x) if _since(x, cut) else x for x in lines]
            for name, lines in log.files.items()
        }
    )


def added(log: Log, cut: date, kinds: tuple[str, ...] | None = None) -> Log:
    """New lines of the `kinds` (all of them) since the cut, the first at its midnight."""
    made = Log({name: list(lines) for name, lines in log.files.items()})
    known = removed(log, cut)
    for kind in kinds or ADDED:
        ADDED[kind](made, known, cut)
    return made


def _since(line: Line, cut: date) -> bool:
    return line["when"] >= str(at(cut, 0))


def _otherwise(file: str, line: Line) -> Line:
    other = {column: _other(column, value, line) for column, value in line.items()}
    day, hour = line["when"][:10], int(line["when"][11:13])
    return other | {"when": f"{day} {min(hour + 5, 23):02d}{line['when'][13:]}"}


KINDS = ("view", "cart_add", "purchase", "refund", "impression", "click")


def _other(column: str, value: str, line: Line) -> str:
    """Another value of the same kind; what was left out is said now, where it can be."""
    match column:
        case "kind":
            return KINDS[(KINDS.index(value) + 1) % len(KINDS)] if value in KINDS else value
        case "user" | "CustomerID":
            return person(dice(value, line["when"], sides=N_PEOPLE))
        case "device":
            return f"D{dice(value, line['when'], sides=N_PEOPLE):02d}" if value else ""
        case "sku" | "StockCode":
            return item(dice(value, line["when"], "other", sides=N_ITEMS))
        case "pieces" | "Quantity":
            return str(int(value or 1) + (3 if not value.startswith("-") else -3))
        case "price" | "UnitPrice":
            return f"{float(value or 1) * 7 + 1:.2f}"
        case "name" | "Description" | "brand":
            return f"Other {value}"
        case "shelf":
            return f"Elsewhere > {value or 'Box'}"
        case "parent":
            return "R0" if value == "R1" else "R1" if value == "R0" else "P99"
        case "place":
            return str(int(value) + 3) if value else ""
        case "available":
            return "no" if value != "no" else "yes"
        case "from":
            return "2014-01-01" if not value else ""
        case "until":
            return "2014-02-01" if not value else ""
    return value


def _logins(made: Log, known: Log, cut: date) -> None:
    """On every device that was ever seen somebody logs in at midnight, and another the next day."""
    visits = sorted({(x["device"], x["visit"]) for x in known.files["web"] if x["device"]})
    first, last = dict(reversed(visits)), dict(visits)
    for n, name in enumerate(last):
        for day, user in ((cut, person(n)), (cut + timedelta(days=1), person(n + 1))):
            for visit in dict.fromkeys((first[name], last[name], "")):
                made.web("login", at(day, 0), user=user, device=name, visit=visit)
    evening = str(at(cut, 0) - timedelta(minutes=20))
    for x in [x for x in known.files["web"] if x["when"] >= evening and x["device"]]:
        visit = {"device": x["device"], "visit": x["visit"]}
        made.web("login", at(cut, 0, 2), **visit, user=person(7))


def _refunds(made: Log, known: Log, cut: date) -> None:
    """All that was ever bought comes back, half of it without naming its order."""
    for n, x in enumerate(x for x in known.files["web"] if x["kind"] == "purchase"):
        back = x | {"order": x["order"] if n % 2 else "", "id": f"back {n}"}
        made.files["web"].append(back | {"kind": "refund", "when": str(at(cut, 0, n % 60))})
    for x in known.files["till"]:
        if not x["InvoiceNo"].startswith("C"):
            back = {"InvoiceNo": f"C{x['InvoiceNo']}", "Quantity": f"-{x['Quantity']}"}
            made.files["till"].append(x | back | {"when": str(at(cut, 0))})


def _looks(made: Log, known: Log, cut: date) -> None:
    """Every device looks faster than anybody can."""
    for name in sorted({x["device"] for x in known.files["web"]} - {""}):
        for second in range(30):
            made.web("view", at(cut, 0, 0, second), item(second), device=name, visit="burst")


def _impressions(made: Log, known: Log, cut: date) -> None:
    """Everybody is shown 20 items, each on top or in the last place, and clicks on half of them."""
    for n in range(N_PEOPLE):
        for other in range(20):
            here = {"user": person(n), "list": "for_you", "place": 1 if other % 2 else 99}
            made.web("impression", at(cut, 0, other), item(n + other), **here)
            if other % 2:
                made.web("click", at(cut, 1, other), item(n + other), **here)


def _purchases(made: Log, known: Log, cut: date) -> None:
    """Old and new people buy old and new items; the shop's own use everybody's devices."""
    for n in range(300):
        user = person(n) if n % 5 else f"New {n}"
        sku = item(7 * n) if n % 7 else f"I{40 + n % 50}"
        day = cut + timedelta(days=n // 30)
        made.web("purchase", at(day, n % 24), sku, user=user, pieces=1 + n % 4, price="99.00")
        made.web("cart_add", at(day, n % 24), sku, device=f"D{n % N_PEOPLE:02d}")
        made.web("login", at(day, n % 24), user=STAFF, device=f"D{n % N_PEOPLE:02d}")


def _copies(made: Log, known: Log, cut: date) -> None:
    """Ids of the last days come again with other content: the evening's on the same day in UTC."""
    since = str(at(cut - timedelta(days=3), 0))
    for x in [x for x in known.files["web"] if x["when"] >= since]:
        made.files["web"].append(_otherwise("web", x) | {"id": x["id"], "when": str(at(cut, 0))})


def _versions(made: Log, known: Log, cut: date) -> None:
    """The catalogue says something else of every item, those that it never knew too."""
    for n in range(N_ITEMS + 10):
        made.add(
            "items", at(cut, 0), sku=f"I{n:02d}", parent="P77", name=f"News {n % 4}", shelf=f"C{(n + 3) % 6}",
            brand=f"Newly {n % 3}", price=f"{500 + n}", available="no" if n % 2 else "yes",
            **{"from": "2014-01-01", "until": "2016-01-01" if n % 3 else "2014-06-01"},
        )  # fmt: skip


def _claims(made: Log, known: Log, cut: date) -> None:
    """Order lines call the items by another name, more often than all before them."""
    for n in range(N_CATALOGUED - 6, N_ITEMS):
        for line in range(60):
            made.till(at(cut, line % 24), f"9{n}{line}", person(line), item(n), 1, f"Claim {n}")


def _branches(made: Log, known: Log, cut: date) -> None:
    """The tree gets another root, and every category another name."""
    made.add("tree", at(cut, 0), id="R9", name="The new hall")
    for name in [*(f"C{n}" for n in range(6)), "R0", "R1"]:
        made.add("tree", at(cut, 0), id=name, parent="R9", name=f"New {name}")


ADDED: dict[str, Callable[[Log, Log, date], None]] = {
    "logins": _logins,
    "refunds": _refunds,
    "looks": _looks,
    "impressions": _impressions,
    "purchases": _purchases,
    "copies": _copies,
    "versions": _versions,
    "claims": _claims,
    "branches": _branches,
}
"""Kind of line → what adds such lines to a log, given what was known at the cut."""

TAMPERINGS: dict[str, Callable[[Log, date], Log]] = {
    "removed": removed,
    "changed": changed,
    "added": added,
}
