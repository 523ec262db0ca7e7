"""What a person sees in the terminal: tables, not dumps."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from rich.table import Table

from nightshelf.errors import SettingsError, StorageError
from nightshelf.morning import place_of
from nightshelf.paths import Home, ShopHome
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import console, counted, progress
from nightshelf.publishing.nights import (
    PublishedNight,
    astray,
    current,
    damage,
    published,
)
from nightshelf.publishing.unfinished import unfinished
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.readiness import Placement, Readiness, read_readiness
from nightshelf.settings import load_shop
from nightshelf.steps import Run, failure, stage_records
from nightshelf.storage import read_left
from nightshelf.terminal import clean as _clean
from nightshelf.terminal import reason_told
from nightshelf.warehouse import connect, in_memory

if TYPE_CHECKING:
    from nightshelf.publishing.roll_back import RolledBack

SHOWN_USERS = 3
SHOWN_ITEMS = 5
OF_A_USER = ("for_you", "discover", "buy_again", "next_category", "on_sale")
"""Shelves with lists for users, without `rec_`."""


def show_night(run: Run) -> None:
    """Stages, quality, three users' shelves, where the tables are, what to do next."""
    _show_stages(run)
    _show_readiness_of(run)
    _show_quality(run)
    now = current(run.attempt.shop)
    if now is None or not run.attempt.published.exists():
        console.print("This attempt has not been published.", markup=False)
        return
    night = PublishedNight(run.night.date, run.attempt.number, run.attempt.published)
    titles = _titles(run)
    for user in _typical_users(run):
        _show_user(run.attempt.shop, night, user, titles)
    _show_whereabouts(run, night)


