"""What it costs to clean a log, find its sessions and count what each user took: dbt's own models beside
a bare scan of all columns, and beside polars and pandas.

    python benchmarks/transform.py                                        # a million events
    python benchmarks/transform.py --events 10000000 --folder FOLDER      # works there
    python benchmarks/transform.py --events 100000000 --no-peers          # minutes, 10 GB of disk
    NIGHTSHELF_MEMORY=1GB python benchmarks/transform.py --events 10000000 --no-peers

The log is that of benchmarks/big_log.py. Each run is a process of its own, so that its peak memory is
its own. dbt builds MODELS and all that they need, as a night does, in a shop that has no history; then
once more a night later, when a day has been added. Peers keep the first of each day's copies, part
sessions by half an hour of silence and count each user's purchases of each item as of one date (dbt: of
four); both write sessions and counts. All must find the same numbers.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.big_log import BigLog
from nightshelf.progress import Progress
from nightshelf.sql_text import literal
from nightshelf.transform.visit import DBT_PROJECT

MODELS = ("fct_sessions", "feat_user_item")
COLUMNS = ("run", "seconds", "core s", "× scan", "× its core s", "peak MB")
DATASET = ("event_id", "event_type", "occurred_at", "user_id", "anonymous_id", "item_id",
           "quantity", "price", "source")  # fmt: skip
"""What a peer reads."""
GAP = timedelta(minutes=30)
LOOKS = ("view", "click", "search")


class Clock(Progress):
    """Tells when dbt begins each node."""

    def __init__(self) -> None:
        super().__init__("features")
        self.begun: list[tuple[str, float, float]] = []

    def advance(self, message: str, is_last: bool = False) -> None:
        name = message.rpartition(": ")[2]
        self.begun.append((name, time.perf_counter(), time.process_time()))

    def spent(self) -> dict[str, tuple[float, float]]:
        """Node → seconds, core-seconds."""
        ended = [*self.begun[1:], ("", time.perf_counter(), time.process_time())]
        return {
            name: (end - begin, core_end - core)
            for (name, begin, core), (_, end, core_end) in zip(self.begun, ended, strict=True)
        }


def write(log: BigLog, folder: Path) -> dict[str, Any]:
    log.write(folder)
    return {}


def write_next_day(log: BigLog, folder: Path) -> dict[str, Any]:
    log.write_next_day(folder)
    return {}


def scan(log: BigLog, folder: Path) -> dict[str, Any]:
    """Every value of every column is looked at once."""
    with duckdb.connect() as db:
        db.execute(f"select max(columns(*)) from {_raw(log, folder)}")
    return {}


def _raw(log: BigLog, folder: Path) -> str:
    return (
        f"read_parquet('{log.home(folder).raw}/events/*/*/*/*.parquet', hive_partitioning = false)"
    )


def first_night(log: BigLog, folder: Path) -> dict[str, Any]:
    return _visit(log, folder, log.night)


def next_night(log: BigLog, folder: Path) -> dict[str, Any]:
    return _visit(log, folder, log.night + timedelta(days=1))


def _visit(log: BigLog, folder: Path, night: date) -> dict[str, Any]:
    from nightshelf.paths import Home
    from nightshelf.pinned.inputs import pin
    from nightshelf.steps import open_night
    from nightshelf.transform.visit import build
    from nightshelf.warehouse import connect, writer

    run = open_night(Home(folder / "home"), folder / "log.toml", night)
    clock = Clock()
    with writer(run.attempt.shop, "benchmark"):
        pin(run.attempt, run.night)
        build("prepare", run.shop, run.night, run.attempt, clock, only=MODELS)
    models = {path.stem for path in DBT_PROJECT.glob("models/**/*.sql")}
    with connect(run.attempt.database) as db:
        # Sessions are a view of the history, under the name that dbt gives it.
        db.execute(f"attach {literal(run.attempt.shop.warehouse)} as history (read_only)")
        found = db.execute(
            "select (select count(*) from marts.fct_sessions), (select sum(n_events) from marts.fct_sessions),"
            " (select count(*) from features.feat_user_item where as_of = ?)",
            [night],
        ).fetchall()[0]
    by_model = {n: spent for n, spent in clock.spent().items() if n in models}
    return {"found": [int(n) for n in found], "models": by_model}


def with_polars(log: BigLog, folder: Path) -> dict[str, Any]:
    import polars as pl

    lines = pl.read_parquet(_files(log, folder), columns=list(DATASET), hive_partitioning=False)
    events = (
        lines.filter(pl.col("occurred_at") < log.night)
        .with_columns(
            day=pl.col("occurred_at").dt.date(),
            visitor_id=pl.coalesce("anonymous_id", "user_id"),
        )
        .unique(["day", "source", "event_id"], keep="any")
        .sort("visitor_id", "occurred_at")
    )
    at, visitor = pl.col("occurred_at"), pl.col("visitor_id")
    begins = (visitor != visitor.shift()) | (at - at.shift() > GAP)
    sessions = (
        events.with_columns(session=begins.fill_null(True).cum_sum())
        .group_by("session")
        .agg(
            visitor.first(),
            at.min().alias("started_at"),
            at.max().alias("ended_at"),
            pl.len().alias("n_events"),
            pl.col("event_type").is_in(LOOKS).sum().alias("n_looks"),
            (pl.col("event_type") == "purchase").sum().alias("n_purchases"),
            pl.col("item_id").n_unique().alias("n_items"),
        )
    )
    days = (
        events.filter(pl.col("event_type") == "purchase")
        .with_columns(user_id=pl.coalesce("user_id", "anonymous_id"))
        .group_by("user_id", "item_id", "day")
        .agg(
            pl.col("quantity").sum(), (pl.col("quantity") * pl.col("price")).sum().alias("revenue")
        )
    )
    ago = (pl.lit(log.night) - pl.col("day")).dt.total_days()
    pairs = days.group_by("user_id", "item_id").agg(
        pl.len().alias("n_days"),
        (ago <= 28).sum().alias("n_days_28d"),
        (ago <= 91).sum().alias("n_days_91d"),
        pl.col("quantity").sum(),
        pl.col("revenue").sum(),
        ago.max().alias("days_since_first"),
        ago.min().alias("days_since_last"),
        (0.5 ** (ago / 91)).sum().alias("decayed_count"),
    )
    sessions.write_parquet(folder / "polars_sessions.parquet")
    pairs.write_parquet(folder / "polars_pairs.parquet")
    return {"found": [len(sessions), int(sessions["n_events"].sum()), len(pairs)]}


def with_pandas(log: BigLog, folder: Path) -> dict[str, Any]:
    import pandas as pd

    read = pd.read_parquet(_files(log, folder), columns=list(DATASET), partitioning=None)
    events = read[read["occurred_at"] < pd.Timestamp(log.night)]
    events = events.assign(
        day=events["occurred_at"].dt.normalize(),
        price=events["price"].astype(float),
        visitor_id=events["anonymous_id"].fillna(events["user_id"]),
    )
    del read
    events = events.drop_duplicates(["day", "source", "event_id"])
    events = events.sort_values(["visitor_id", "occurred_at"])
    at, visitor = events["occurred_at"], events["visitor_id"]
    begins = (visitor != visitor.shift()) | (at.diff() > GAP)
    is_look = events["event_type"].isin(LOOKS)
    is_purchase = events["event_type"] == "purchase"
    sessions = (
        events.assign(session=begins.cumsum(), is_look=is_look, is_purchase=is_purchase)
        .groupby("session")
        .agg(
            visitor_id=("visitor_id", "first"),
            started_at=("occurred_at", "min"),
            ended_at=("occurred_at", "max"),
            n_events=("event_id", "size"),
            n_looks=("is_look", "sum"),
            n_purchases=("is_purchase", "sum"),
            n_items=("item_id", "nunique"),
        )
    )
    bought = events[is_purchase]
    bought = bought.assign(
        user_id=bought["user_id"].fillna(bought["anonymous_id"]),
        revenue=bought["quantity"] * bought["price"],
    )
    days = bought.groupby(["user_id", "item_id", "day"])[["quantity", "revenue"]].sum()
    days = days.reset_index()
    ago = (pd.Timestamp(log.night) - days["day"]).dt.days
    days = days.assign(
        ago=ago, n_days=1, n_days_28d=ago <= 28, n_days_91d=ago <= 91, decayed_count=0.5 ** (ago / 91)
    )  # fmt: skip
    counted = dict.fromkeys(
        ("n_days", "n_days_28d", "n_days_91d", "quantity", "revenue", "decayed_count"), "sum"
    )
    pairs = days.groupby(["user_id", "item_id"]).agg(counted | {"ago": ["min", "max"]})
    pairs.columns = ["_".join(c) for c in pairs.columns]
    sessions.to_parquet(folder / "pandas_sessions.parquet")
    pairs.to_parquet(folder / "pandas_pairs.parquet")
    return {"found": [len(sessions), int(sessions["n_events"].sum()), len(pairs)]}


def _files(log: BigLog, folder: Path) -> list[str]:
    return sorted(map(str, log.home(folder).raw.glob("events/*/*/*/*.parquet")))


RUNS: dict[str, Callable[[BigLog, Path], dict[str, Any]]] = {
    "log": write,
    "next day": write_next_day,
    "bare scan": scan,
    "dbt": first_night,
    "dbt, a night later": next_night,
    "polars": with_polars,
    "pandas": with_pandas,
}


def run_apart(name: str, log: BigLog, folder: Path) -> dict[str, Any]:
    """Runs one of RUNS in a process of its own. Returns what it found and what it cost."""
    ran = subprocess.run(
        [sys.executable, __file__, "--run", name, str(folder), str(log.events), str(log.days)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(ran.stdout.splitlines()[-1])


def _run_here(name: str, folder: Path, log: BigLog) -> None:
    started, used = time.perf_counter(), time.process_time()
    told = RUNS[name](log, folder)
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(told | {"seconds": seconds, "core_seconds": core_seconds, "peak_mb": peak}))


def measured(log: BigLog, folder: Path, peers: bool) -> dict[str, dict[str, Any]]:
    """What each run cost. Raises AssertionError where two find different numbers."""
    names = ["bare scan", *(("polars", "pandas") if peers else ()), "dbt"]
    costs = {name: run_apart(name, log, folder) for name in names}
    found = {name: cost["found"] for name, cost in costs.items() if "found" in cost}
    assert len(set(map(tuple, found.values()))) == 1, found
    run_apart("next day", log, folder)
    costs["dbt, a night later"] = run_apart("dbt, a night later", log, folder)
    return costs


def _shown(costs: dict[str, dict[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "run" else "right")
    limit = costs["bare scan"]
    for name, cost in costs.items():
        rows = [(name, cost["seconds"], cost["core_seconds"], f"{cost['peak_mb']:,}")]
        if by_model := cost.get("models"):
            spent = [sum(each) for each in zip(*by_model.values(), strict=True)]
            rows = [
                (f"{name}: the models", *spent, ""),
                (f"{name}: with start and tests", *rows[0][1:]),
            ]
            dear = sorted(by_model, key=lambda m: by_model[m][1], reverse=True)[:6]
            rows += [(f"  {m}", *by_model[m], "") for m in dear]
        for label, seconds, core_seconds, peak in rows:
            table.add_row(
                label, f"{seconds:.1f}", f"{core_seconds:.1f}", f"{seconds / limit['seconds']:.1f}",
                f"{core_seconds / limit['core_seconds']:.1f}", peak,
            )  # fmt: skip
    return table


def _machine() -> str:
    import pandas as pd
    import polars as pl

    cores = len(os.sched_getaffinity(0))
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{cores} cores, {gigabytes:.0f} GB, Python {platform.python_version()}, DuckDB {duckdb.__version__},"
        f" polars {pl.__version__}, pandas {pd.__version__}"
    )


def main(
    events: Annotated[list[int] | None, typer.Option(help="Lines; may be given again.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the logs are kept.")] = None,
    days: Annotated[int, typer.Option(help="UTC days of the log.")] = 365,
    peers: Annotated[bool, typer.Option(help="Also polars and pandas.")] = True,
) -> None:
    """Prints a table for each size."""
    console = Console(width=110)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        for n in events or [1_000_000]:
            log, place = BigLog(n, days), Path(work) / str(n)
            run_apart("log", log, place)
            costs = measured(log, place, peers)
            console.print(_shown(costs, f"{n:,} events, {_machine()}"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _, _, run_name, where, n_events, n_days = sys.argv
        _run_here(run_name, Path(where), BigLog(int(n_events), int(n_days)))
    else:
        typer.run(main)
