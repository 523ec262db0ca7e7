"""Each shelf of a whole night against what anybody would lay there instead, on the fortnight after.

    python benchmarks/placements.py                     # demo and Online Retail, a night each
    python benchmarks/placements.py demo --night FOLDER # of a night that is published already

A hit is a list whose first ten hold what was taken in the fortnight: by its user; of a list for all, by
each user; of an item's list, something else that the buyer of the item took in the fortnight (on
rec_cart, in the same basket), one left out in turn, mean over a user's items. Users are drawn for the
intervals, and only where both lists exist. `rules` is nDCG with all rules on over that without any, from
rpt_rule_cost; `diversity` the share of pairs in a list's ten that are of two categories.

A night takes six minutes of the demo and two of Online Retail on two cores, and 1 GB below
.nightshelf/placements, removed after.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import protocol
import typer
from quality import SEED, K, Subject
from rich.console import Console
from rich.table import Table

from nightshelf.evaluation.bootstrap import mean_interval, paired_difference_interval
from nightshelf.paths import PROJECT, Home
from nightshelf.steps import STEPS, open_night

OWN = "select user_id, item_id, count(*) as n_days, max(day) as last_on from seen group by all"
POPULAR = "select item_id, count(distinct user_id) as n from lately group by all"

FOR_USERS = {
    "for_you": (
        "own frequency",
        f"select user_id as context_id, item_id, n_days as best, last_on::varchar as then_by from ({OWN})",
    ),
    "discover": (
        "popular, 30 days, not their own",
        f"""select users.user_id as context_id, popular.item_id, popular.n as best, '' as then_by
        from (select distinct user_id from seen) as users
        cross join (from ({POPULAR}) order by n desc, item_id limit 400) as popular
        anti join seen on seen.user_id = users.user_id and seen.item_id = popular.item_id""",
    ),
    "buy_again": (
        "own, the most recent",
        f"""select user_id as context_id, item_id, (last_on - date '1970-01-01') as best,
            lpad(n_days::varchar, 5, '0') as then_by
        from ({OWN})""",
    ),
    "next_category": (
        "popular in the user's most frequent category",
        f"""select favourite.user_id as context_id, item_id, n as best, '' as then_by
        from (
            select user_id, category from seen join listed using (item_id) where category is not null
            group by user_id, category
            qualify row_number() over (partition by user_id order by count(*) desc, category) = 1
        ) as favourite
        join (select item_id, category, n from ({POPULAR}) join listed using (item_id)) using (category)""",
    ),
    "on_sale": (
        "the biggest discount, for everybody",
        """select users.user_id as context_id, item_id, -rank as best, '' as then_by
        from (select distinct user_id from seen) as users
        cross join (from shelf where context_type = 'all')""",
    ),
}
"""Placement → its baseline's name, and SQL (context_id, item_id, best, then_by) over what the night saw."""

FOR_ALL = {
    "popular": (
        "popular, all time",
        "select item_id, count(distinct user_id) as best from seen group by all",
    ),
    "trending": (
        "most users gained on the 4 weeks before",
        """select item_id, count(*) filter (week = 0) - count(*) filter (week > 0) / 4 as best
        from weeks group by item_id""",
    ),
    "new_arrivals": (
        "newest first",
        "select item_id, min(day) - date '1970-01-01' as best from seen group by all",
    ),
    "cold_start": (
        "popular, all time",
        "select item_id, count(distinct user_id) as best from seen group by all",
    ),
}

OF_ITEMS = {
    "similar_items": (
        "popular in the category",
        f"""select context.item_id as context_id, other.item_id, other.n as best
        from contexts as context
        join listed as mine using (item_id)
        join (
            select item_id, category, n from ({POPULAR}) left join listed using (item_id)
            qualify row_number() over (partition by category order by n desc, item_id) <= 20
        ) as other on other.category is not distinct from mine.category and other.item_id <> context.item_id""",
    ),
    "bought_together": ("co-purchase count", "from copurchases"),
    "cart": (
        "popular, 30 days",
        f"""select contexts.item_id as context_id, popular.item_id, n as best
        from contexts
        cross join (from ({POPULAR}) order by n desc, item_id limit 20) as popular
        where popular.item_id <> contexts.item_id""",
    ),
}

