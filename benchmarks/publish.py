"""How long a night takes to be published, beside a bare write of its largest table.

    python benchmarks/publish.py                      # 5 million rows of rec_for_you
    python benchmarks/publish.py --rows 50000000      # a shop of 2.5 million users

Published: every table ordered, written, hashed, synced, renamed, and read back against its manifest.
Bare: the same rows, as they lie, into one Parquet file of the same format. Each in a process of its own,
so that its peak memory is its own.
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
from nightshelf.publishing.publish import PARQUET, publish
from nightshelf.warehouse import connect
from tests.support.published import shelve

ROWS = """
create or replace table recommendations.rec_for_you as
select date '2017-12-01' as night, 'for_you' as placement, 'user' as context_type,
    'user-' || hash(i // 20) as context_id, (1 + i % 20)::integer as rank,
    'item-' || hash(i) % 100_000 as item_id, (hash(i * 3) % 1_000_000) / 1e6 as score,
    (['own_history', 'user_knn', 'ials'])[1 + i % 3] as source,
    (['due_again', 'because_you_bought'])[1 + i % 2] as reason_code,
    ['item-' || hash(i * 7) % 100_000] as evidence,
    'f00d' as model_fingerprint, false as is_exploration, 1.0::double as propensity
from range({rows}) as t(i)
"""
COLUMNS = ("what", "seconds", "core s", "of a bare write", "core s of it", "peak MB", "GB")


def bench(rows: Annotated[int, typer.Option(help="of rec_for_you")] = 5_000_000) -> None:
    """Publishing beside a bare write."""
    title = f"{rows:,} rows; DuckDB {duckdb.__version__}, {platform.platform()}"
    table = Table(*COLUMNS, title=title)
    limit, published = measured(rows).values()
    for name, found in (("bare write", limit), ("published", published)):
        table.add_row(
            name, f"{found['seconds']:.1f}", f"{found['core']:.1f}",
            f"{found['seconds'] / limit['seconds']:.2f}", f"{found['core'] / limit['core']:.2f}",
            f"{found['peak']:,}", f"{found['bytes'] / 1e9:.2f}",
        )  # fmt: skip
    Console().print(table)


def measured(rows: int) -> dict[str, dict]:
    """bare, published → seconds, core (seconds), peak (MB), bytes (of the largest table)."""
    with tempfile.TemporaryDirectory() as folder:
        attempt = shelve(_attempt(folder))
        with duckdb.connect(str(attempt.database)) as db:
            db.execute(ROWS.format(rows=rows))
        return {what: _apart(what, folder) for what in ("bare", "published")}


def _attempt(folder: str) -> Attempt:
    return Home(Path(folder)).shop("bench").attempt(date(2017, 12, 1), 1)


def _apart(what: str, folder: str) -> dict:
    """This file in a process of its own."""
    command = [sys.executable, __file__, "--inside", what, folder]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def inside(what: str, folder: str) -> None:
    attempt = _attempt(folder)
    began, core = time.perf_counter(), time.process_time()
    path = {"bare": _bare, "published": _published}[what](attempt)
    found = {
        "seconds": time.perf_counter() - began,
        "core": time.process_time() - core,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "bytes": path.stat().st_size,
    }
    print(json.dumps(found))


def _bare(attempt: Attempt) -> Path:
    path = attempt.root / "bare.parquet"
    with connect(attempt.database) as db:
        db.execute(f"copy recommendations.rec_for_you to '{path}' {PARQUET}")
    return path


def _published(attempt: Attempt) -> Path:
    return publish(attempt, {}).path / "rec_for_you.parquet"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        typer.run(bench)
