"""How fast users are shelved: dbt's rec_for_you and rec_discover, the five shelves of carts, news and
strangers, and rpt_rule_cost, with the rules off and with every rule on.

    python benchmarks/shelving.py                            # 200 thousand users, 50 candidates each
    python benchmarks/shelving.py --users 20000 --deep 40

The candidates are synthetic: 20 thousand items, 400 brands, 60 categories, every fifth item a variant,
1,000 lines of rules, ten items of each user's own, 22 thousand carts, 2,900 items on sale, 40 regions.
Each run is a process of its own, so that its peak memory is its own; the seconds are those that dbt
measures for a model, core seconds those of the process, of which dbt itself takes about eight.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from nightshelf.paths import Attempt, Home
from nightshelf.settings.rules import Line, Rules

NIGHT = date(2017, 12, 1)
ITEMS = 20_000
OTHERS = ("rec_cart", "rec_trending", "rec_new_arrivals", "rec_on_sale", "rec_cold_start")
MODELS = ("rec_for_you", "rec_discover", *OTHERS, "rpt_rule_cost")
COLUMNS = (
    "rules", "rec_for_you", "rec_discover", "the other five", "rpt_rule_cost", "all, s", "core s", "peak MB",
    "rows of for_you",
)  # fmt: skip

SHOP = """
create schema marts; create schema features; create schema ml; create schema reports;
create table marts.dim_items as
select 'i' || n as item_id, case when n % 5 = 0 then 'i' || n + 1 else 'i' || n end as product_id,
    'Item ' || n as title, 'c' || n % 60 // 10 || ' > ' || n % 60 as category,
    category as category_path, 'b' || n % 400 as brand,
    (hash(n) % 9000 / 100 + 1)::decimal(18, 4) as price, price * 0.6 as cost,
    ((price - cost) / price)::double as margin, n % 5 + 1 as price_band, true as in_stock,
    true as is_product, n % 50 > 0 as is_offerable,
    case when is_offerable then [] else ['out_of_stock'] end as withheld_by
from range({items}) as t(n);
create table ml.for_you as
select 'u' || u as user_id, 'i' || (hash(u * 1000 + c) % {items}) as item_id,
    max(hash(u * 77 + c) % 100000 / 100000) as score, any_value('ials') as source
from range({users}) as users(u), range({deep}) as candidates(c) group by all;
create table ml.discover as from ml.for_you;
create table ml.similar_items as
select 'i' || n as item_id, 'i' || (hash(n * 100 + r) % {items}) as similar_item_id, 1.0 / r as score,
    r::integer as rank, 'iknn' as source
from range({items}) as t(n), range(1, 51) as ranks(r);
create table ml.bought_together as
select item_id, similar_item_id as companion_id, score, rank, 9 as n_baskets from ml.similar_items;
create table ml.cart as
select 'i' || n as item_id, null::varchar as second_id, 'i' || (hash(n * 50 + r) % {items}) as completion_id,
    (1.0 / r)::double as score, false as is_counted
from range({items}) as t(n), range(1, 21) as ranks(r)
union all
select 'i' || n, 'i' || n + 1, 'i' || (hash(n * 51 + r) % {items}), (1.0 / r)::double, true
from range(2000) as t(n), range(1, 21) as ranks(r);
create table ml.trending as select 'i' || n as item_id, (1.0 / (n + 1))::double as more_users from range(500) as t(n);
create table ml.onboarding as select 'i' || n as item_id, (1.0 / (n + 1))::double as bits from range(50) as t(n);
create table ml.fingerprints as select 'sql' as shelf, 'f' as fingerprint;
create table features.feat_user_item as
select date '{night}' as as_of, user_id, item_id, 2 as n_days, 9 as days_since_last,
    20.0::double as mean_gap_days, 1.0::double as decayed_count
from ml.for_you where hash(user_id || item_id) % 4 = 0;
create table features.feat_user_category as
select date '{night}' as as_of, 'u' || u as user_id, category, 1 as n_days, 9 as days_since_last,
    0.2::double as share
from range({users}) as users(u),
    (select unnest([u * 7 % 60, u * 11 % 60, u * 13 % 60, u * 17 % 60, u * 19 % 60]) as n),
    (select distinct category, split_part(category, ' > ', 2)::bigint as number from marts.dim_items)
where number = n group by all;
create table features.feat_item as
select date '{night}' as as_of, item_id, 9 as n_buyers, 3.0::double as usual_buyers_28d from marts.dim_items;
create table features.feat_replenishment as
select distinct date '{night}' as as_of, category, 30.0::double as replenished_after_days,
    false as is_once_only
from marts.dim_items;
create table marts.fct_interactions as
select user_id, item_id, 'purchase' as event_type, date '{night}' - 9 as interaction_date,
    null::date as cancelled_on, null::date as joined_on, null::date as left_on
