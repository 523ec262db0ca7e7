"""Whole nights of the trap shop, run in this process once: the imports cost more than a night."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from nightshelf import cli
from nightshelf.paths import Home
from nightshelf.publishing.nights import current
from nightshelf.steps import STEPS, Run, resume, whole_night
from nightshelf.storage import sha256_of
from tests.support import trap_shop


@dataclass(frozen=True)
class Night:
    """A run, the log it read, the sha256 of every published table, and the attempt that readers saw when
    it had ended."""

    run: Run
    log: trap_shop.Log
    sha256: dict[str, str]
    readers_saw: int

    @property
    def home(self) -> Home:
        return self.run.home

    @property
    def shop_file(self) -> Path:
        return self.run.shop_file

    def rows(self, table: str, what: str = "*", where: str = "true", *given) -> list[tuple]:
        path = str(self.run.attempt.published / f"{table}.parquet")
        sql = f"select {what} from read_parquet($path) where {where} order by all"
        named = {f"p{n}": value for n, value in enumerate(given, start=1)}
        return duckdb.execute(sql, {"path": path, **named}).fetchall()

    def report(self) -> dict[str, object]:
        """The one row of rpt_events by column name."""
        names = self.run.attempt.published / "rpt_events.parquet"
        found = duckdb.execute("from read_parquet($path)", {"path": str(names)})
        return dict(zip((d[0] for d in found.description), found.fetchone(), strict=True))


def _ended(run: Run, log: trap_shop.Log) -> Night:
    tables = sorted(run.attempt.published.glob("*.parquet"))
    saw = current(run.attempt.shop).attempt
    return Night(run, log, {p.name: sha256_of(p) for p in tables}, saw)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables, and the clock's zone, while inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    time.tzset()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        time.tzset()


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Night:
    """The trap shop's night, in a home whose name is as hostile as its ids."""
    folder = tmp_path_factory.mktemp("trap")
    log = trap_shop.log()
    shop_file = trap_shop.write(folder, log)
    home = Home(folder / "a home, 50% {full} o'clock $x [1]")
    return _ended(whole_night(home, shop_file, trap_shop.NIGHT), log)


@pytest.fixture(scope="session")
def second(night: Night) -> Night:
    """A second attempt, after events on and after the night's date have landed."""
    log = trap_shop.log()
    trap_shop.afterthoughts(log)
    trap_shop.write(night.shop_file.parent, log)
    return _ended(whole_night(night.home, night.shop_file, trap_shop.NIGHT), log)


@pytest.fixture(scope="session")
def unretrained(second: Night) -> Night:
    """A third attempt at the same, by the models that reign."""
    run = whole_night(second.home, second.shop_file, trap_shop.NIGHT, retrains=False)
    return _ended(run, second.log)


@pytest.fixture(scope="session")
def stepwise(tmp_path_factory) -> Night:
    """The same log, landed in another order, elsewhere on the globe, on one core, step by step."""
    folder = tmp_path_factory.mktemp("stepwise")
    log = trap_shop.log()
    shop_file = trap_shop.write(folder, log)
    home = Home(folder / "home")
    given = ["--shop", str(shop_file), "--as-of", str(trap_shop.NIGHT), "--home", str(home.root)]
    with environment(TZ="Pacific/Kiritimati", NIGHTSHELF_THREADS="1"):
        _land_the_end_first(folder, given)
        for step in STEPS:
            command = ["gate", step.removeprefix("door_")] if step.startswith("door_") else [step]
            done = CliRunner().invoke(cli.app, [*command, *given], catch_exceptions=False)
            assert done.exit_code == 0, done.output
    return _ended(resume(home, shop_file, trap_shop.NIGHT, None), log)


def _land_the_end_first(folder: Path, given: list[str]) -> None:
    """Ingests what sorts last, and then lets the rest land."""
    orders, aside = folder / "landing" / "orders", folder / "aside"
    aside.mkdir()
    for path in sorted(orders.iterdir())[:60]:
        shutil.move(path, aside / path.name)
    for command in ("open", "ingest"):
        done = CliRunner().invoke(cli.app, [command, *given], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    for path in aside.iterdir():
        shutil.move(path, orders / path.name)
