"""Landing files and what was refused of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshelf.errors import SettingsError
from nightshelf.paths import Home, ShopHome
from nightshelf.progress import console, progress
from nightshelf.settings.shop import load_shop
from nightshelf.terminal import clean, figures_table, titled_table
from nightshelf.warehouse import in_memory


def show_ledger(home: Home, shop_file: Path, everything: bool = False) -> None:
    """Every landing file taken. Without `everything` those that another content replaced are left
    out."""
    from nightshelf.ingest.ledger import Ledger

    shop = load_shop(shop_file)
    landing = shop.landing_in(home, shop_file)
    table = titled_table(f"Ledger of {shop.name}")
    for name in ("source", "file"):
        table.add_column(name, no_wrap=True)
    for name in ("records", "rows read", "accepted", "quarantined", "of which aside", "sha256"):
        table.add_column(name, justify="right")
    for name in ("adapter", "state"):
        table.add_column(name, no_wrap=True)
    files = Ledger(home.shop(shop.name).ledger).files(current=not everything)
    for file in files:
        counts = (file.records, file.rows_read, file.accepted, file.quarantined, file.set_aside)
        table.add_row(
            file.source,
            clean(file.name, 100),
            *(f"{n:,}" for n in counts),
            file.sha256[:8],
            file.adapter,
            _state(file, landing),
        )
    table.add_section()
    names = ("records", "rows_read", "accepted", "quarantined", "set_aside")
    sums = [f"{sum(getattr(f, n) for f in files):,}" for n in names]
    table.add_row("together", f"{len(files):,} files", *sums, "", "", "")
    console.width = max(console.width, _width(files))
    console.print(table)


def _width(files: list) -> int:
    """Wide enough for the longest name: a path that is broken in two cannot be searched for."""
    longest = max((len(f.source) + min(len(f.name), 100) for f in files), default=0)
    return longest + 125


def _state(file: Any, landing: Path) -> str:
    from nightshelf.ingest.ledger import NO_SOURCE

    if file.replaced_by == NO_SOURCE:
        return "source not in the shop file"
    if file.replaced_by:
        return "replaced"
    return "" if (landing / file.name).exists() else "gone from landing/"


@dataclass(frozen=True)
class Refused:
    """Which quarantined rows are asked for; None: all."""

    reason: str | None = None
    source: str | None = None
    file: str | None = None
    samples: int = 3


def show_quarantine(home: Home, shop_file: Path, asked: Refused) -> None:
    """Why rows were refused: a table of reasons, faults first, and samples of each."""
    from nightshelf.ingest.contract import MENDED, REASONS

    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    if asked.reason is not None and asked.reason not in REASONS:
        raise SettingsError(f"'{asked.reason}' is no reason.", f"Name one of {', '.join(REASONS)}.")
    counts, rows = _quarantined(where, asked)
    if not counts:
        console.print(f"No such row of {shop.name} is in quarantine.", markup=False)
        return
    table = figures_table(f"Quarantine of {shop.name}", "reason", "rows", "files")
    for name in ("means", "mended", "values at fault"):
        table.add_column(name, overflow="fold")
    for name, n_rows, n_files, values in counts:
        shown = " · ".join(f"{clean(v, 45)} ({n:,})" for v, n in values)
        means, mended = REASONS.get(name, "a reason of another version"), MENDED.get(name, "")
        table.add_row(clean(name), f"{n_rows:,}", f"{n_files:,}", means, mended, shown)
    console.print(table)
    shown = titled_table("Samples")
    for column in ("reason", "source", "where", "raw text"):
        shown.add_column(column, overflow="fold")
    for name, file, line, number, raw in rows:
        place = f"{file.name}, " + (f"line {line}" if line is not None else f"row {number}")
        shown.add_row(clean(name), file.source, clean(place, 60), clean(raw, 200))
    console.print(shown)


def _quarantined(where: ShopHome, asked: Refused) -> tuple[list, list]:
    """(reason, rows, files, most frequent values) of the current files, faults first, and
    (reason, ledger file, line, row, raw) samples."""
    from nightshelf.ingest.contract import SET_ASIDE
    from nightshelf.ingest.ledger import Ledger

    files = {
        f.file_id: f
        for f in Ledger(where.ledger).files()
        if asked.source in (None, f.source) and asked.file in (None, f.name)
    }
    paths = sorted(str(p) for p in where.quarantine.glob("*.parquet"))
    if not paths or not files:
        return [], []
    with in_memory(where) as db:
        db.execute(
            """create temp table found as select * from read_parquet($paths)
            where list_contains($ids, file_id) and ($reason is null or reason = $reason)""",
            {"paths": paths, "ids": list(files), "reason": asked.reason},
        )
        counts = db.execute(
            """select reason, sum(n)::bigint, any_value(n_files),
                list((value, n) order by n desc, value) filter (value is not null)[:5]
            from (
                select reason, value, count(*) as n,
                    (select count(distinct file_id) from found as f where f.reason = found.reason)
                        as n_files
                from found group by reason, value)
            group by reason order by reason = ?, 2 desc, reason""",
            [SET_ASIDE],
        ).fetchall()
        rows = db.execute(
            """select reason, file_id, line, row_number, raw from (
                select *, row_number() over (
                    partition by reason order by file_id, row_number, element) as place from found)
            where place <= ? order by reason = ?, reason, place""",
            [asked.samples, SET_ASIDE],
        ).fetchall()
    return (
        [(r, n, f, v or []) for r, n, f, v in counts],
        [(r, files[f], line, n, raw) for r, f, line, n, raw in rows],
    )


def show_replay(home: Home, shop_file: Path) -> None:
    """Takes in what a mended mapping can read, and says what is left."""
    from nightshelf.ingest.replay import replay
    from nightshelf.ingest.run import ingest
    from nightshelf.warehouse import writer

    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    landing = shop.landing_in(home, shop_file)
    with progress("replay") as shown, writer(where, "quarantine --replay"):
        taken = ingest(shop, landing, where, shown)
        again = replay(shop, landing, where, shown)
    console.print(
        f"Taken from landing/: {taken.files:,} files, {taken.accepted:,} rows accepted,"
        f" {taken.quarantined:,} quarantined.\n"
        f"Replayed from quarantine: {again.files:,} files that are gone from landing/,"
        f" {again.read_again:,} rows read again, {again.accepted:,} of them accepted.",
        markup=False,
    )
    if not taken.files and not again.files:
        console.print(
            "Nothing was read: no source of the shop file reads otherwise than before.\n"
            "  Next: mend the columns, values or event_types of the source, then replay.",
            markup=False,
        )
