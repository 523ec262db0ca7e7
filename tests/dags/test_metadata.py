"""Airflow's SQLite: what begins with a savepoint can be written, whoever wrote meanwhile."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from nightshelf.orchestration.environment import environment
from nightshelf.paths import PROJECT, Home

sys.path.append(str(PROJECT / "plugins"))
import airflow_local_settings as local  # noqa: E402


@pytest.fixture
def database(tmp_path) -> str:
    path = str(tmp_path / "airflow.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table run (n integer)")
    return path


def read_then_write(engine, path: str) -> None:
    """As Airflow creates a run of a backfill, while its scheduler writes."""
    with Session(engine) as session, session.begin_nested():
        session.execute(text("select count(*) from run")).all()
        with closing(sqlite3.connect(path, timeout=0)) as scheduler, scheduler:
            scheduler.execute("insert into run values (1)")
        session.execute(text("insert into run values (2)"))


def test_without_it_a_savepoint_loses_to_whoever_writes_meanwhile(database):
    with pytest.raises(OperationalError, match="locked"):
        read_then_write(create_engine(f"sqlite:///{database}"), database)


def test_a_savepoint_holds_off_whoever_would_write_meanwhile(database):
    engine = local.create_metadata_engine(
        f"sqlite:///{database}", engine_args={}, connect_args={"check_same_thread": False}
    )
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        read_then_write(engine, database)  # the scheduler waits; here it has no patience
    with Session(engine) as session:
        with session.begin_nested():
            session.execute(text("insert into run values (2)"))
        session.commit()
        assert session.execute(text("select n from run")).all() == [(2,)]


def test_airflow_finds_it_in_every_home(tmp_path):
    folder = environment(Home(tmp_path))["AIRFLOW__CORE__PLUGINS_FOLDER"]
    assert (PROJECT / "plugins" / "airflow_local_settings.py").samefile(
        f"{folder}/airflow_local_settings.py"
    )