def _table(title: str, *columns: str) -> Table:
    """The first column is a name; the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _show_stages(run: Run) -> None:
    table = _table(
        f"Night {run.night.date} of {run.shop.title or run.shop.name}, attempt {run.attempt.number}",
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
            r["stage"], f"{r['seconds']:.1f}", rows, f"{r['peak_mb']:,}", _clean(r["told"], 90)
        )
    table.add_section()
    table.add_row("together", f"{sum(r['seconds'] for r in records):.1f}", "", "", "")
    console.print(table)
    if failed := failure(run.attempt):
        console.print(f"✗ {failed['stage']} failed: {failed['what']}", markup=False)
        console.print(f"  Next: {failed['next_step']}", markup=False)


def _show_readiness_of(run: Run) -> None:
    if any(r["stage"] == "features" for r in stage_records(run.attempt)):
        show_readiness(read_readiness(run.attempt))


def show_readiness(found: Readiness) -> None:
    """A row per placement, then what is lacking and what that costs."""
    table = Table(
        title="Readiness: what each placement needs, and what the data has",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for name in ("placement", "has", "wanted", "of what", "published"):
        table.add_column(name, justify="right" if name in ("has", "wanted") else "left")
    for p in found.placements:
        name = p.placement.removeprefix("rec_").replace("_", " ")
        table.add_row(name, f"{p.has:,}", f"{p.wanted:,}", p.needs, _published(p, found))
    console.print(table)
    _list("What is published instead", [p.told for p in found.placements if not p.is_ready])
    missing = found.missing_lists if found.of("audiences").is_ready else {}
    _list("Lists that `audiences` lacks", [f"{name}: {why}" for name, why in missing.items()])
    _list("What the log lacks, and what that costs", [g.told for g in found.gaps if g.costs])
    console.print()


def _list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False
    )
    table.add_column("sign")
    table.add_column("told", overflow="fold")
    for line in lines:
        table.add_row("·", _clean(line, 200))
    console.print(table)


PAIRED = ("rec_similar_items", "rec_bought_together", "rec_cart")


def _published(placement: Placement, found: Readiness) -> str:
    if placement.placement == "audiences" and placement.is_ready and found.missing_lists:
        return "some of its lists"
    if placement.verdict == "off":
        return "nothing: switched off"
    if placement.placement == "rec_next_category" and placement.published_instead == "category":
        return "shares of what was taken"
    # Pairs that are too few to go by are published all the same; nothing else has rows to show.
    is_paired = placement.placement in PAIRED
    nothing = "what there is" if placement.has and is_paired else "nothing"
    return {
        None: "as meant",
        "popularity": "popular items",
        "category": "pairs, then the category",
        "last_month": "last month's shares",
        "nothing": nothing,
    }[placement.published_instead]


VIEWS_IN_WORDS = {"for_you": "all items", "discover": "items new to the user"}
FIGURES = {
    "recall@10": "recall@10",
    "average_precision@10": "MAP@10",
    "hit_rate@10": "hit@10",
    "ndcg@20": "nDCG@20",
    "coverage@10": "coverage",
    "novelty@10": "novelty",
    "diversity@10": "diversity",
}
"""Key of a contender in quality.json → heading, beside nDCG@10."""
BESIDE = ("own_history", "popularity", "champion")
"""Stand beside the challenger in the table of cohorts."""


def _show_quality(run: Run) -> None:
    if not run.attempt.quality.exists():
        return
    report = read_left(run.attempt.quality, "evaluate")
    for placement, found in report["placements"].items():
        if found["contenders"]:
            _show_contenders(placement, found)
            _show_cohorts(placement, found)
        else:
            console.print(f"rec_{placement} is not examined.", markup=False)
        _show_verdict(found)
    if "settings" in report:
        console.print(f"{report['settings']['told']}: {report['settings']['why']}\n", markup=False)
    _show_audience(report.get("audience", {}))


def _show_audience(report: dict[str, Any]) -> None:
    """What the tables about users are made by, and how good that was on the last window."""
    if not report:
        return
    table = _table("What was learnt of users", "about")
    for name in ("by", "what was found"):
        table.add_column(name)
    for name, part in report.items():
        names = [s["name"] for s in part.get("segments", {}).values()]
        told = f"{part['told']}: {'; '.join(names)}" if names else part["told"]
        table.add_row(name.replace("_", " "), part["used"] or "nothing", _clean(told, 200))
    console.print(table)


def _show_contenders(placement: str, found: dict[str, Any]) -> None:
    table = _table(
        f"Quality of rec_{placement}: {VIEWS_IN_WORDS[placement]}, the last"
        f" {found['window_days']} days, {found['n_users']:,} users, every item ranked",
        "model",
        "nDCG@10",
        "95 % interval",
        *FIGURES.values(),
    )
    for row in sorted(found["contenders"], key=lambda r: -_number(r["ndcg@10"])):
        interval = _interval(row, "ndcg@10")
        table.add_row(_clean(row["name"]), _figure(row["ndcg@10"]), interval, *_of(row, FIGURES))
    console.print(table)


def _show_cohorts(placement: str, found: dict[str, Any]) -> None:
    """Users by nDCG@10, items by recall@10: the challenger beside the baselines and the champion."""
    by_name = {row["name"]: row for row in found["contenders"]}
    names = [n for n in dict.fromkeys((found["challenger"], *BESIDE)) if n in by_name]
    title = f"rec_{placement} by cohort: nDCG@10 of users, recall@10 of items, 95 % intervals"
    table = _table(title, "cohort", "users", *map(_clean, names))
    for cohort in found["cohorts"]:
        figure = cohort["figure"]
        n_users = by_name[names[0]]["intervals"][figure][2]
        table.add_row(
            f"{cohort['name']} {figure.split('/')[1]}: {_clean(cohort['told'])}",
            f"{n_users:,}",
            *(_with_interval(by_name[n], figure) for n in names),
        )
    console.print(table)


def _show_verdict(found: dict[str, Any]) -> None:
    console.print(f"  {found['verdict']}", markup=False)
    for told in found["limits"]:
        console.print(f"  {told}", markup=False)
    if found["warning"]:
        console.print(f"  WARNING: {found['warning']}", markup=False, style="bold red")
    if found["reachable"] is not None:
        console.print(
            f"  The sources proposed {found['reachable']:.1%} of what users took: no ranker can"
            " find more.",
            markup=False,
        )
    console.print()


def _of(row: dict[str, Any], figures: dict[str, str]) -> list[str]:
    return [_figure(row[key]) for key in figures]


def _interval(row: dict[str, Any], figure: str) -> str:
    low, high, _ = row["intervals"][figure]
    return "" if low is None else f"{_figure(low)}–{_figure(high)}"


def _with_interval(row: dict[str, Any], figure: str) -> str:
    """Three decimals: as many columns as fit on a terminal."""
    low, high, _ = row["intervals"][figure]
    return "–" if row[figure] is None else f"{row[figure]:.3f} {low:.3f}–{high:.3f}"


def _number(value: Any) -> float:
    return -1.0 if value is None or math.isnan(value) else value


def _figure(value: Any) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


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
    table = Table(
        title=f"Shelves of user {_clean(user)}",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for name in ("shelf", "rank", "item", "title", "reason"):
        table.add_column(name, justify="right" if name == "rank" else "left")
    for name in OF_A_USER:
        rows = _shelf_rows(shop, night, name, user, SHOWN_ITEMS)
        for rank, item, reason, evidence, chance in rows:
            title = _clean(titles.get(item, item), 40)
            table.add_row(
                name,
                str(rank),
                _clean(item, 20),
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
    table = _table(f"Published tables in {night.path}", "table", "rows")
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


def show_nights(home: Home, shop_file: Path) -> None:
    """What was published; files are not read, so that a list of many nights comes at once."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    now, back = current(where), withdrawn(where)
    table = _table(f"Published nights of {shop.name}", "night", "attempt", "rows")
    for name in ("rec_for_you by", "rec_discover by", "readers"):
        table.add_column(name)
    for night in published(where):
        try:
            manifest = night.manifest
        except StorageError:
            manifest = {}
        rows = sum(t["rows"] for t in manifest["tables"].values()) if manifest else None
        seen = "see this one" if now and now.path == night.path else ""
        table.add_row(
            str(night.night),
            str(night.attempt),
            "–" if rows is None else f"{rows:,}",
            *(_clean(_served_by(manifest, p), 40) for p in PLACEMENT_VIEWS),
            seen or ("taken back" if night.name in back else ""),
        )
    console.print(table)
    _tell_unfinished(where, now)


