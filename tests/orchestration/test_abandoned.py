"""A run whose process died is not taken for living."""

from __future__ import annotations

import sqlite3

import pytest

from nightshelf.orchestration.abandoned import DAG, bury_abandoned_runs
from nightshelf.paths import Home


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def test_a_run_whose_process_died_does_not_stay_active(home):
    home.airflow.mkdir(parents=True)
    with sqlite3.connect(home.airflow / "airflow.db") as db:
        db.execute("create table dag_run (dag_id, run_id, triggered_by, state)")
        db.execute("create table task_instance (dag_id, run_id, state)")
        for who, state in (("TEST", "running"), ("TEST", "success"), ("TIMETABLE", "running")):
            db.execute(
                "insert into dag_run values (?, ?, ?, ?)",
                [DAG, f"{who}{state}", who, state],
            )
        db.execute("insert into task_instance values (?, 'TESTrunning', 'running')", [DAG])
    bury_abandoned_runs(home.airflow)
    with sqlite3.connect(home.airflow / "airflow.db") as db:
        assert db.execute("select state from dag_run order by rowid").fetchall() == [
            ("failed",),
            ("success",),
            ("running",),
        ]
        assert db.execute("select state from task_instance").fetchall() == [("failed",)]
