"""A whole night of a large shop, step by step: seconds, core-seconds, peak memory.

    python benchmarks/night.py FOLDER                                                # 1 million events
    python benchmarks/night.py FOLDER --users 1000000 --items 100000 --events 100000000

The first night takes the whole log in and learns everything; the second, a day later, is what a shop waits
for each morning. The log is made up, and as uneven as logs are: users who come daily and users who come
once, tastes for a few of the categories, bestsellers by Zipf's law, visits, 2 % of the lines twice, 1 %
without a user, lines out of order. FOLDER keeps the home: a second call runs both nights
again, with the history that is there.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from nightshelf.paths import PROJECT

NIGHT = date(2026, 3, 1)
DAYS = 365
CATEGORIES = 200
TASTES = 5
"""Categories that a user returns to, of a thousand events nine hundred."""
SHOP = """
name = "large"
time_zone = "UTC"
currency = "EUR"
landing = "landing"

[[sources]]
name = "log"
adapter = "column_map"
path = "log/*.parquet"
columns = { event_id = "id", occurred_at = "moment", event_type = "kind", user_id = "who", item_id = "sku", quantity = "pieces", price = "price" }

[[sources]]
name = "items"
adapter = "column_map"
kind = "items"
path = "items.parquet"
columns = { item_id = "sku", title = "title", category_path = "category", brand = "brand", price = "price" }
"""
ITEMS = """
copy (
    select 'sku-' || lpad(n::varchar, 7, '0') as sku, 'Item ' || n as title,
        'Floor ' || n % {categories} // 20 || ' > Shelf ' || n % {categories} as category,
        'Brand ' || hash(n, 'brand') % 500 as brand,
        round(exp(1 + 3 * (hash(n, 'price') % 1000) / 1000), 2)::decimal(18, 2) as price
    from range({items}) as t(n)
) to '{path}' (format parquet)
"""
LOG = """
create or replace macro u(what, n) as (hash(what, n) % 1_000_003)::double / 1_000_003;
copy (
    with visits as (
        -- The square of an even draw: a tenth of the users make a third of the visits.
        select v, floor({users} * pow(u('who', v), 2))::bigint as who,
            timestamp '{first}' + to_microseconds((u('day', v) * {days} * 86400e6)::bigint) as began,
            1 + floor(-4 * ln(1 - 0.99 * u('n', v)))::integer as n_events
        from range({from_visit}, {to_visit}) as t(v)
    ),
    events as (
        select v * 100 + k as e, who, began + to_seconds(40 * k) as moment,
            case when u('kind', v * 100 + k) < 0.75 then 'view'
                when u('kind', v * 100 + k) < 0.87 then 'cart_add' else 'purchase' end as kind,
            case when u('own', v * 100 + k) < 0.9
                then hash('taste', who, hash('which', v, k // 3) % {tastes}) % {categories}
                else hash('any', v, k) % {categories} end as category,
            -- Within a category the n-th best sells by 1 / n.
            floor(pow({items} // {categories}, u('item', v * 100 + k)))::bigint - 1 as place
        from visits, unnest(range(n_events)) as numbers(k)
    ),
    twice as (
        select unnest(case when u('twice', e) < 0.02 then [0, 1] else [0] end) as copy, * from events
    )
    select 'e' || e as id, moment, kind,
        case when u('nobody', v) >= 0.01 then 'user-' || lpad(who::varchar, 8, '0') end as who,
        'sku-' || lpad((place * {categories} + category)::varchar, 7, '0') as sku,
        case when kind = 'view' then null else 1 end as pieces,
        round(exp(1 + 3 * (hash(place * {categories} + category, 'price') % 1000) / 1000), 2)::decimal(18, 2)
            as price
    from (select *, e // 100 as v from twice)
    where moment < timestamp '{until}' and moment >= timestamp '{since}'
    order by hash(e, copy)
) to '{path}' (format parquet)
"""
EVENTS_PER_VISIT = 4.5
FILES = 20


def main(
    folder: Path,
    users: Annotated[int, typer.Option()] = 20_000,
    items: Annotated[int, typer.Option()] = 5_000,
    events: Annotated[int, typer.Option()] = 1_000_000,
    memory: Annotated[str, typer.Option(help="NIGHTSHELF_MEMORY, for DuckDB")] = "",
) -> None:
    """Two nights of a shop of that size."""
    shop_file = folder / "large.toml"
    for night in (NIGHT, NIGHT + timedelta(days=1)):
        if not (folder / "landing" / "log" / f"{night}.parquet").exists():
            _land(folder, night, users, items, events)
        shop_file.write_text(SHOP)
        _night(shop_file, night, memory, f"{users:,} users, {items:,} items, {events:,} events")


def _land(folder: Path, night: date, users: int, items: int, events: int) -> None:
    """A year for the first night, in twenty files; one day more for the second. The file that is named by
    the night is the last to be written."""
    log = folder / "landing" / "log"
    log.mkdir(parents=True, exist_ok=True)
    given = {
        "users": users, "items": items, "categories": CATEGORIES, "tastes": TASTES, "days": DAYS + 1,
        "first": NIGHT - timedelta(days=DAYS),
    }  # fmt: skip
    visits = int(events / EVENTS_PER_VISIT)
    with duckdb.connect() as db:
        db.execute(ITEMS.format(path=folder / "landing" / "items.parquet", **given))
        if night > NIGHT:
            parts = [(0, visits, f"{night}.parquet", NIGHT, night)]
        else:
            step = visits // FILES + 1
            parts = [
                (n * step, min(visits, (n + 1) * step), f"part-{n:02}.parquet", "2000-01-01", NIGHT)
                for n in range(FILES)
            ]
            parts[-1] = (*parts[-1][:2], f"{night}.parquet", *parts[-1][3:])
        for start, end, name, since, until in parts:
            db.execute(
                LOG.format(
                    path=log / name,
                    from_visit=start,
                    to_visit=end,
                    since=since,
                    until=until,
                    **given,
                )
            )


def _night(shop_file: Path, night: date, memory: str, size: str) -> None:
    """Each step in a process of its own, as Airflow runs them."""
    from nightshelf.steps import STEPS

    env = os.environ | {"PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}
    if memory:
        env["NIGHTSHELF_MEMORY"] = memory
    table = Table(
        "step", "seconds", "core s", "peak MB", title=f"{night}: {size}; {platform.platform()}"
    )
    total = [0.0, 0.0]
    given = [
        "--shop",
        str(shop_file),
        "--as-of",
        str(night),
        "--home",
        str(shop_file.parent / "home"),
    ]
    for step in ("open", *STEPS):
        words = step.replace("door_", "gate ").split()
        began = time.monotonic()
        status, used = _run([sys.executable, "-m", "nightshelf", *words, *given], env)
        seconds, core = time.monotonic() - began, used.ru_utime + used.ru_stime
        table.add_row(step, f"{seconds:.1f}", f"{core:.1f}", f"{used.ru_maxrss // 1024:,}")
        total = [total[0] + seconds, total[1] + core]
        if status:
            Console().print(table)
            raise SystemExit(f"{step} ended with {os.waitstatus_to_exitcode(status)}")
    table.add_row("together", f"{total[0]:.1f}", f"{total[1]:.1f}", "")
    Console().print(table)


def _run(command: list[str], env: dict[str, str]) -> tuple[int, resource.struct_rusage]:
    """The process's status, and what it used. Who ends this ends it, too."""
    process = subprocess.Popen(command, env=env)
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return status, used


if __name__ == "__main__":
    typer.run(main)
