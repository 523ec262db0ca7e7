"""A server of a container: its databases made ready once, then each server in a container of its own."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn

from nightshelf.errors import SettingsError
from nightshelf.orchestration.environment import (
    airflow_command,
    environment,
    initialise,
    migrate,
    silently,
)
from nightshelf.orchestration.servers import AIRFLOW, mlflow_server
from nightshelf.paths import Home
from nightshelf.progress import console

ADMIN_PASSWORD = "NIGHTSHELF_ADMIN_PASSWORD"
SERVERS = (*AIRFLOW, "mlflow")


def serve(home: Home, server: str) -> NoReturn:
    """Becomes one server, in the foreground, with its log on standard output."""
    if server not in SERVERS:
        raise SettingsError(f"'{server}' is no server.", f"Write one of {', '.join(SERVERS)}.")
    if server == "mlflow":
        # In a container /tmp is memory of its own, and goes with it.
        command, env = mlflow_server(home, Path(mkdtemp(prefix="nightshelf-")))
    else:
        command, env = airflow_command(server, *AIRFLOW[server]), initialise(home)
    os.execve(command[0], command, env)


def prepare(home: Home) -> None:
    """Brings the databases of MLflow and Airflow to this version, and makes what they lack: tables, the
    writers' pool, the account admin. May be run again at any time; an account that is there stays."""
    from nightshelf.registry.database import upgrade

    upgrade(home)
    console.print("MLflow's database is ready.")
    home.airflow.mkdir(parents=True, exist_ok=True)
    home.airflow.chmod(0o700)
    env = environment(home)
    migrate(env)
    console.print("Airflow's database is ready.")
    if password := os.environ.get(ADMIN_PASSWORD):
        _make_admin(env, password)
        console.print("Airflow has an account admin.")


def _make_admin(env: dict[str, str], password: str) -> None:
    """The password is typed in, twice, as a person would: commands are seen by every process."""
    told = ["--username", "admin", "--role", "Admin", "--email", "admin@localhost"]
    command = airflow_command(
        "users", "create", *told, "--firstname", "Nightshelf", "--lastname", "Admin"
    )
    silently(command, env, f"{password}\n{password}\n")
