"""Published nights: which there are, whether they read back, what a roll-back did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nightshelf.errors import StorageError
from nightshelf.paths import Home, ShopHome
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import console, counted, progress
from nightshelf.publishing.nights import (
    PublishedNight,
    astray,
    current,
    damage,
    published,
    readers_see,
)
from nightshelf.publishing.unfinished import unfinished
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.settings.shop import load_shop
from nightshelf.terminal import clean, figures_table

if TYPE_CHECKING:
    from nightshelf.publishing.roll_back import RolledBack


def show_nights(home: Home, shop_file: Path) -> None:
    """What was published; files are not read, so that a list of many nights comes at once."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    now, back = readers_see(where), withdrawn(where)
    table = figures_table(f"Published nights of {shop.name}", "night", "attempt", "rows")
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
            *(clean(_served_by(manifest, p), 40) for p in PLACEMENT_VIEWS),
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
    table = figures_table(f"Published nights of {shop.name}", "night", "attempt")
    table.add_column("files")
    with progress("verify") as shown:
        for number, night in enumerate(nights, start=1):
            shown.advance(
                f"{number} of {len(nights)}: night {night.night}, attempt {night.attempt}"
            )
            wrong = damage(night)
            damaged += [f"{night.path}: {w}" for w in wrong]
            table.add_row(
                str(night.night), str(night.attempt), clean("; ".join(wrong) or "whole", 80)
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
