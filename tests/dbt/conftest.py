"""dbt once a session, in a folder of its own: everything built empty; its unit tests for whoever asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from nightshelf.columns import CONTRACTS, PROVENANCE, SHELF
from nightshelf.pinned.inputs import FILES
from nightshelf.transform.exploring import SETTINGS
from nightshelf.transform.rules import LINES
from nightshelf.transform.visit import DBT_PROJECT

EVENTS_BY_DAY = (
    "create view raw.events_by_day as select *, occurred_at::date as occurred_on from raw.events"
)
ML = """
create schema ml;
create table ml.fingerprints (shelf varchar, fingerprint varchar);
create table ml.for_you (user_id varchar, item_id varchar, score double, source varchar);
create table ml.discover as from ml.for_you;
create table ml.similar_items
    (item_id varchar, similar_item_id varchar, score double, rank integer, source varchar);
create table ml.bought_together
    (item_id varchar, companion_id varchar, score double, rank integer, n_baskets integer);
create table ml.cart (item_id varchar, second_id varchar, completion_id varchar, score double, is_counted boolean);
create table ml.next_categories (user_id varchar, category varchar, probability double);
create table ml.trending (item_id varchar, more_users double);
create table ml.onboarding (item_id varchar, bits double);
create table ml.interest_forecast
    (user_id varchar, rank integer, category varchar, probability double, source varchar);
create table ml.interest_tags
    (user_id varchar, kind varchar, subject varchar, probability double, base_rate double);
create table ml.churn (user_id varchar, probability double, source varchar);
create table ml.segments (user_id varchar, segment integer, name varchar);
"""


@dataclass(frozen=True, repr=False)
class Project:
    manifest: dict
    database: Path
    """Where every model is built, and empty."""
    compiled: dict[str, str]
    """Model → its SQL as dbt runs it on a history that exists, with the project's own variables."""

    def __repr__(self) -> str:
        """Short, since hypothesis prints what it gives to a failing test."""
        return "Project"

    def nodes(self, kind: str) -> dict[str, dict]:
        return {n["name"]: n for n in self.manifest["nodes"].values() if n["resource_type"] == kind}


def _raw(path) -> None:
    with duckdb.connect(str(path)) as db:
        db.execute("create schema raw")
        for name, contract in CONTRACTS.items():
            columns = ", ".join(f'"{c}" {kind}' for c, kind in (contract | PROVENANCE).items())
            db.execute(f"create table raw.{name} ({columns})")
        db.execute(EVENTS_BY_DAY)
        files = ", ".join(f"{name} {kind}" for name, kind in FILES.items())
        db.execute(f"create table raw.files ({files})")
        db.execute("create table raw.items_once (item_id varchar)")
        db.execute("create table raw.facts (sessions_are_visitors boolean)")
        db.execute("create table raw.days (occurred_on date, fingerprint varchar, n_events bigint)")
        shelf = ", ".join(f"{c} {kind}" for c, kind in SHELF.items())
        db.execute(f"create table raw.published ({shelf})")
        db.execute("create table raw.published_nights (night date, attempt integer)")
        lines = ", ".join(f"{name} {kind}" for name, kind in LINES.items())
        db.execute(f"create table raw.rules ({lines})")
        exploring = ", ".join(f"{name} {kind}" for name, kind in SETTINGS.items())
        db.execute(f"create table raw.exploration ({exploring})")
        db.execute(ML)


@contextmanager
def _dbt(folder: Path) -> Iterator[Callable]:
    """Inside, what is called with a dbt command and gives its result."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    where = [
        "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--quiet",
        "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as given:
        given.setenv("NIGHTSHELF_NIGHT_DB", str(folder / "night.duckdb"))
        given.setenv("NIGHTSHELF_WAREHOUSE", str(folder / "warehouse.duckdb"))
        given.setenv("NIGHTSHELF_SPILL", str(folder / "spill"))
        yield lambda *command: dbtRunner().invoke([*command, *where])
        DuckDBConnectionManager.close_all_connections()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("dbt")
    _raw(folder / "night.duckdb")
    with _dbt(folder) as dbt:
        built = dbt("run", "--empty")
        assert built.success, [r.message for r in built.result.results if r.status != "success"]
        compiled = dbt("compile")
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    sql = {
        r.node.name: r.node.compiled_code
        for r in compiled.result.results
        if r.node.resource_type == "model"
    }
    return Project(manifest, folder / "night.duckdb", sql)


@pytest.fixture(scope="session")
def statuses(project) -> dict[str, str]:
    """Unit test → what became of it. They look up the columns of what they are given, so the tables must
    exist."""
    with _dbt(project.database.parent) as dbt:
        tested = dbt("test", "--select", "test_type:unit")
    assert tested.exception is None
    return {r.node.name: _told(r) for r in tested.result.results}


def _told(result) -> str:
    return str(result.status) if result.status == "pass" else f"{result.status}: {result.message}"
