"""The servers to look at, Airflow's and MLflow's, under one process that ends them all.

<home>/servers.lock        held by `up` while it lives, and let go however it ends
<home>/servers.json        its process, and those of its servers
<home>/airflow/up.lock     held while Airflow is among them: nights then keep metadata of their own
<home>/airflow/logs/up/    what each server says
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from nightshelf.errors import NightshelfError, SettingsError
from nightshelf.locks import waiting
from nightshelf.orchestration.abandoned import bury_abandoned_runs
from nightshelf.orchestration.children import children, end
from nightshelf.orchestration.environment import (
    airflow_command,
    bind_address,
    environment,
    initialise,
)
from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.storage import write_json

MLFLOW_PAGE = "/#/experiments?workflowType=machine_learning"
"""MLflow opens as *GenAI*, which shows no runs of models; a page asked for so opens as *Model training*."""
START_SECONDS = 180
"""Airflow's servers are up after 20 to 40 s; a busy machine takes a few times that."""

AGAIN_AN_HOUR = 5
"""How often servers that ended are begun again, all together."""


def up(home: Home, only: str | None = None) -> None:
    """Serves Airflow and MLflow until Ctrl-C or SIGTERM, and ends them all.

    One that ends is begun again. Raises SettingsError if a port is taken, NightshelfError if one of the
    servers dies while they start, or too often.
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
            folder = stack.enter_context(TemporaryDirectory(prefix="nightshelf-"))
            servers["mlflow"] = mlflow_server(home, Path(folder))
            url = f"http://{bind_address()}:{mlflow_port()}"
            addresses.append(("MLflow", url, "/health", f"runs and models: {url}{MLFLOW_PAGE}"))
        for name, address, _, _ in addresses:
            _port_is_free(name, address.rsplit(":", 1)[1])
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


AIRFLOW = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
"""Four components, and their options: log servers listen on every interface, and logs are read from the
disk. `airflow standalone` is not used: it leaves children behind when it is ended."""


def _airflow_servers(home: Home, stack: ExitStack) -> dict[str, tuple[list[str], dict[str, str]]]:
    home.airflow.mkdir(parents=True, exist_ok=True)
    stack.enter_context(FileLock(home.airflow / "up.lock"))
    env = initialise(home)
    message = "A night is running in this home; Airflow starts when it has ended."
    with waiting(home.airflow / "night.lock", message):
        bury_abandoned_runs(home.airflow)
    return {name: (airflow_command(name, *options), env) for name, options in AIRFLOW.items()}


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


def mlflow_port() -> str:
    return os.environ.get("NIGHTSHELF_MLFLOW_PORT") or "5000"


def mlflow_server(home: Home, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Its command and environment. It asks for accounts where MLFLOW_AUTH_ADMIN_PASSWORD is set; what it
    must know of them is written into `folder`. Addresses of databases hold passwords, and every user of
    a machine sees commands: they go by the environment."""
    from nightshelf.registry.store import make_tables, uri_of

    if not home.mlflow_uri_given:
        home.mlflow.mkdir(parents=True, exist_ok=True)
        make_tables(home)
    port = mlflow_port()
    env = environment(home) | {"MLFLOW_BACKEND_STORE_URI": uri_of(home)}
    env.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", f"127.0.0.1:{port},localhost:{port}")
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", bind_address(), "--port", port,
        "--workers", "1",
        "--default-artifact-root", (home.mlflow / "artifacts").as_uri(), "--no-serve-artifacts",
    ]  # fmt: skip
    if env.get("MLFLOW_AUTH_ADMIN_PASSWORD"):
        command += ["--app-name", "basic-auth"]
        env |= _accounts(home, folder)
    return command, env


def _accounts(home: Home, folder: Path) -> dict[str, str]:
    """MLflow's accounts lie in its own database, or beside the file. Everybody may look; only an admin,
    or whom one lets, may change."""
    from nightshelf.registry.store import uri_of

    beside = f"sqlite:///{home.mlflow / 'accounts.db'}"
    uri = uri_of(home) if home.mlflow_uri_given else beside
    path = folder / "basic_auth.ini"
    path.touch(mode=0o600)
    escaped = uri.replace("%", "%%")
    path.write_text(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {escaped}\n")
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(path),
        "MLFLOW_AUTH_ADMIN_USERNAME": os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME") or "admin",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY")
        or secrets.token_hex(32),
    }


def _port_is_free(name: str, port: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind_address(), int(port)))
        except (OSError, ValueError, OverflowError) as error:
            raise SettingsError(
                f"{name} cannot listen on {bind_address()}:{port}: {error}.",
                "End what uses it, or set AIRFLOW__API__PORT / NIGHTSHELF_MLFLOW_PORT to another.",
            ) from None


def _serve(home: Home, servers: dict, addresses: list, stack: ExitStack) -> None:
    logs = logs_of(home)
    logs.mkdir(parents=True, exist_ok=True)
    start = stack.enter_context(children(home.airflow))
    for name in servers:
        (logs / f"{name}.log").write_bytes(b"")

    def begin(name: str) -> subprocess.Popen:
        command, env = servers[name]
        with (logs / f"{name}.log").open("ab") as log:
            return start(command, env, stdout=log)

    running = {name: begin(name) for name in servers}
    _note(home, running)
    stack.callback((home.root / "servers.json").unlink, missing_ok=True)
    console.print(f"Starting {', '.join(running)}; their logs: {logs}", markup=False)
    for name, address, health, note in addresses:
        _await(name, address + health, running, logs)
        console.print(f"{name:<8} {address}  {note}", markup=False)
    console.print("Ctrl-C ends them.")
    begun_again: list[float] = []
    while True:
        for name in _ended(running):
            _may_begin_again(name, running[name], begun_again, logs)
            end([running[name]])  # what it left may hold its port
            running[name] = begin(name)
            _note(home, running)
        time.sleep(1)


def _note(home: Home, running: dict[str, subprocess.Popen]) -> None:
    pids = {name: process.pid for name, process in running.items()}
    write_json(home.root / "servers.json", {"pid": os.getpid(), "servers": pids})


def _ended(running: dict[str, subprocess.Popen]) -> list[str]:
    return [name for name, process in running.items() if process.poll() is not None]


def _may_begin_again(
    name: str, ended: subprocess.Popen, begun_again: list[float], logs: Path
) -> None:
    """Raises NightshelfError where servers end too often to be worth another beginning."""
    how = f"{name} ended with {ended.returncode}"
    begun_again[:] = [at for at in begun_again if time.monotonic() - at < 3600]
    if len(begun_again) >= AGAIN_AN_HOUR:
        raise NightshelfError(
            f"{how}, and servers were begun again {AGAIN_AN_HOUR} times within the hour.",
            f"Read the end of {logs / name}.log.",
        )
    begun_again.append(time.monotonic())
    told = f"! {how} and is begun again; why stands in {logs / name}.log"
    console.print(told, markup=False)


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
    for name in _ended(running):
        raise NightshelfError(
            f"{name} ended with {running[name].returncode}.", f"Read the end of {logs / name}.log."
        )