from features.feat_user_item;
create table features.feat_arrivals as
select 'i' || n as item_id, (hash(n) % 50 / 10)::double as buyers_per_day, false as has_graduated
from range(2000) as t(n);
create table features.feat_item_price as
select 'i' || n as item_id, 'paid' as basis, 0.3::double as discount, true as is_on_sale
from range(0, {items}, 7) as t(n);
create table features.feat_first_takings as
select 'i' || n as item_id, 3::bigint as n_takers, 900::bigint as n_newcomers from range({items}) as t(n);
create table features.feat_first_takings_by_region as
select 'r' || r as region, 'i' || n as item_id, 2::bigint as n_takers, 90::bigint as n_newcomers
from range(40) as regions(r), range(0, {items}, 20) as t(n);
create table reports.rpt_readiness as
select 'rec_' || unnest(['similar_items', 'bought_together', 'cart', 'trending', 'cold_start']) as placement,
    true as is_ready;
"""


def every_rule() -> Rules:
    """All of them, with 1,000 lines."""
    boosts = [Line(rule="boost", value=f"i{n}", factor=1.5) for n in range(500)]
    brands = [
        Line(rule="boost", subject="brand", value=f"b{n}", factor=1.2, campaign="spring")
        for n in range(100)
    ]
    blocks = [Line(rule="block", value=f"i{n}") for n in range(1000, 1397)]
    pins = [Line(rule="pin", value=f"i{n}", placement="for_you", rank=n) for n in (2, 5, 11)]
    return Rules(
        withhold_bought=True, min_margin=0.1, margin_weight=0.3, max_per_brand=3, max_per_category=5,
        max_per_price_band=9, calibration=0.8, lines=[*boosts, *brands, *blocks, *pins],
    )  # fmt: skip


RULES = {"off": Rules(fold_variants=False), "as they come": Rules(), "every one": every_rule()}


def bench(
    users: Annotated[int, typer.Option(help="users who have candidates")] = 200_000,
    deep: Annotated[int, typer.Option(help="candidates of each")] = 50,
) -> None:
    """Time and peak memory of shelving, by which rules are on."""
    table = Table(*COLUMNS, title=f"{users:,} users, {deep} candidates each; {platform.platform()}")
    with tempfile.TemporaryDirectory() as folder:
        attempt = Home(Path(folder)).shop("bench").attempt(NIGHT, 1)
        attempt.root.mkdir(parents=True)
        with duckdb.connect(str(attempt.database)) as db:
            db.execute("set memory_limit = '3GB'")
            db.execute(SHOP.format(items=ITEMS, users=users, deep=deep, night=NIGHT))
        for name in RULES:
            table.add_row(name, *_told(_apart(folder, name)))
    Console().print(table)


def _apart(folder: str, name: str) -> dict:
    """Runs this file in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--inside", folder, name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def _told(found: dict) -> list[str]:
    seconds = [
        found["rec_for_you"],
        found["rec_discover"],
        sum(found[m] for m in OTHERS),
        found["rpt_rule_cost"],
    ]
    return [
        *(f"{s:.1f}" for s in [*seconds, sum(seconds)]),
        f"{found['core']:.1f}",
        f"{found['peak']:,}",
        f"{found['rows']:,}",
    ]


def inside(folder: str, name: str) -> None:
    """dbt on the furnished attempt, as the step `shelve` visits it."""
    from nightshelf.transform.rules import offer_lines
    from nightshelf.transform.visit import _environment, closed_afterwards

    attempt: Attempt = Home(Path(folder)).shop("bench").attempt(NIGHT, 1)
    offer_lines(attempt, RULES[name], NIGHT)
    with _environment(attempt), closed_afterwards():
        seconds = _run(Path(folder), RULES[name])
    with duckdb.connect(str(attempt.database)) as db:
        rows = db.execute("select count(*) from recommendations.rec_for_you").fetchall()[0][0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({**seconds, "core": time.process_time(), "peak": peak, "rows": rows}))


def _run(folder: Path, rules: Rules) -> dict[str, float]:
    """Model → seconds. Raises SystemExit with dbt's message."""
    from dbt.cli.main import dbtRunner

    from nightshelf.transform.visit import DBT_PROJECT

    arguments = [
        "run", "--select", *MODELS, "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT),
        "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"), "--quiet",
        "--vars", json.dumps({"night": str(NIGHT), "rules": rules.for_sql(NIGHT)}),
    ]  # fmt: skip
    done = dbtRunner().invoke(arguments)
    if not done.success:
        raise SystemExit(str(done.exception or [r.message for r in done.result.results]))
    return {r.node.name: r.execution_time for r in done.result.results}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        typer.run(bench)
