"""Airflow's environment in one home, and its database made ready.

<home>/airflow/airflow.db, airflow.cfg   metadata; secrets that Airflow drew for itself
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from filelock import FileLock

from nightshelf.errors import NightshelfError
from nightshelf.paths import PROJECT, Home
from nightshelf.progress import console

METADATA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
"""Where it is set, Airflow's metadata are in a server's database, and not in the home."""
POOL = "nightshelf_writer"


def environment(home: Home, airflow_home: Path | None = None) -> dict[str, str]:
    """This process's environment, with Airflow's in one home.

    What is Nightshelf's own is set; the rest are defaults that AIRFLOW__… variables replace.
    """
    defaults = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # a night is one chain of tasks
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",  # name:role; Airflow draws the password
        "AIRFLOW__API__HOST": bind_address(),
        "AIRFLOW__API__PORT": "8080",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUTF8": "1",
    }
    chosen = defaults | dict(os.environ)
    port = chosen["AIRFLOW__API__PORT"]
    # Where links of alerts lead, unless a proxy stands before it.
    chosen.setdefault("AIRFLOW__API__BASE_URL", f"http://127.0.0.1:{port}")
    # In a container the API is served by another one.
    chosen.setdefault(
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://127.0.0.1:{port}/execution/"
    )
    packages = [str(Path(__file__).resolve().parents[2]), str(PROJECT)]
    return chosen | {
        "AIRFLOW_HOME": str(airflow_home or home.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "NIGHTSHELF_HOME": str(home.root),
        "NIGHTSHELF_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([*packages, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def bind_address() -> str:
    """Loopback, unless `NIGHTSHELF_HOST` says otherwise (inside a container it has to)."""
    return os.environ.get("NIGHTSHELF_HOST") or "127.0.0.1"


def airflow_command(*arguments: str) -> list[str]:
    """By module, not by script: scripts name their interpreter, which may lie under a space."""
    return [sys.executable, "-m", "airflow", *arguments]


def initialise(home: Home, airflow_home: Path | None = None) -> dict[str, str]:
    """Creates Airflow's database and the writers' pool; returns the environment.

    About 10 s once for each version of Airflow, and nothing afterwards. A server's database is left to
    `nightshelf prepare`.
    """
    where = airflow_home or home.airflow
    env = environment(home, where)
    done = where / f"initialised-{version('apache-airflow')}"
    where.mkdir(parents=True, exist_ok=True)
    where.chmod(0o700)  # airflow.cfg and the password file hold secrets
    if METADATA in env:
        return env
    with FileLock(where / "initialise.lock"):
        if not done.exists():
            console.print(f"Airflow prepares its database in {where} (about 10 s)", markup=False)
            migrate(env)
            done.touch()
    return env


def migrate(env: Mapping[str, str]) -> None:
    """Brings Airflow's database to this version, and makes the writers' pool."""
    silently(airflow_command("db", "migrate"), env)
    silently(
        airflow_command("pools", "set", POOL, "1", "Tasks that write the shop's history."), env
    )


def silently(command: list[str], env: Mapping[str, str], said: str | None = None) -> None:
    """Runs a command, `said` being its input. Raises NightshelfError with its last words when it fails."""
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
        input=said, start_new_session=said is not None,  # without a terminal to ask instead
    )  # fmt: skip
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-10:])
        raise NightshelfError(
            f"`{' '.join(command[2:])}` ended with {done.returncode}:\n{said}",
            "Mend what it names, in Airflow's database or its address."
            if METADATA in env
            else f"Mend what it names; moving {env['AIRFLOW_HOME']} away begins Airflow anew.",
        )


def replace_with_airflow(home: Home, arguments: list[str]) -> NoReturn:
    """Becomes `airflow <arguments>` in this home."""
    env = initialise(home)
    command = airflow_command(*arguments)
    os.execve(command[0], command, env)