COPURCHASES = """
    select a.item_id as context_id, b.item_id, count(*) as best
    from (from seen semi join contexts using (item_id)) as a
    join seen as b on a.user_id = b.user_id and a.day = b.day and a.item_id <> b.item_id
    where a.day >= $half_a_year
    group by a.item_id, b.item_id
    qualify row_number() over (partition by a.item_id order by best desc, b.item_id) <= 20
"""


@dataclass(frozen=True)
class Row:
    """One placement's figures: hits by user, aligned."""

    placement: str
    baseline: str
    shelf: np.ndarray
    base: np.ndarray
    diversity: float
    rules: float


def bench(
    shops: Annotated[list[str] | None, typer.Argument(help="demo, online_retail")] = None,
    night: Annotated[
        Path | None, typer.Option(help="a published night's folder, of one shop")
    ] = None,
) -> None:
    """Hit rate, diversity and the cost of the rules, by placement."""
    subjects = [Subject("demo", protocol.complete_journey())]
    if (shop := protocol.online_retail()) is not None:
        subjects.append(Subject("online_retail", shop))
    for subject in subjects:
        if shops and subject.name not in shops:
            continue
        if night is not None:
            cut = date.fromisoformat(night.resolve().parent.name)
            _show(subject, cut, _measured(subject, cut, night))
        else:
            _show(subject, *_of_a_night(subject))


def _of_a_night(subject: Subject) -> tuple[date, list[Row]]:
    """As of the last fortnight's first day."""
    cut = subject.real.end - timedelta(days=protocol.WINDOW_DAYS)
    root = PROJECT / ".nightshelf" / "placements" / subject.name
    shutil.rmtree(root, ignore_errors=True)
    try:
        subject.lay_out(Home(root))
        run = open_night(Home(root), subject.file, cut)
        for step in STEPS.values():
            step(run)
        return cut, _measured(subject, cut, run.attempt.published)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _measured(subject: Subject, cut: date, night: Path) -> list[Row]:
    db = subject.real.db
    window = {"cut": cut, "end": cut + timedelta(days=protocol.WINDOW_DAYS)}
    db.execute(
        "create or replace temp table seen as select distinct user_id, item_id, day from rows where day < $cut",
        {"cut": cut},
    )
    db.execute(
        "create or replace temp table lately as from seen where day >= $first",
        {"first": cut - timedelta(days=30)},
    )
    db.execute(
        """create or replace temp table weeks as
        select distinct user_id, item_id, ($cut::date - day - 1) // 7 as week
        from seen where day >= $cut::date - 35""",
        {"cut": cut},
    )
    db.execute(
        "create or replace temp table taken as select distinct user_id, item_id, day from rows where day >= $cut and day < $end",
        window,
    )
    db.execute("create or replace temp table contexts as select distinct item_id from taken")
    db.execute(
        f"create or replace temp table copurchases as {COPURCHASES}",
        {"half_a_year": cut - timedelta(days=182)},
    )
    rows = []
    for placement in (*FOR_USERS, *OF_ITEMS, *FOR_ALL):
        path = night / f"rec_{placement}.parquet"
        db.execute(
            "create or replace temp table shelf as from read_parquet($path)", {"path": str(path)}
        )
        baseline, shelf, base = _hits(db, placement)
        if len(shelf):
            rows.append(
                Row(placement, baseline, shelf, base, _diversity(db), _rules(night, placement))
            )
    return rows


def _hits(db: duckdb.DuckDBPyConnection, placement: str) -> tuple[str, np.ndarray, np.ndarray]:
    """(baseline's name, hits of the shelf, hits of the baseline), by user."""
    if placement in FOR_USERS:
        name, base = FOR_USERS[placement]
        wanted = "from taken"
        if placement == "discover":
            wanted = "from taken anti join seen using (user_id, item_id)"
        sql = _USERS.format(base=base, wanted=wanted, k=K)
    elif placement in OF_ITEMS:
        name, base = OF_ITEMS[placement]
        same = "and a.day = b.day" if placement == "cart" else ""
        sql = _ITEMS.format(base=base, same=same, k=K)
    else:
        name, base = FOR_ALL[placement]
        newcomers = "anti join seen using (user_id)" if placement == "cold_start" else ""
        sql = _ALL.format(base=base, newcomers=newcomers, k=K)
    found = db.execute(sql).fetchnumpy()
    return name, *(np.asarray(found[c], dtype=float) for c in ("shelf", "base"))


