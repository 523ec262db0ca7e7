"""Runs of the DAG whose process died, and whom Airflow takes for living."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

DAG = "nightly_recommendations"


def bury_abandoned_runs(where: Path) -> None:
    """Marks runs as failed whose process died. Else one would hold the DAG's only active run.

    Only those of `night-by-airflow` (triggered by TEST): the scheduler looks after its own.
    """
    database = where / "airflow.db"
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=30)) as db, db:
        over = "dag_id = ? and triggered_by = 'TEST' and state in ('running', 'queued')"
        db.execute(
            "update task_instance set state = 'failed' where state is not null and state not in"
            f" ('success', 'failed') and run_id in (select run_id from dag_run where {over})"
            " and dag_id = ?",
            [DAG, DAG],
        )
        db.execute(f"update dag_run set state = 'failed' where {over}", [DAG])
