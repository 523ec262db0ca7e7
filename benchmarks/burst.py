"""What a burst does to the served lists: one item suddenly sells ten times its share for a week.

    python benchmarks/burst.py

Three nights of Online Retail as of the last test fold's first day, from landing files to scores: as it
was; with a burst planted in the week before; and with as many lines of the same users spread over what
that week sold, which tells what any lines of so many change. The burst takes the item at place 20 of that
week and sells nine times as much of it again, to users drawn at random, one line each. Shown is, for each
placement, what share of users have the item in their first ten, how many of the first ten of the night as
it was stay otherwise, and nDCG@10 on the fortnight after, paired by user.

Takes three nights' time, about five minutes on two cores, and 1 GB below .nightshelf/burst, removed after.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import protocol
from protocol import Fold, RealShop
from quality import SEED, UNTIL, K, Subject, served

from nightshelf.evaluation import METRICS, paired_difference_interval
from nightshelf.paths import PROJECT, Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.steps import STEPS, open_night

DAYS = 7
TIMES = 10
PLACE = 20


@dataclass(frozen=True)
class Burst:
    item: str
    n_lines: int
    """(user, day) pairs with the item in the week as it was."""
    buyers: list[str]
    """Who buys one more, drawn with repeats."""
    others: list[str]
    """What each of them buys instead where the lines are spread: drawn by the week's lines."""


def main() -> None:
    real = protocol.online_retail()
    if real is None:
        return
    fold = real.folds(range(1, 2))[0]
    burst = _burst(real, fold)
    root = PROJECT / ".nightshelf" / "burst"
    subject = Subject("online_retail", real)
    nights = {
        "as it was": [],
        "lines spread": burst.others,
        "the burst": [burst.item] * len(burst.buyers),
    }
    lists = {}
    try:
        for name, items in nights.items():
            shutil.rmtree(root, ignore_errors=True)
            planted = list(zip(burst.buyers, items, strict=True)) if items else []
            lists[name] = _night(subject, Home(root / name.replace(" ", "_")), fold, planted)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _show(fold, burst, lists)


def _burst(real: RealShop, fold: Fold) -> Burst:
    rows = real.db.execute(
        "select item_id, count(distinct (user_id, day)) as n from rows"
        " where day >= $first and day < $cut group by 1 order by n desc, 1",
        {"first": fold.cut - timedelta(days=DAYS), "cut": fold.cut},
    ).fetchall()
    item, n_lines = rows[PLACE - 1]
    generator = np.random.default_rng(SEED)
    buyers = generator.choice(fold.train.users, (TIMES - 1) * n_lines).tolist()
    items, counts = zip(*rows, strict=True)
    shares = np.array(counts) / sum(counts)
    return Burst(item, n_lines, buyers, generator.choice(items, len(buyers), p=shares).tolist())


Lines = list[tuple[str, str]]
"""(user, item) of each line planted."""


def _night(subject: Subject, home: Home, fold: Fold, planted: Lines) -> dict[str, np.ndarray]:
    """(n_users, K) item codes of the fold's users, by placement."""
    subject.lay_out(home)
    if planted:
        landing = home.shop(subject.name).root / "landing" / "by-day"
        _plant(planted, fold.cut, landing / "planted.csv.gz")
    run = open_night(home, subject.file, fold.cut)
    for name, step in STEPS.items():
        step(run)
        if name == UNTIL:
            break
    return {p: served(run.attempt.scores / f"{p}.parquet", fold) for p in PLACEMENT_VIEWS}


def _plant(planted: Lines, cut: date, path: Path) -> None:
    with gzip.open(path, "wt", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(
            ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
             "CustomerID", "Country")
        )  # fmt: skip
        for number, (user, item) in enumerate(planted):
            when = f"{cut - timedelta(days=1 + number % DAYS)} 12:{number % 60:02d}:00"
            lines.writerow((900_000 + number, item, "", 1, when, "1.25", user, "United Kingdom"))


def _show(fold: Fold, burst: Burst, nights: dict[str, dict[str, np.ndarray]]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = (
        f"item {burst.item}: {burst.n_lines} lines in the week, then {TIMES} times as many,"
        f" {len(set(burst.buyers)):,} of {len(fold.train.users):,} users buy it"
    )
    table = Table(title=title)
    for column in ("placement", "night", "has it in ten", "of the others stay", "nDCG@10, less as it was"):  # fmt: skip
        table.add_column(column)
    before, *planted = nights
    code = int(np.searchsorted(fold.train.items, burst.item))
    for placement, view in PLACEMENT_VIEWS.items():
        old, relevant = nights[before][placement], fold.labels[view].relevant
        table.add_row(f"rec_{placement}", before, _has(old, code))
        for night in planted:
            new = nights[night][placement]
            values = [METRICS["ndcg"](lists, relevant, K) for lists in (new, old)]
            less = paired_difference_interval(*values, SEED)
            told = f"{less.mean:+.4f} [{less.low:+.4f}, {less.high:+.4f}]"
            table.add_row("", night, _has(new, code), f"{_stay(old, new, code):.1%}", told)
    Console(width=110).print(table)


def _has(lists: np.ndarray, code: int) -> str:
    return f"{(lists == code).any(axis=1).mean():.1%}"


def _stay(old: np.ndarray, new: np.ndarray, code: int) -> float:
    """The share of the old lists' items, the burst's apart, that the new ones hold too."""
    kept = [
        len(set(a.tolist()) & set(b.tolist()) - {-1, code})
        / max(len(set(a.tolist()) - {-1, code}), 1)
        for a, b in zip(old, new, strict=True)
    ]
    return float(np.mean(kept))


if __name__ == "__main__":
    main()