_USERS = """
    with base as (
        select context_id, item_id from ({base})
        qualify row_number() over (partition by context_id order by best desc, then_by desc, item_id) <= {k}
    ),
    mine as (
        select context_id, item_id from shelf where context_type = 'user' and rank <= {k}
    )
    select user_id,
        max((user_id, item_id) in (select (context_id, item_id) from mine))::double as shelf,
        max((user_id, item_id) in (select (context_id, item_id) from base))::double as base
    from (select distinct user_id, item_id from ({wanted}))
    where user_id in (select context_id from mine)
        and user_id in (select context_id from base)
    group by user_id order by user_id
"""

_ITEMS = """
    with base as (
        select context_id, item_id from ({base})
        qualify row_number() over (partition by context_id order by best desc, item_id) <= {k}
    ),
    mine as (
        select context_id, item_id from shelf where context_type = 'item' and rank <= {k}
    ),
    pairs as (
        select distinct a.user_id, a.item_id as context_id, b.item_id
        from taken as a join taken as b on a.user_id = b.user_id and a.item_id <> b.item_id {same}
        where a.item_id in (select context_id from mine) and a.item_id in (select context_id from base)
    ),
    by_item as (
        select user_id, context_id,
            max((context_id, item_id) in (from mine))::double as shelf,
            max((context_id, item_id) in (from base))::double as base
        from pairs group by all
    )
    select user_id, avg(shelf) as shelf, avg(base) as base from by_item group by user_id order by user_id
"""

_ALL = """
    with base as (from ({base}) order by best desc, item_id limit {k}),
    mine as (from shelf where context_type = 'all' and rank <= {k})
    select user_id,
        max(item_id in (select item_id from mine))::double as shelf,
        max(item_id in (select item_id from base))::double as base
    from (from taken {newcomers})
    where exists (from mine)
    group by user_id order by user_id
"""


def _diversity(db: duckdb.DuckDBPyConnection) -> float:
    """NaN where the shop has no categories."""
    ((found,),) = db.execute(
        f"""with filed as (
            select context_type, context_id, rank, category
            from shelf join listed using (item_id)
            where rank <= {K} and context_type in ('user', 'item', 'all') and category is not null
        ),
        lists as (
            select context_type, context_id, sum(n) as n, sum(n * (n - 1)) as alike
            from (select context_type, context_id, category, count(*) as n from filed group by all)
            group by all
        )
        select avg(1 - alike / (n * (n - 1))) from lists where n > 1"""
    ).fetchall()
    return float("nan") if found is None else found


def _rules(night: Path, placement: str) -> float:
    """NaN of a shelf that the rules do not order."""
    found = duckdb.execute(
        "select ndcg from read_parquet($path) where placement = $placement and rule = 'every'",
        {"path": str(night / "rpt_rule_cost.parquet"), "placement": f"rec_{placement}"},
    ).fetchone()
    return float("nan") if found is None or found[0] is None else found[0]


def _show(subject: Subject, cut: date, rows: list[Row]) -> None:
    title = f"{subject.name}, night of {cut}, the {protocol.WINDOW_DAYS} days after, hit@{K}"
    table = Table(title=title)
    for column in ("shelf", "users", "hit rate", "baseline", "hit rate", "shelf less baseline", "diversity", "rules"):  # fmt: skip
        table.add_column(column, justify="left" if column in ("shelf", "baseline") else "right")
    for row in rows:
        less = paired_difference_interval(row.shelf, row.base, SEED)
        table.add_row(
            f"rec_{row.placement}", f"{len(row.shelf):,}", _told(row.shelf), row.baseline,
            _told(row.base), less.told(), _figure(row.diversity), _figure(row.rules),
        )  # fmt: skip
    Console(width=170).print(table)


def _told(hits: np.ndarray) -> str:
    found = mean_interval(hits, SEED)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _figure(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4f}"


if __name__ == "__main__":
    typer.run(bench)
