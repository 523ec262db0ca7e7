"""Airflow imports this by its name: how it opens its metadata database.

On SQLite a savepoint takes the write lock first. Python's driver begins no transaction before SAVEPOINT:
what is read behind it is a snapshot, and a write upon it is refused at once, as "database is locked",
where another process has written meanwhile, however long the timeout. Airflow creates each run of a
backfill that way while its scheduler writes: one in fifty failed, and took the scheduler with it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

__all__ = ["create_metadata_engine"]

WAIT_SECONDS = 30
"""For another process's write; SQLite's own patience is 5."""


def create_metadata_engine(
    sql_alchemy_conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]
) -> Engine:
    """Replaces Airflow's function of this name; other databases are opened as it opens them."""
    if not sql_alchemy_conn.startswith("sqlite"):
        return create_engine(sql_alchemy_conn, connect_args=connect_args, **engine_args)
    patient = {"timeout": WAIT_SECONDS, **connect_args}
    engine = create_engine(sql_alchemy_conn, connect_args=patient, **engine_args)
    event.listen(engine, "savepoint", _take_the_write_lock)
    return engine


def _take_the_write_lock(connection: Connection, name: str) -> None:
    if not connection.connection.dbapi_connection.in_transaction:
        connection.exec_driver_sql("begin immediate")
