"""MLflow's database: the home's own SQLite file, or the PostgreSQL that NIGHTSHELF_MLFLOW_URI names.

Nights talk to it directly, and what it fails with is said in words that never hold its password.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nightshelf.errors import NightshelfError, SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import Home
from nightshelf.registry import patience

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE = "NIGHTSHELF_MLFLOW_URI"
CONNECT_SECONDS = 15
STATEMENT_SECONDS = 60
"""A night's longest statement takes less than a second."""
LOCKED = "database is locked"
SLOW = ("statement timeout", "lock timeout")
RESTORE = (
    "Restore mlflow.db from a backup; or move it and the folder artifacts beside it away: the next night"
    " then begins without a champion."
)
RESTORE_SERVER = (
    "Restore it from a backup (`nightshelf restore`); or move the home's folder mlflow away: the next"
    " night then begins without a champion."
)
UPGRADE = "Run `nightshelf prepare`; if a newer MLflow wrote it, install that one instead."
START = f"Start it, or mend {VARIABLE}, then run this step again."
NEXT_STEPS = {
    LOCKED: "Let the other process finish, or end it, then run this step again.",
    "malformed": RESTORE,
    "file is not a database": RESTORE,
    "out-of-date database schema": "Keep a copy of it, then run `mlflow db upgrade` on it; if a newer"
    " MLflow wrote it, install that one instead.",
    "disk is full": "Free space there, then run this step again.",
    "No space left": "Free space there, then run this step again.",
    "unable to open": "Let this user write there, then run this step again.",
    "readonly": "Let this user write there, then run this step again.",
    "denied": "Let this user write there, then run this step again.",
}
"""What a message of MLflow, SQLite or the system says → what to do."""
NEXT_STEPS_OF_A_SERVER = {
    "out-of-date database schema": UPGRADE,
    "No space left": "Free space on that machine, then run this step again.",
    "password": f"Mend user and password in {VARIABLE}, then run this step again.",
    "does not exist": f"Make it, or mend {VARIABLE}, then run this step again.",
    "permission denied": "Let this user write there, then run this step again.",
    "read-only transaction": f"Name the primary server in {VARIABLE}, then run this step again.",
    "too many": "Let that server take more connections, or end some, then run this step again.",
    "onnection": START,
    "timeout expired": START,
    "resolve host": START,
    "shutting down": START,
    "starting up": "Wait until it has started, then run this step again.",
}
"""The same of PostgreSQL and its driver."""


def uri_of(home: Home, patient: bool = True) -> str:
    """What MLflow is given. Of PostgreSQL it bounds the wait for a connection and, if `patient` is true,
    for each statement; migrations may take longer. Raises SettingsError where it is neither."""
    if not home.mlflow_uri_given:
        return home.mlflow_uri
    limits = {"connect_timeout": str(CONNECT_SECONDS), "tcp_user_timeout": "30000"}
    if patient:
        limits["options"] = f"--statement_timeout={STATEMENT_SECONDS}s"
    url = _parsed(home.mlflow_uri).set(drivername="postgresql+psycopg")
    url = url.update_query_dict({k: v for k, v in limits.items() if k not in url.query})
    return url.render_as_string(hide_password=False)


def _parsed(uri: str) -> URL:
    """What is wrong with it is not repeated: it holds a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "postgresql" or "@" in (url.host or ""):
        raise SettingsError(
            f"{VARIABLE} is no address of a PostgreSQL database.",
            "Write postgresql://user:password@host:port/database, with %40 for an @ in the password; or"
            " unset it, and MLflow's database is a file in the home.",
        )
    return url


def told_of(uri: str) -> str:
    """The database's place, in words."""
    if uri.startswith("sqlite"):
        return f"MLflow's database {uri}"
    url = _parsed(uri)
    host = url.host or url.query.get("host", "this machine")
    return f"MLflow's database {url.database} on PostgreSQL at {host}:{url.port or 5432}"


