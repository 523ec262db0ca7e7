"""Writes the coffee shop's exports: 90 days of order lines and a catalogue, the same every time.

    python docs/example/make_orders.py FOLDER

makes FOLDER/orders/2026-01.csv and so on, one file a month, and FOLDER/catalogue.csv. Four of the
order lines cannot be read: they are what the quarantine shows.
"""

import csv
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

FIRST, DAYS, CUSTOMERS = datetime(2025, 12, 1), 90, 80
KINDS = {"Espresso": 6, "Filter": 6, "Tea": 6, "Mugs": 6}
BAD = [
    ("9001", "2026-02-11 10:00:00", "c07", "buy", "", "1", "9.00"),
    ("9002", "2026-02-11 10:05:00", "c07", "buy", "TEA-1", "two", "9.00"),
    ("9003", "2026-02-30 10:00:00", "c07", "buy", "TEA-1", "1", "9.00"),
    ("9004", "2026-02-11 10:10:00", "c07", "gift", "TEA-1", "1", "9.00"),
]


def products() -> list[tuple]:
    """(sku, name, shelf, price, available): one cannot be bought today."""
    return [
        (f"{kind[:3].upper()}-{n}", f"{kind} no. {n}", f"Drinks > {kind}", f"{4 + 2 * n}.50",
         "no" if (kind, n) == ("Tea", 6) else "yes")
        for kind, count in KINDS.items()
        for n in range(1, count + 1)
    ]  # fmt: skip


def orders() -> list[tuple]:
    """Each customer has a favourite kind, comes about once a week, and sometimes looks elsewhere."""
    chance = random.Random(7)
    goods, lines = products(), []
    for customer in range(CUSTOMERS):
        favourites = [g for g in goods if g[2].endswith(list(KINDS)[customer % 4])]
        day = chance.randrange(7)
        while day < DAYS:
            placed = FIRST + timedelta(days=day, hours=8 + chance.randrange(10), minutes=customer)
            bought = {chance.choice(favourites), chance.choice(favourites), chance.choice(goods)}
            for good in sorted(bought):
                order = f"{customer:02d}{day:02d}"
                line = (order, str(placed), f"c{customer:02d}", "buy", good[0], "1", good[3])
                lines.append(line)
                if chance.random() < 0.02:
                    back = str(placed + timedelta(days=2))
                    lines.append((order, back, line[2], "return", *line[4:]))
            day += 4 + chance.randrange(7)
    return sorted([*lines, *BAD], key=lambda line: (line[1], line))


def write(path: Path, header: tuple, rows: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main(folder: Path) -> None:
    columns = ("order_no", "placed", "customer", "action", "sku", "qty", "unit_price")
    lines = orders()
    for month in sorted({line[1][:7] for line in lines}):
        rows = [line for line in lines if line[1].startswith(month)]
        write(folder / "orders" / f"{month}.csv", columns, rows)
    write(folder / "catalogue.csv", ("sku", "name", "shelf", "price", "available"), products())


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
