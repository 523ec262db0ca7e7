"""How long the first door takes over a log, beside one query that looks at every value of it once.

    python benchmarks/doors.py                       # 5 million events of a year
    python benchmarks/doors.py --events 100000000    # 14 GB of disk, 10 minutes

The door: its profile, its 55 expectations by Great Expectations, its pages. The query: how many values
each column has, and its least and its greatest. Each in a process of its own, so that its peak memory is
its own; importing Great Expectations, five seconds once a night, is told apart.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from expectations import DoorContext
from nightshelf.paths import Attempt, Home
from nightshelf.warehouse import connect
from tests.support.clickstream import Clickstream, make

DAYS = 365
COLUMNS = ("what", "seconds", "core s", "of the query", "core s of it", "peak MB")


def bench(events: Annotated[int, typer.Option(help="of the log")] = 5_000_000) -> None:
    """The first door beside one aggregate query."""
    found = measured(events)
    limit = found["query"]
    title = f"{events:,} events of {DAYS} days; DuckDB {duckdb.__version__}, {platform.platform()}"
    table = Table(*COLUMNS, title=title)
    for name, of in (("one query", limit), ("door raw", found["door"])):
        table.add_row(
            name, f"{of['seconds']:.1f}", f"{of['core']:.1f}", f"{of['seconds'] / limit['seconds']:.2f}",
            f"{of['core'] / limit['core']:.2f}", f"{of['peak']:,}",
        )  # fmt: skip
    Console().print(table)
    Console().print(f"Importing Great Expectations: {found['door']['import']:.1f} core-seconds.")


def measured(events: int) -> dict[str, dict]:
    """query, door → seconds, core (seconds), peak (MB), import (core-seconds)."""
    with tempfile.TemporaryDirectory() as folder:
        attempt = _attempt(folder)
        attempt.root.mkdir(parents=True)
        with connect(attempt.database, read_only=False) as db:
            make(db, _shop(events))
        return {what: _apart(what, folder, events) for what in ("query", "door")}


def _shop(events: int) -> Clickstream:
    return Clickstream(events_per_day=events // DAYS, days=DAYS)


def _attempt(folder: str) -> Attempt:
    return Home(Path(folder)).shop("bench").attempt(Clickstream().night, 1)


def _apart(what: str, folder: str, events: int) -> dict:
    """This file in a process of its own."""
    command = [sys.executable, __file__, "--inside", what, folder, str(events)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def inside(what: str, folder: str, events: str) -> None:
    attempt, began = _attempt(folder), time.process_time()
    if what == "door":
        import great_expectations  # noqa: F401
    imported = time.process_time() - began
    wall, core = time.perf_counter(), time.process_time()
    {"query": _query, "door": _door}[what](attempt, _shop(int(events)))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - wall,
                "core": time.process_time() - core,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "import": imported,
            }
        )
    )


def _query(attempt: Attempt, _: Clickstream) -> None:
    with connect(attempt.database) as db:
        columns = [c[0] for c in db.execute("describe raw.events").fetchall()]
        looks = ", ".join(f"count({c}), min({c}), max({c})" for c in columns)
        db.execute(f"select count(*), {looks} from raw.events").fetchall()


def _door(attempt: Attempt, shop: Clickstream) -> None:
    from nightshelf.doors import check

    check("raw", attempt, DoorContext(night=shop.night, as_of_utc=shop.as_of, now_utc=shop.as_of))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        typer.run(bench)
