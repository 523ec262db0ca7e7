"""A server's databases, dumped and put back by PostgreSQL's own tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from nightshelf.errors import SettingsError, StorageError, WarehouseLocked

VARIABLES = {
    "airflow": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "mlflow": "NIGHTSHELF_MLFLOW_URI",
    "shelves": "NIGHTSHELF_SHELVES_URL",
}
"""Database → the variable with its address; it is a server's where that names PostgreSQL."""
EMPTIED = "drop owned by current_user cascade;\n"
"""What a newer version has added must not outlive the way back to an older one. Rights are the owner's."""


def addresses() -> dict[str, str]:
    """Database → its address, as PostgreSQL's tools read it; of this environment."""
    given = {name: os.environ.get(variable, "") for name, variable in VARIABLES.items()}
    return {
        name: "postgresql://" + uri.partition("://")[2]
        for name, uri in given.items()
        if uri.startswith("postgresql")
    }


def dump(name: str, address: str, path: Path) -> None:
    """As of one moment. Rights given to other roles are left out: those may not be there later."""
    told, env = _connection(name, address)
    _run(
        name,
        ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}", told],
        env,
    )


def load(name: str, address: str, path: Path) -> None:
    """Puts a dump in the place of all that its role owns there, in one transaction."""
    told, env = _connection(name, address)
    sql = path.with_suffix(".sql")
    _run(name, ["pg_restore", "--no-owner", "--no-privileges", f"--file={sql}", str(path)], env)
    first = path.with_suffix(".first.sql")
    first.write_text(EMPTIED)
    files = [f"--file={first}", f"--file={sql}"]
    _run(
        name,
        [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            *files,
            told,
        ],
        env,
    )


def refuse_used(name: str, address: str) -> None:
    """Raises WarehouseLocked while others are connected: they would wait, and then see another world."""
    import psycopg

    others = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    try:
        with psycopg.connect(address, connect_timeout=15) as db:
            (count,) = db.execute(others).fetchone()
    except psycopg.Error as error:
        raise StorageError(
            f"Database {name} cannot be reached: {str(error).splitlines()[0]}",
            f"Start its server, or mend {VARIABLES[name]}.",
        ) from None
    if count:
        raise WarehouseLocked(
            f"{count} others are connected to database {name}.",
            "Stop Airflow and MLflow (`make restore` does), then restore again.",
        )


def _connection(name: str, address: str) -> tuple[str, Mapping[str, str]]:
    """The address without its password, which commands would show, and the environment with it."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(address, connect_timeout=15)
    except psycopg.Error:
        raise SettingsError(
            f"{VARIABLES[name]} cannot be read.",
            "Write postgresql://user:password@host:port/database, with %40 for an @ in the password.",
        ) from None
    password = parts.pop("password", None)
    env = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    return f"--dbname={make_conninfo(**parts)}", env


def _run(name: str, command: list[str], env: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise SettingsError(
            f"{command[0]} is not on this machine.",
            "Install PostgreSQL's client of the server's version (Debian: postgresql-client).",
        ) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise StorageError(
            f"{command[0]} of database {name} ended with {done.returncode}: {said[0]}",
            "Mend what it names; the database is as it was.",
        )
