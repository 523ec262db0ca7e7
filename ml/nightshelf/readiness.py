"""What each placement needs, what the data has, and what is published instead: rpt_readiness, asked
of a night that has been prepared, or of the log alone before any night."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from nightshelf.errors import InputError
from nightshelf.night import Night
from nightshelf.paths import Attempt, Home
from nightshelf.progress import progress
from nightshelf.settings.shop import Events, Shop
from nightshelf.warehouse import connect


@dataclass(frozen=True)
class Placement:
    """One row of rpt_readiness."""

    placement: str
    needs: str
    has: int
    wanted: int
    is_ready: bool
    verdict: str
    published_instead: str | None
    told: str

    @property
    def may_be_empty(self) -> bool:
        return self.published_instead == "nothing"


LISTS = {
    "lapses": "user_churn_risk",
    "rising and fading interests": "user_interest_history",
    "interests beyond habit": "user_interest_forecast",
}
"""Lists of `audiences` → the table that has to be ready; the other lists need its own rows only."""


LEARNT = {
    "rec_similar_items": "similar_items",
    "rec_bought_together": "bought_together",
    "rec_cart": "cart",
}
"""Shelves of pairs → the table of scores that they are made from. It may be empty though there is enough to learn
from: where everything goes with everything no pair is more than chance."""


@dataclass(frozen=True)
class Gap:
    """One row of rpt_gaps."""

    gap: str
    has: int
    of_all: int | None
    is_lacking: bool
    told: str

    @property
    def costs(self) -> bool:
        """Is there anything that lacks it?"""
        return self.is_lacking or (self.of_all is not None and self.has < self.of_all)


@dataclass(frozen=True)
class Readiness:
    """One row per placement, and one per gap that a shop may have; both in dbt's order."""

    placements: tuple[Placement, ...]
    gaps: tuple[Gap, ...]

    def of(self, placement: str) -> Placement:
        return next(p for p in self.placements if p.placement == placement)

    @property
    def missing_lists(self) -> dict[str, str]:
        """Lists of `audiences` that will not be made → why: what they are made from is not ready."""
        made_from = {lists: self.of(placement) for lists, placement in LISTS.items()}
        return {
            lists: f"{p.has:,} {p.needs}, {p.wanted:,} wanted"
            for lists, p in made_from.items()
            if not p.is_ready
        }


@dataclass(frozen=True)
class Look(Attempt):
    """A look at the log beside the attempts at a night: it is never trained or published."""

    @property
    def root(self) -> Path:
        return self.shop.root / "readiness"


def read_readiness(attempt: Attempt) -> Readiness:
    """What the attempt's visit to dbt found."""
    with connect(attempt.database) as db:
        placements = db.execute("from reports.rpt_readiness").fetchall()
        gaps = db.execute("from reports.rpt_gaps").fetchall()
    return Readiness(tuple(Placement(*p) for p in placements), tuple(Gap(*g) for g in gaps))


def learnt_nothing(attempt: Attempt) -> tuple[str, ...]:
    """Of LEARNT, shelves that readiness calls ready and of which nothing was learnt."""
    ready = read_readiness(attempt)
    with connect(attempt.database) as db:
        return tuple(
            shelf
            for shelf, scores in LEARNT.items()
            if ready.of(shelf).is_ready and not db.execute(f"from ml.{scores} limit 1").fetchall()
        )


def look(home: Home, shop: Shop, shop_file: Path, landing: Path, night: Night) -> Readiness:
    """Takes new landing files in and makes the night's features, as its first steps do, and stops
    there: the figures are those that the night itself will find. No door is asked."""
    from nightshelf.ingest.run import ingest
    from nightshelf.pinned.inputs import pin
    from nightshelf.pinned.settings import pin as settings_of
    from nightshelf.transform.rules import refuse_without_column
    from nightshelf.transform.visit import build
    from nightshelf.warehouse import writer

    where = home.shop(shop.name)
    seen = Look(where, night.date, 0)
    with progress("readiness") as shown, writer(where, f"readiness {night.date}"):
        shutil.rmtree(seen.root, ignore_errors=True)
        seen.root.mkdir(parents=True)
        try:
            ingest(shop, landing, where, shown)
            pin(seen, night)
            settings_of(home, shop.name, seen)
            build("prepare", shop, night, seen, shown)
            refuse_without_target(shop, night, seen)
            refuse_without_column(shop, shop_file, night.date, seen)
            return read_readiness(seen)
        finally:
            shutil.rmtree(seen.root, ignore_errors=True)


def refuse_without_target(shop: Shop, night: Night, attempt: Attempt) -> None:
    """Raises InputError where the event that shelves are made to bring about never happened."""
    target = shop.events.target
    with connect(attempt.database) as db:
        if db.execute("from marts.fct_interactions where event_type = ?", [target]).fetchone():
            return
        types = db.execute(
            "select event_type, count(*) as n from raw.events"
            " where item_id is not null and occurred_at < ?"
            " group by event_type order by n desc, event_type",
            [night.instant.replace(tzinfo=None)],
        ).fetchall()
    there = ", ".join(f"{name} {n:,}" for name, n in types) or "none"
    raise InputError(
        f"Shelves are made to bring about a '{target}' (`events.target`), and no user has one before"
        f" {night.date}. Events about items before it: {there}.",
        _way_out(target, [name for name, _ in types]),
    )


def _way_out(target: str, types: list[str]) -> str:
    # Targets stand in the order of their nearness to a purchase.
    known = get_args(Events.model_fields["target"].annotation)
    usable = next((t for t in known if t in types), None)
    if usable is None or target in types:
        return (
            "Look at rpt_events: which rule of `cleaning` drops them, or do they name no user?"
            " Mend the shop file."
        )
    return (
        f'Set `target = "{usable}"` under [events] in the shop file, or map the shop\'s name for'
        f" '{target}' in `event_types` of its source."
    )