def _tell_unfinished(where: ShopHome, now: PublishedNight | None) -> None:
    if to := unfinished(where, now):
        console.print(
            f"Warning: a roll-back to {to} is under way or was cut short: its models or sinks have not all"
            " followed. `nightshelf roll-back` ends it.",
            markup=False,
        )


def _served_by(manifest: dict, placement: str) -> str:
    """Who ranked a placement, as a manifest tells it."""
    decision = (manifest.get("models") or {}).get(placement)
    if not decision:
        return "–"
    version = decision.get("version")
    return f"{decision['serving']}, version {version}" if version else str(decision["serving"])


def show_verified(home: Home, shop_file: Path) -> None:
    """Reads every published file, and every raw one of a night to come. Raises StorageError where one is
    not its manifest's, or not the ledger's."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    nights, damaged = published(where), []
    table = _table(f"Published nights of {shop.name}", "night", "attempt")
    table.add_column("files")
    with progress("verify") as shown:
        for number, night in enumerate(nights, start=1):
            shown.advance(
                f"{number} of {len(nights)}: night {night.night}, attempt {night.attempt}"
            )
            wrong = damage(night)
            damaged += [f"{night.path}: {w}" for w in wrong]
            table.add_row(
                str(night.night), str(night.attempt), _clean("; ".join(wrong) or "whole", 80)
            )
    console.print(table)
    damaged += astray(where)
    if damaged:
        raise StorageError(
            "Published files are damaged:\n  " + "\n  ".join(damaged),
            "Run those nights again, each gets a new attempt; if readers see one of them,"
            " `nightshelf roll-back --to NIGHT` shows another meanwhile, and mends the pointer.",
        )
    _verify_raw(where)
    _tell_unfinished(where, current(where))


def _verify_raw(where: ShopHome) -> None:
    from nightshelf.ingest.damage import refuse_damaged
    from nightshelf.ingest.ledger import Ledger

    ledger = Ledger(where.ledger)
    refuse_damaged(where, ledger, closely=True)
    console.print(f"Raw rows: {counted(len(ledger.parts()), 'Parquet file')}, whole.", markup=False)


def show_rolled_back(done: RolledBack) -> None:
    before = f"instead of {done.before.name}" if done.before else "where they saw none"
    if done.before == done.target:
        before = "as before"
    console.print(
        f"Readers see night {done.target.name} {before}, moved in {done.seconds:.2f} s.",
        markup=False,
    )
    for line in done.told:
        console.print(f"  {line}", markup=False)
    if done.withdrawn:
        names = ", ".join(night.name for night in done.withdrawn)
        console.print(
            f"  taken back: {names}; their files stay, and `nightshelf roll-back --to` leads there again",
            markup=False,
        )
    console.print(
        "The next night examines its new models against these champions, and publishes as ever.",
        markup=False,
    )


def show_ledger(home: Home, shop_file: Path, everything: bool = False) -> None:
    """Every landing file taken. Without `everything` those that another content replaced are left
    out."""
    from nightshelf.ingest.ledger import Ledger

    shop = load_shop(shop_file)
    landing = shop.landing_in(home, shop_file)
    table = Table(
        title=f"Ledger of {shop.name}", title_justify="left", title_style="bold", pad_edge=False
    )
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
            _clean(file.name, 100),
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
    table = _table(f"Quarantine of {shop.name}", "reason", "rows", "files")
    for name in ("means", "mended", "values at fault"):
        table.add_column(name, overflow="fold")
    for name, n_rows, n_files, values in counts:
        shown = " · ".join(f"{_clean(v, 45)} ({n:,})" for v, n in values)
        table.add_row(name, f"{n_rows:,}", f"{n_files:,}", REASONS[name], MENDED[name], shown)
    console.print(table)
    shown = Table(title="Samples", title_justify="left", title_style="bold", pad_edge=False)
    for column in ("reason", "source", "where", "raw text"):
        shown.add_column(column, overflow="fold")
    for name, file, line, number, raw in rows:
        place = f"{file.name}, " + (f"line {line}" if line is not None else f"row {number}")
        shown.add_row(name, file.source, _clean(place, 60), _clean(raw, 200))
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
    from nightshelf.progress import progress
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
