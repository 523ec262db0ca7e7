"""From a clone to a green night in Airflow's UI: commands, minutes, and the memory of what serves it.

    python benchmarks/first_night.py                       # the demo's night, 10 minutes
    python benchmarks/first_night.py --picture night.png   # and what Airflow shows then

Clones this project into an empty folder and does what a newcomer does: `make up`, then *trigger* (by
REST, as the button does it). Memory is the proportional set size of all processes, looked at every two
seconds. Python packages come from the machine's cache where it has one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import typer
from rich.console import Console
from rich.table import Table

from nightshelf.paths import PROJECT
from tests.support.chromium import chromium, found

DAG = "nightly_recommendations"
HEADERS = ("from the clone to", "minutes", "servers, MB", "steps, MB", "together, MB")
SECONDS = 2
IDLE = 30
"""Seconds for which nothing is asked, before the idle servers are looked at."""


@dataclass
class Memory:
    """Megabytes: the highest seen of each, and of both at one time."""

    servers: float = 0
    steps: float = 0
    together: float = 0

    def look(self, up: psutil.Process) -> None:
        servers = steps = 0.0
        for process in (up, *up.children(recursive=True)):
            try:
                size = process.memory_full_info().pss / 2**20
                of_a_step = _is_step(process)
            except psutil.Error:
                continue
            steps, servers = (steps + size, servers) if of_a_step else (steps, servers + size)
        self.servers, self.steps = max(self.servers, servers), max(self.steps, steps)
        self.together = max(self.together, servers + steps)


def _is_step(process: psutil.Process) -> bool:
    """Not `nightshelf up` itself, nor what it serves."""
    words = process.cmdline()
    return words[1:3] == ["-m", "nightshelf"] and "up" not in words


class Airflow:
    """Its REST interface, as the user whom `make up` names."""

    def __init__(self, home: Path, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        passwords = home / "airflow" / "simple_auth_manager_passwords.json.generated"
        ((user, password),) = json.loads(passwords.read_text()).items()
        self.token = ""
        told = self.ask("POST", "/auth/token", {"username": user, "password": password})
        self.token = told["access_token"]

    def ask(self, method: str, path: str, body: dict | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        asked = Request(
            self.root + path, json.dumps(body).encode() if body else None, headers, method=method
        )
        with build_opener(ProxyHandler({})).open(asked, timeout=60) as answer:
            return json.loads(answer.read())

    def trigger(self) -> str:
        self.ask("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False})
        run = self.ask("POST", f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None, "conf": {}})
        return run["dag_run_id"]

    def state(self, run: str) -> str:
        return self.ask("GET", f"/api/v2/dags/{DAG}/dagRuns/{run}")["state"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _up(folder: Path, port: int) -> Iterator[psutil.Process]:
    """`make up` in the clone, once it says that all is ready."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("NIGHTSHELF_", "AIRFLOW", "PYTHONPATH"))
    }
    env |= {"AIRFLOW__API__PORT": str(port), "NIGHTSHELF_MLFLOW_PORT": str(_free_port())}
    process = subprocess.Popen(
        ["make", "up"], cwd=folder, env=env, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        else:
            raise SystemExit("".join(said))
        yield psutil.Process(process.pid)
    finally:
        subprocess.run(["make", "down"], cwd=folder, check=False)  # works where Ctrl-C is not heard
        process.communicate(timeout=120)


def _picture(airflow: Airflow, run: str, path: Path) -> None:
    """The run as Airflow's UI shows it."""
    with tempfile.TemporaryDirectory() as profile, chromium(found(), Path(profile)) as browser:
        browser.screen(1400, 900)
        browser.ask("Network.setCookie", name="_token", value=airflow.token, url=airflow.root)
        drawn = "document.body.innerText.includes('door_shelves')"
        browser.visit(f"{airflow.root}/dags/{DAG}/runs/{run}", drawn)
        time.sleep(2)  # the grid is drawn after its words
        browser.picture(path)


def main(
    picture: Annotated[Path | None, typer.Option(help="A PNG of the run in the UI.")] = None,
) -> None:
    """Clone, `make up`, trigger, wait until it is green."""
    table = Table(
        *HEADERS, title=f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GB"
    )
    with tempfile.TemporaryDirectory() as folder:
        clone, port = Path(folder) / "nightshelf", _free_port()
        began = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)

        def row(name: str, memory: Memory) -> None:
            sizes = (memory.servers, memory.steps, memory.together)
            minutes = (time.monotonic() - began) / 60
            table.add_row(name, f"{minutes:.1f}", *(f"{size:,.0f}" for size in sizes))

        with _up(clone, port) as up:
            airflow = Airflow(clone / ".nightshelf", port)
            row("`make up` says that it is ready", Memory())
            time.sleep(IDLE)
            idle, busy = Memory(), Memory()
            idle.look(up)
            row("idle for half a minute", idle)
            run = airflow.trigger()
            while (state := airflow.state(run)) not in ("success", "failed"):
                busy.look(up)
                time.sleep(SECONDS)
            row(f"the night ended in {state}", busy)
            if picture:
                _picture(airflow, run, picture)
    Console().print(table)
    if state != "success":
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
