"""One night of the busy shop from each of many logs, whose lines were landed together, once.

Landing takes longer than dbt's SQL. So a file holds the lines of all logs, and a build is given
those rows of it that are of its own log.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from nightshelf.columns import CONTRACTS
from nightshelf.dataset.interactions import InteractionLog
from nightshelf.paths import Attempt, Home
from nightshelf.progress import progress
from nightshelf.steps import Run, ingest, open_night
from nightshelf.transform.visit import build
from nightshelf.warehouse import connect
from tests.support.busy_shop import COLUMNS, N_ITEMS, N_PEOPLE, NIGHT, Line, Log
from tests.support.leakage import read_log
from tests.support.replay import Model, ran, replay


@dataclass(frozen=True)
class Build:
    """`log` is what the models read of it."""

    run: Run
    log: InteractionLog

    @property
    def attempt(self) -> Attempt:
        return self.run.attempt


@dataclass(frozen=True)
class Landed:
    """Lines of several logs. `rows`: file → line → its row numbers, as many as a log has of it."""

    run: Run
    rows: dict[str, dict[tuple[str, ...], list[int]]]

    @classmethod
    def of(cls, folder: Path, logs: Iterable[Log]) -> Landed:
        lines = {name: _together([log.files[name] for log in logs]) for name in COLUMNS}
        run = open_night(Home(folder / "home"), Log(lines).write(folder), NIGHT)
        ingest(run)
        with connect(run.attempt.database, read_only=False) as db:
            db.execute("create schema landed")
            for kind in CONTRACTS:
                db.execute(f"create table landed.{kind} as from raw.{kind}")
            db.execute(_PUBLISHED)
        return cls(run, {name: _numbered(of_file) for name, of_file in lines.items()})

    def by_dbt(self, folder: Path, log: Log) -> tuple[Build, list[Model]]:
        """With the SQL that dbt ran; its own tests hold, or it fails. Eleven seconds of a core."""
        run = self._pinned(folder, log)
        with progress("prepare") as shown:
            build("prepare", run.shop, run.night, run.attempt, shown)
        return Build(run, read_log(run)), ran(run.attempt)

    def replayed(self, folder: Path, log: Log, models: Sequence[Model]) -> Build:
        """Half a second of a core, and 10 MB below the folder."""
        run = self._pinned(folder, log)
        replay(models, run.attempt)
        return Build(run, read_log(run))

    def _pinned(self, folder: Path, log: Log) -> Run:
        """An attempt in a home of its own that sees the log's lines."""
        run = replace(self.run, attempt=_attempt(self.run, folder))
        shutil.copy(self.run.attempt.database, run.attempt.database)
        with connect(run.attempt.database, read_only=False) as db:
            db.register("places", pa.Table.from_pylist(list(self._places(log))))
            db.execute("create table landed.mine as from places")
            for kind in CONTRACTS:
                db.execute(f"""
                    create or replace view raw.{kind} as
                    select rows.* from landed.{kind} as rows
                    join raw.files using (file_id)
                    join landed.mine using (name, row_number)""")
            db.execute("""
                create or replace view raw.events_by_day as
                select *, occurred_at::date as occurred_on from raw.events""")
        return run

    def _places(self, log: Log) -> Iterable[dict[str, object]]:
        for name, lines in log.files.items():
            for line, times in Counter(map(_text, lines)).items():
                for number in self.rows[name][line][:times]:
                    yield {"name": f"{name}.csv", "row_number": number}


_PUBLISHED = f"""
    insert into raw.published_nights
    select date '{NIGHT}' - days, 1 from (values (14), (3)) as before(days);
    drop view raw.published;
    create table raw.published as
    select night, 'for_you' as placement, 'user' as context_type, format('U{{:02d}}', who) as context_id,
        n + 1 as rank, format('I{{:02d}}', n) as item_id, 1 / (n + 1) as score, 'ials' as source,
        'similar_shoppers' as reason_code, []::varchar[] as evidence, 'f' as model_fingerprint,
        n % 3 = 0 as is_exploration, 0.5::double as propensity
    from raw.published_nights, range({N_PEOPLE}) as people(who), range({N_ITEMS}) as items(n)
"""
"""Two nights before, each of which had every item on everybody's list: what the shop's impressions show."""


def _attempt(run: Run, folder: Path) -> Attempt:
    attempt = Home(folder).shop(run.shop.name).attempt(NIGHT, 1)
    attempt.root.mkdir(parents=True)
    return attempt


def _text(line: Line) -> tuple[str, ...]:
    return tuple(line.values())


def _together(logs: Sequence[Sequence[Line]]) -> list[Line]:
    """Each line as often as the log has it that has it most often, in the order of first sight."""
    lines = {_text(line): line for log in logs for line in log}
    times: Counter[tuple[str, ...]] = Counter()
    for log in logs:
        times |= Counter(map(_text, log))
    return [line for text, line in lines.items() for _ in range(times[text])]


def _numbered(lines: Sequence[Line]) -> dict[tuple[str, ...], list[int]]:
    rows: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        rows[_text(line)].append(number)
    return rows


def with_other_sql(of: Build, models: Sequence[Model], folder: Path) -> Attempt:
    """A copy of the build's tables in which these models are built anew."""
    attempt = _attempt(of.run, folder)
    shutil.copy(of.attempt.database, attempt.database)
    shutil.copy(of.attempt.shop.warehouse, attempt.shop.warehouse)
    replay(models, attempt)
    return attempt
