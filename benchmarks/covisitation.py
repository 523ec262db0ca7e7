"""Typed co-visitation beside an explosion of pairs in SQL: the same neighbours of every item.

    python benchmarks/covisitation.py              # a million events
    python benchmarks/covisitation.py --big        # ten million, 100 thousand items

Both begin with the same integer codes, one row per (user, item, day, type), ours in numpy's arrays, the
SQL in a table of DuckDB's, and end with the 50 strongest neighbours of each item for each of six pairs
of stages (looked, wanted, bought), by the product's own weights. The limit is a bare sort of the rows'
keys, once: no way of counting pairs does without one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import made_up_log
from benchmarks.side_by_side import answer, is_contender, machine, race
from nightshelf.candidates.base import enough_buyers
from nightshelf.candidates.covisitation import PAIRS, Covisitation, CovisitationParams
from nightshelf.dataset.interactions import Interactions

AS_OF = made_up_log.DAYS
STAGES = ("looked", "wanted", "bought")
"""Of the made-up log's types, in their order."""


def interactions(columns: dict[str, np.ndarray], n_items: int) -> Interactions:
    """The log as the product has it; all types have the same users and items."""
    n_users = int(columns["user"].max(initial=-1)) + 1
    users, items = (np.arange(n).astype(str).astype(object) for n in (n_users, n_items))

    def part(kept) -> Interactions:
        codes = (columns[c][kept] for c in ("user", "item", "day"))
        return Interactions(users, items, *codes, np.ones(int(kept.sum()), np.float32), AS_OF)

    by_type = {
        name: part(columns["type"] == n)
        for n, name in enumerate(made_up_log.TYPES)
        if (columns["type"] == n).any()
    }
    everything = part(np.zeros(len(columns["day"]), dtype=bool))
    return Interactions(
        users, items, everything.user_codes, everything.item_codes, everything.days,
        everything.weights, AS_OF, by_type,
    )  # fmt: skip


STEPS = """
create or replace temp table steps as
with late as (
    select *, count(*) over (partition by type, "user", "day") as visit_items
    from events where "day" >= {as_of} - {p.days}
),
bearable as (select * from late where visit_items <= {p.max_items_per_day}),
known as (
    select type, item from bearable group by all having count(distinct "user") >= {enough}
)
select *,
    count(*) over (partition by type, "user", "day") as size,
    power(2.0, -({as_of} - "day") / {p.half_life_days}) as fresh
from bearable semi join known using (type, item);
create or replace temp table frequency as
select type, item, sum(fresh) + {p.shrinkage} as seen from steps group by all;
create or replace temp table led_to (first int, second int, a int, b int, score double);
"""
EXPLOSION = """
insert into led_to
with pairs as (
    select before.item as a, after.item as b,
        sum(power(2.0, -(after.day - before.day) / {p.gap_half_life_days})
            * power(before.size, -{p.visit_power}) * after.fresh) as together
    from steps as before
    join steps as after
        on after.user = before.user
        and after.day between before.day and before.day + {p.window_days}
        and after.item <> before.item
    where before.type = {first} and after.type = {second}
    group by all
)
select {first}, {second}, a, b,
    together * power(of_b.seen, -{p.popularity_power}) * power(of_a.seen, {p.popularity_power} - 1) as score
from pairs
join frequency as of_a on of_a.type = {first} and of_a.item = a
join frequency as of_b on of_b.type = {second} and of_b.item = b
qualify row_number() over (partition by a order by score desc, b) <= {p.neighbours};
"""


def exploded(db, n_users: int, params: CovisitationParams) -> None:
    """Makes led_to (first, second, a, b, score) from events ("user", item, "day", type)."""
    enough = enough_buyers(params.min_buyers, n_users)
    db.execute(STEPS.format(p=params, as_of=AS_OF, enough=enough))
    for one, other in PAIRS.values():
        first, second = STAGES.index(one), STAGES.index(other)
        db.execute(EXPLOSION.format(p=params, first=first, second=second))


def _ours(inputs: Path, settings: dict):
    with np.load(inputs) as columns:
        log = interactions(dict(columns), settings["items"])
    model = Covisitation(CovisitationParams(neighbours=settings["neighbours"]))
    return lambda: int(model.fit(log).votes.nnz)


def _sql(inputs: Path, settings: dict):
    import duckdb
    import pyarrow as pa

    db = duckdb.connect(config={"threads": settings["cores"]})
    with np.load(inputs) as columns:
        n_users = int(columns["user"].max()) + 1
        db.register("given", pa.table(dict(columns)))
        db.execute("create table events as from given")
        db.unregister("given")
    params = CovisitationParams(neighbours=settings["neighbours"])

    def run() -> int:
        exploded(db, n_users, params)
        votes = "select distinct first, a, b from led_to"
        return db.execute(f"select count(*) from ({votes})").fetchone()[0]

    return run


def _one_sort(inputs: Path, settings: dict):
    with np.load(inputs) as columns:
        keys = columns["item"].astype(np.int64) * AS_OF + columns["day"]
        keys += columns["user"].astype(np.int64) * AS_OF * settings["items"]
    order = np.random.default_rng(0).permutation(len(keys))
    keys = keys[order]
    return lambda: keys.sort()


CONTENDERS = {"nightshelf": _ours, "pairs in SQL": _sql, "limit: one sort": _one_sort}


def main(
    events: Annotated[int, typer.Option(help="Rows of the log.")] = 1_000_000,
    items: Annotated[int, typer.Option(help="Items of the shop.")] = 20_000,
    neighbours: Annotated[int, typer.Option(help="Kept an item and pair of stages.")] = 50,
    rounds: Annotated[int, typer.Option(help="Runs of each contender.")] = 2,
    cores: Annotated[int, typer.Option(help="Threads of each contender.")] = 2,
    big: Annotated[
        bool, typer.Option("--big", help="10 million events, 100 thousand items.")
    ] = False,
) -> None:
    """Prints seconds, core-seconds, peak memory and ratios of the contenders."""
    if big:
        events, items = 10_000_000, 100_000
    settings = {"items": items, "neighbours": neighbours, "cores": cores}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "log.npz"
        np.savez(inputs, **made_up_log.events(events, items))
        found = race(__file__, list(CONTENDERS), inputs, settings, rounds, cores)
    title = f"Co-visitation, top {neighbours} an item, {events:,} events, {items:,} items\n"
    table = Table(title=title + machine(cores, "duckdb", "sparse_dot_topn"), title_justify="left")
    for name in ("", "seconds", "core s", "× ours, core s", "peak MB", "neighbours"):
        table.add_column(name, justify="right" if name else "left")
    ours = found["nightshelf"].core_seconds
    for name, f in found.items():
        said = f"{f.said:,}" if f.said else ""
        figures = f"{f.seconds:.1f}", f"{f.core_seconds:.1f}", f"{f.core_seconds / ours:.2f}"
        table.add_row(name, *figures, f"{f.peak_mb:,}", said)
    Console(width=110).print(table)


if __name__ == "__main__":
    answer(CONTENDERS) if is_contender() else typer.run(main)