def in_words(uri: str, error: Exception) -> NightshelfError:
    """WarehouseLocked where another process holds it, else StorageError."""
    first = _said(error)
    if uri.startswith("sqlite"):
        return _in_words(uri, first, NEXT_STEPS, "look at the home's folder mlflow")
    if isinstance(error, OSError):
        return StorageError(
            f"MLflow's artefacts in the home cannot be used: {first}",
            next(
                (NEXT_STEPS[sign] for sign in NEXT_STEPS if sign in first), "Look at that folder."
            ),
        )
    if patience.gave_up():
        first = f"no answer for {patience.SILENT_SECONDS:g} s"
        return _in_words(uri, first, {first: START}, "")
    if any(sign in first for sign in SLOW):
        return WarehouseLocked(
            f"{told_of(uri)} took longer than {STATEMENT_SECONDS} s: {first}",
            "Look at what it is busy with (`pg_stat_activity`), then run this step again.",
        )
    return _in_words(uri, first, NEXT_STEPS_OF_A_SERVER, "look at that server's log")


def _said(error: Exception) -> str:
    """Its first line, but for SQLAlchemy's remark on when it was raised."""
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result")]
    return lines[0] if lines else repr(error)


def _in_words(uri: str, first: str, steps: dict[str, str], look: str) -> NightshelfError:
    sign = next((sign for sign in steps if sign in first), None)
    if sign == LOCKED:
        return WarehouseLocked(f"Another process holds MLflow's database {uri}.", steps[sign])
    again = f"Run this step again; if it ends so again, {look}."
    return StorageError(f"{told_of(uri)} cannot be used: {first}", steps.get(sign, again))


def refuse_emptied(home: Home) -> None:
    """A database that is gone, empty or another's would be made anew, and every champion be forgotten."""
    if home.mlflow_uri_given:
        _refuse_emptied_server(home)
        return
    path = home.mlflow / "mlflow.db"
    if path.is_symlink() and not path.exists():
        raise StorageError(f"MLflow's database {path} is a link to nothing.", RESTORE)
    if not (home.mlflow / "artifacts").exists():
        return
    if not path.exists():
        raise StorageError(f"MLflow's database {path} is gone, though it has artefacts.", RESTORE)
    if path.is_file() and not path.stat().st_size:
        raise StorageError(f"MLflow's database {path} is empty, though it has artefacts.", RESTORE)


def _refuse_emptied_server(home: Home) -> None:
    """Asks before MLflow does, which tries for minutes to reach a server that is not there."""
    import psycopg

    uri = uri_of(home)
    try:
        with psycopg.connect(_for_psycopg(uri)) as db:
            (there,) = db.execute("select to_regclass('experiments') is not null").fetchone()
    except psycopg.Error as error:
        raise in_words(uri, error) from None
    if not there and (home.mlflow / "artifacts").exists():
        raise StorageError(
            f"{told_of(uri)} is empty, though {home.mlflow} has artefacts.", RESTORE_SERVER
        )


def _for_psycopg(uri: str) -> str:
    return "postgresql" + uri.removeprefix("postgresql+psycopg")


def make_tables(home: Home) -> None:
    """A new file gets its name when its tables are whole: MLflow makes them in dozens of steps, and does
    not go on where it was killed among them. PostgreSQL undoes what was not finished."""
    path, incoming = home.mlflow / "mlflow.db", home.mlflow / ".incoming.db"
    if home.mlflow_uri_given or path.exists():
        return
    from mlflow import MlflowClient

    for left in home.mlflow.glob(f"{incoming.name}*"):
        left.unlink()
    MlflowClient(tracking_uri=f"sqlite:///{incoming}").search_experiments(max_results=1)
    incoming.replace(path)


def upgrade(home: Home) -> None:
    """Brings the tables to this MLflow's version, or makes them. To be called while no server is up."""
    from mlflow.db import upgrade as command
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    os.environ.setdefault("DO_NOT_TRACK", "true")
    home.mlflow.mkdir(parents=True, exist_ok=True)
    refuse_emptied(home)
    make_tables(home)
    try:
        command.main([uri_of(home, patient=False)], standalone_mode=False)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise in_words(home.mlflow_uri, error) from None
