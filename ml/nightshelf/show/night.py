"""A night as a person sees it when it is done: stages, quality, a few users' shelves, what to do next."""

from __future__ import annotations

from contextlib import suppress

import duckdb

from nightshelf.morning import place_of
from nightshelf.paths import ShopHome
from nightshelf.progress import console
from nightshelf.publishing.nights import (
    PublishedNight,
    current,
)
from nightshelf.readiness import read_readiness
from nightshelf.show.quality import show_quality
from nightshelf.show.readiness import show_readiness
from nightshelf.steps import Run, failure, stage_records
from nightshelf.terminal import clean, figures_table, reason_told, titled_table
from nightshelf.warehouse import connect, in_memory

SHOWN_USERS = 3


SHOWN_ITEMS = 5


OF_A_USER = ("for_you", "discover", "buy_again", "next_category", "on_sale")
"""Shelves with lists for users, without `rec_`."""


def show_night(run: Run) -> None:
    """Stages, quality, three users' shelves, where the tables are, what to do next."""
    _show_stages(run)
    _show_readiness(run)
    show_quality(run)
    now = current(run.attempt.shop)
    if now is None or not run.attempt.published.exists():
        console.print("This attempt has not been published.", markup=False)
        return
    night = PublishedNight(run.night.date, run.attempt.number, run.attempt.published)
    titles = _titles(run)
    for user in _typical_users(run):
        _show_user(run.attempt.shop, night, user, titles)
    _show_whereabouts(run, night)


def _show_stages(run: Run) -> None:
    shop = clean(run.shop.title or run.shop.name)
    table = figures_table(
        f"Night {run.night.date} of {shop}, attempt {run.attempt.number}",
        "stage",
        "seconds",
        "rows",
        "peak MB",
    )
    table.add_column("what happened")
    records = stage_records(run.attempt)
    for r in records:
        rows = "" if r["rows"] is None else f"{r['rows']:,}"
        table.add_row(
            r["stage"], f"{r['seconds']:.1f}", rows, f"{r['peak_mb']:,}", clean(r["told"], 90)
        )
    table.add_section()
    table.add_row("together", f"{sum(r['seconds'] for r in records):.1f}", "", "", "")
    console.print(table)
    if failed := failure(run.attempt):
        console.print(f"✗ {failed['stage']} failed: {failed['what']}", markup=False)
        console.print(f"  Next: {failed['next_step']}", markup=False)


def _show_readiness(run: Run) -> None:
    if any(r["stage"] == "features" for r in stage_records(run.attempt)):
        show_readiness(read_readiness(run.attempt))


def _titles(run: Run) -> dict[str, str]:
    return dict(_of_features(run, "select item_id, title from marts.dim_items"))


def _typical_users(run: Run) -> list[str]:
    """A light, a middling and a heavy user: the quartiles by active days, ties by id."""
    ids = _of_features(run, "select user_id from marts.dim_users order by n_active_days, user_id")
    places = (len(ids) // 4, len(ids) // 2, 3 * len(ids) // 4)
    return list(dict.fromkeys(ids[p][0] for p in places[:SHOWN_USERS] if ids))


def _of_features(run: Run, sql: str) -> list[tuple]:
    """Empty where the attempt was published and its tables are being made once more."""
    with connect(run.attempt.database) as db, suppress(duckdb.CatalogException):
        return db.execute(sql).fetchall()
    return []


def _show_user(shop: ShopHome, night: PublishedNight, user: str, titles: dict[str, str]) -> None:
    table = titled_table(f"Shelves of user {clean(user)}")
    for name in ("shelf", "rank", "item", "title", "reason"):
        table.add_column(name, justify="right" if name == "rank" else "left")
    for name in OF_A_USER:
        rows = _shelf_rows(shop, night, name, user, SHOWN_ITEMS)
        for rank, item, reason, evidence, chance in rows:
            title = clean(titles.get(item, item), 40)
            table.add_row(
                name,
                str(rank),
                clean(item, 20),
                title,
                reason_told(reason, evidence, item, titles, chance),
            )
        table.add_section()
    console.print(table)


def _shelf_rows(
    shop: ShopHome, night: PublishedNight, name: str, user: str, k: int
) -> list[tuple[int, str, str, list[str], float]]:
    path = night.path / f"rec_{name}.parquet"
    if path.name not in night.manifest["tables"]:
        return []  # an older night, which had no such shelf
    with in_memory(shop) as db:
        return db.execute(
            "select rank, item_id, reason_code, evidence, propensity from read_parquet(?)"
            " where context_type = 'user' and context_id = ? and rank <= ? order by rank",
            [str(path), user, k],
        ).fetchall()


def _show_whereabouts(run: Run, night: PublishedNight) -> None:
    tables = night.manifest["tables"]
    table = figures_table(f"Published tables in {clean(night.path, 200)}", "table", "rows")
    for name, entry in tables.items():
        table.add_row(name, f"{entry['rows']:,}")
    console.print(table)
    link = run.attempt.shop.current / "rec_for_you.parquet"
    doors = run.attempt.doors
    console.print(
        f"\nNext:\n"
        f"  join the tables     select * from read_parquet('{link}') where context_id = '…'\n"
        f"  another user        .venv/bin/nightshelf shelf USER --shop {run.shop_file}\n"
        f"  the morning page    {place_of(run.attempt)}\n"
        f"  what the doors saw  {doors / 'raw.html'}, features.html, shelves.html\n"
        f"  Airflow and MLflow  make up\n"
        f"  your own shop       docs/your-shop.md goes from an export to a first night",
        markup=False,
    )
