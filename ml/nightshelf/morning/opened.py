"""A night as its page reads it: the published tables as views, and what the steps left beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from nightshelf.paths import Attempt
from nightshelf.publishing.nights import PublishedNight, published, readers_see
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.settings.shop import Shop
from nightshelf.sql_text import literal
from nightshelf.steps import STEPS, failure, stage_records
from nightshelf.storage import read_json
from nightshelf.warehouse import connect, in_memory

DOORS = ("raw", "features", "shelves")
TONIGHT, BEFORE = "tonight", "before"
"""Schemas of the views: this night's tables, and those of the night before it."""


@dataclass(frozen=True)
class Opened:
    """One attempt, published or not, beside the night published before it."""

    db: duckdb.DuckDBPyConnection
    shop: Shop
    attempt: Attempt
    night: PublishedNight | None
    """None: the attempt has not been published."""
    before: PublishedNight | None

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self.night.manifest if self.night else {}

    @cached_property
    def stages(self) -> list[dict[str, Any]]:
        """One record per finished step that is timed before the page is made, in the night's order."""
        return [r for r in stage_records(self.attempt) if r["stage"] != "morning"]

    @cached_property
    def stages_before(self) -> dict[str, dict[str, Any]]:
        """Step → last night's record; empty where its attempt's folder is gone."""
        return {r["stage"]: r for r in stage_records(self._attempt_before)} if self.before else {}

    @cached_property
    def quality(self) -> dict[str, Any]:
        return _left(self.attempt.quality)

    @cached_property
    def quality_before(self) -> dict[str, Any]:
        return _left(self._attempt_before.quality) if self.before else {}

    @cached_property
    def doors(self) -> dict[str, dict[str, Any]]:
        """Door → what it found; only those that were asked."""
        found = {door: _left(self.attempt.doors / f"{door}.json") for door in DOORS}
        return {door: told for door, told in found.items() if told}

    @property
    def _attempt_before(self) -> Attempt:
        return self.attempt.shop.attempt(self.before.night, self.before.attempt)

    @cached_property
    def stopped_at(self) -> str | None:
        """The first step that has no record; None where the night went through."""
        done = {r["stage"] for r in self.stages}
        return next((s for s in STEPS if s not in done and s != "morning"), None)

    @cached_property
    def failure(self) -> dict[str, Any] | None:
        """{stage, what, next_step, exit_code} of the step that failed; None where one was killed, too."""
        return failure(self.attempt)

    @cached_property
    def readers_see(self) -> PublishedNight | None:
        """As of the moment the page is made; None also where the link leads nowhere."""
        return readers_see(self.attempt.shop)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Item → title as of the night; empty where the attempt's tables are gone or damaged."""
        try:
            with connect(self.attempt.database) as db:
                return dict(
                    db.execute(
                        "select item_id, title from marts.dim_items where title is not null"
                    ).fetchall()
                )
        except duckdb.Error:
            return {}

    def has(self, table: str, schema: str = TONIGHT) -> bool:
        """An older night, or one that stopped, lacks tables."""
        asked = "from duckdb_views() where schema_name = ? and view_name = ?"
        return bool(self.db.execute(asked, [schema, table]).fetchall())

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        done = self.db.execute(sql, list(values))
        names = [column[0] for column in done.description]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


@contextmanager
def opened(shop: Shop, attempt: Attempt) -> Iterator[Opened]:
    night = _published(attempt)
    before = _before(attempt)
    with in_memory(attempt.shop) as db:
        _show(db, TONIGHT, night)
        _show(db, BEFORE, before)
        yield Opened(db, shop, attempt, night, before)


def _published(attempt: Attempt) -> PublishedNight | None:
    if not (attempt.published / "manifest.json").exists():
        return None
    return PublishedNight(attempt.night, attempt.number, attempt.published)


def _before(attempt: Attempt) -> PublishedNight | None:
    """The newest attempt of the newest earlier night that readers were shown and that still stands."""
    back = withdrawn(attempt.shop)
    earlier = (n for n in published(attempt.shop) if n.night < attempt.night)
    return max((n for n in earlier if n.name not in back), default=None)


def _show(db: duckdb.DuckDBPyConnection, schema: str, night: PublishedNight | None) -> None:
    db.execute(f"create schema {schema}")
    for name in night.manifest["tables"] if night else ():
        path = night.path / name
        if path.exists():
            db.execute(f'create view {schema}."{path.stem}" as from read_parquet({literal(path)})')


def _left(path: Path) -> dict[str, Any]:
    """A JSON file of the attempt; empty where it is gone or cut: the page says what it lacks."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
