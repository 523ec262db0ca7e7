"""The servers to look at, Airflow's and MLflow's, under one process that ends them all.

<home>/servers.lock        held by `up` while it lives, and let go however it ends
<home>/servers.json        its process, and those of its servers
<home>/airflow/up.lock     held while Airflow is among them: nights then keep metadata of their own
<home>/airflow/logs/up/    what each server says
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from nightshelf.errors import NightshelfError, SettingsError
from nightshelf.orchestration import (
    airflow_command,
    bind_address,
    bury_abandoned_runs,
    children,
    environment,
    initialise,
    waiting,
)
from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.storage import write_json

MLFLOW_PAGE = "/#/experiments?workflowType=machine_learning"
"""MLflow opens as *GenAI*, which shows no runs of models; a page asked for so opens as *Model training*."""
START_SECONDS = 180
"""Airflow's servers are up after 20 to 40 s; a busy machine takes a few times that."""


def up(home: Home, only: str | None = None) -> None:
    """Serves Airflow and MLflow until Ctrl-C or SIGTERM, and ends them all.

    Raises SettingsError if a port is taken, NightshelfError if one of the servers dies.
    """
    if only not in (None, "airflow", "mlflow"):
        raise SettingsError(f"--only '{only}' is no server.", "Write airflow or mlflow.")
    with ExitStack() as stack:
        _alone(home, stack)
        servers: dict[str, tuple[list[str], dict[str, str]]] = {}
        addresses = []
        if only != "mlflow":
            servers |= _airflow_servers(home, stack)
            addresses.append(_airflow_address(home))
        if only != "airflow":
            servers["mlflow"] = (_mlflow_server(home), environment(home))
            url = f"http://{bind_address()}:{mlflow_port()}"
            addresses.append(("MLflow", url, "/health", f"runs and models: {url}{MLFLOW_PAGE}"))
        for name, address, _, _ in addresses:
            _port_is_free(name, int(address.rsplit(":", 1)[1]))
        _serve(home, servers, addresses, stack)


def _alone(home: Home, stack: ExitStack) -> None:
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        stack.enter_context(FileLock(home.root / "servers.lock", timeout=0))
    except Timeout:
        raise SettingsError(
            f"Servers are up already in {home.root}.",
            "Look at them with `nightshelf status`; `nightshelf down` ends them.",
        ) from None


def _airflow_servers(home: Home, stack: ExitStack) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Four components. `airflow standalone` is not used: it leaves children behind when it is
    ended, and its log servers listen on every interface. Here logs are read from the disk."""
    home.airflow.mkdir(parents=True, exist_ok=True)
    stack.enter_context(FileLock(home.airflow / "up.lock"))
    env = initialise(home)
    message = "A night is running in this home; Airflow starts when it has ended."
    with waiting(home.airflow / "night.lock", message):
        bury_abandoned_runs(home.airflow)
    return {
        "api-server": (airflow_command("api-server"), env),
        "scheduler": (airflow_command("scheduler", "--skip-serve-logs"), env),
        "dag-processor": (airflow_command("dag-processor"), env),
        "triggerer": (airflow_command("triggerer", "--skip-serve-logs"), env),
    }


def _airflow_address(home: Home) -> tuple[str, str, str, str]:
    env = environment(home)
    password = home.airflow / "simple_auth_manager_passwords.json.generated"
    return (
        "Airflow",
        f"http://{env['AIRFLOW__API__HOST']}:{env['AIRFLOW__API__PORT']}",
        "/api/v2/monitor/health",
        f"user admin; the password stands in {password}",
    )


def logs_of(home: Home) -> Path:
    return home.airflow / "logs" / "up"


def mlflow_port() -> int:
    return int(os.environ.get("NIGHTSHELF_MLFLOW_PORT") or 5000)


def _mlflow_server(home: Home) -> list[str]:
    from nightshelf.registry.store import make_tables

    home.mlflow.mkdir(parents=True, exist_ok=True)
    make_tables(home)
    port = mlflow_port()
    return [
        sys.executable, "-m", "mlflow", "server", "--host", bind_address(), "--port", str(port),
        "--workers", "1", "--backend-store-uri", home.mlflow_uri,
        "--default-artifact-root", (home.mlflow / "artifacts").as_uri(), "--no-serve-artifacts",
        "--allowed-hosts", f"127.0.0.1:{port},localhost:{port}",
    ]  # fmt: skip


def _port_is_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind_address(), port))
        except OSError:
            raise SettingsError(
                f"{name} cannot listen on {bind_address()}:{port}: the port is taken.",
                "End what uses it, or set AIRFLOW__API__PORT / NIGHTSHELF_MLFLOW_PORT to another.",
            ) from None


def _serve(home: Home, servers: dict, addresses: list, stack: ExitStack) -> None:
    logs = logs_of(home)
    logs.mkdir(parents=True, exist_ok=True)
    start = stack.enter_context(children(home.airflow))
    running = {}
    for name, (command, env) in servers.items():
        log = stack.enter_context((logs / f"{name}.log").open("wb"))
        running[name] = start(command, env, stdout=log)
    pids = {name: process.pid for name, process in running.items()}
    write_json(home.root / "servers.json", {"pid": os.getpid(), "servers": pids})
    stack.callback((home.root / "servers.json").unlink, missing_ok=True)
    console.print(f"Starting {', '.join(running)}; their logs: {logs}", markup=False)
    for name, address, health, note in addresses:
        _await(name, address + health, running, logs)
        console.print(f"{name:<8} {address}  {note}", markup=False)
    console.print("Ctrl-C ends them.")
    while True:
        _all_alive(running, logs)
        time.sleep(1)


def _await(name: str, url: str, running: dict, logs: Path) -> None:
    url = url.replace("//0.0.0.0:", "//127.0.0.1:")
    for _ in range(START_SECONDS):
        _all_alive(running, logs)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise NightshelfError(
        f"{name} has not answered at {url} for {START_SECONDS} s.", f"Read its log in {logs}."
    )


def _all_alive(running: dict[str, subprocess.Popen], logs: Path) -> None:
    for name, process in running.items():
        if process.poll() is not None:
            raise NightshelfError(
                f"{name} ended with {process.returncode}.", f"Read the end of {logs / name}.log."
            )
