"""How fast landing files are taken in: JSON Lines in GA4's shape, and CSV, beside a bare scan.

    python benchmarks/ingest.py                  # 10 million lines of each
    python benchmarks/ingest.py --lines 1000000

Each ingest runs in a process of its own, so that its peak memory is its own. The bare scan counts
the lines of the same file with DuckDB on all cores, in the same run: the physical limit.
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
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

GA4 = """
    '{"event_date":"' || strftime(moment, '%Y%m%d') || '","event_timestamp":"' || epoch_us(moment)
    || '","event_name":"' || name || '","event_params":[{"key":"ga_session_id","value":{"int_value":"'
    || (i // 20) || '"}},{"key":"page_location","value":{"string_value":"https://shop.example/p/'
    || item || '"}}' || case when name = 'purchase' then
        ',{"key":"currency","value":{"string_value":"EUR"}}' else '' end
    || '],"user_id":' || coalesce('"u' || who || '"', 'null') || ',"user_pseudo_id":"' || visitor
    || '.16","device":{"category":"mobile","language":"de"},"geo":{"country":"Germany"},"ecommerce":'
    || case when name = 'purchase' then '{"transaction_id":"T' || i || '"}' else 'null' end
    || ',"items":[{"item_id":"SKU' || item || '","item_name":"Item ' || item
    || '","item_brand":"B' || item % 500 || '","price":' || (item % 10000) / 100.0
    || ',"quantity":1}]}'"""
CSV = """strftime(moment, '%Y-%m-%d %H:%M:%S') || ',' || name || ',' || coalesce('u' || who, '') || ','
    || visitor || ',SKU' || item || ',1,' || (item % 10000) / 100.0 || ',' || i"""
COLUMNS = ("file", "GB", "seconds", "core s", "scan s", "ratio", "peak MB", "accepted", "refused")
CSV_HEADER = "when,kind,user,visitor,sku,pieces,price,id"
LOG = """
    select i, timestamp '2025-11-01' + interval (i * 30 * 86400.0 / {lines}) second as moment,
        case when h % 100 < 55 then 'view_item' when h % 100 < 70 then 'page_view'
            when h % 100 < 85 then 'scroll' when h % 100 < 95 then 'add_to_cart'
            else 'purchase' end as name,
        case when h % 10 < 3 then h % 200000 end as who,
        h % 1000000 as visitor,
        -- Half of all events are about a hundredth of the items.
        case when h % 2 = 0 then h % 1000 else h % 100000 end as item
    from (select i, hash(i) as h from range({lines}) as t(i))"""
SOURCES = {
    "GA4 JSON Lines": {"name": "web", "adapter": "ga4", "path": "*.jsonl"},
    "CSV": {
        "name": "web", "adapter": "column_map", "path": "*.csv",
        "columns": {"occurred_at": "when", "event_type": "kind", "user_id": "user",
                    "anonymous_id": "visitor", "item_id": "sku", "quantity": "pieces",
                    "price": "price", "event_id": "id"},
        "event_types": {"view_item": "view", "add_to_cart": "cart_add"},
        "leave_aside": ["page_view", "scroll"],
    },
}  # fmt: skip


def main(
    lines: Annotated[int, typer.Option(help="Lines of each file.")] = 10_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Where to work; a new one if left out.")
    ] = None,
) -> None:
    """Writes the files, takes each in, and prints a table."""
    console = Console(width=100)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        table = Table(title=f"Ingest of {lines:,} lines, {_machine()}", title_justify="left")
        for name in COLUMNS:
            table.add_column(name, justify="left" if name == "file" else "right")
        for kind in SOURCES:
            with console.status(f"{kind}: writing"):
                path = _write(kind, lines, Path(work))
            with console.status(f"{kind}: scanning"):
                scan, _ = _scan(path)
            with console.status(f"{kind}: ingesting"):
                done = _ingest_apart(kind, path)
            table.add_row(kind, *_figures(path, scan, done))
            path.unlink()
        console.print(table)


def _figures(path: Path, scan: float, done: dict) -> list[str]:
    size, seconds = path.stat().st_size / 1e9, done["seconds"]
    times = [f"{n:.1f}" for n in (size, seconds, done["core_seconds"], scan, seconds / scan)]
    return times + [f"{done[n]:,}" for n in ("peak_mb", "accepted", "quarantined")]


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}"


def _write(kind: str, lines: int, work: Path) -> Path:
    landing = work / kind.replace(" ", "_")
    landing.mkdir()
    path = landing / ("log.csv" if kind == "CSV" else "log.jsonl")
    line = CSV if kind == "CSV" else GA4
    duckdb.execute(
        f"copy (select {line} from ({LOG.format(lines=lines)})) to '{path}'"
        " (format csv, header false, quote '', escape '', delimiter '\x1e')"
    )
    if kind == "CSV":
        subprocess.run(["sed", "-i", f"1i {CSV_HEADER}", path], check=True)
    return path


def measured(kind: str, lines: int) -> dict[str, float]:
    """Core-seconds of `ingest`, and of a `scan` of the same file."""
    with tempfile.TemporaryDirectory() as work:
        path = _write(kind, lines, Path(work))
        scan = min(_scan(path)[1] for _ in range(3))
        return {"scan": scan, "ingest": _ingest_apart(kind, path)["core_seconds"]}


def _scan(path: Path) -> tuple[float, float]:
    """Seconds, core-seconds."""
    started, used = time.perf_counter(), time.process_time()
    duckdb.execute(
        f"select count(*), max(length(line)) from read_csv('{path}', header = false, quote = '',"
        " escape = '', delim = '\x1e', auto_detect = false, columns = {'line': 'varchar'})"
    )
    return time.perf_counter() - started, time.process_time() - used


def _ingest_apart(kind: str, path: Path) -> dict:
    ran = subprocess.run(
        [sys.executable, __file__, "--take", kind, str(path.parent)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(ran.stdout.splitlines()[-1])


def take(kind: str, landing: Path) -> None:
    """In a process of its own: one ingest into a home beside the file."""
    from nightshelf.ingest.run import ingest
    from nightshelf.paths import Home
    from nightshelf.progress import Progress
    from nightshelf.settings.shop import Shop

    shop = Shop.model_validate(
        {"name": "bench", "time_zone": "UTC", "currency": "EUR", "sources": [SOURCES[kind]]}
    )
    home = Home(landing.parent / f"{landing.name} home").shop("bench")
    started, used = time.perf_counter(), time.process_time()
    taken = ingest(shop, landing, home, Progress("ingest"))
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - used
    assert taken.rows_read == taken.accepted + taken.quarantined
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = {
        "seconds": seconds,
        "core_seconds": core_seconds,
        "peak_mb": peak,
        "accepted": taken.accepted,
    }
    print(json.dumps(found | {"quarantined": taken.quarantined}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--take"]:
        take(sys.argv[2], Path(sys.argv[3]))
    else:
        typer.run(main)
