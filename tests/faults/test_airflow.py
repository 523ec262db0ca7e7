"""Airflow's own processes die in the middle of a night: the night is published once, or the run is red and
the night before stands."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from nightshelf.orchestration.servers_seen import seen
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current, damage, published
from tests.faults.conftest import SOAK
from tests.support.small_shops import FIVE_ITEMS, NIGHT

pytestmark = pytest.mark.skipif(
    not SOAK, reason="Airflow's own processes were not killed: `make soak` does"
)
DAG = "nightly_recommendations"
MINUTES = 12
"""A worker that is gone is missed after five."""


class Stack:
    """Airflow of a home, and what it made of the runs."""

    def __init__(self, folder: Path) -> None:
        self.home, self.shop_file = Home(folder / "home"), FIVE_ITEMS.write(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.env = {
            **os.environ, "AIRFLOW__API__PORT": str(port), "NIGHTSHELF_HOME": str(self.home.root),
            "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}",
        }  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "nightshelf", *arguments]

    @contextmanager
    def up(self):
        process = subprocess.Popen(
            self.command("up", "--only", "airflow"), env=self.env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)

    def trigger(self, run: str, night) -> None:
        conf = json.dumps({"shop": str(self.shop_file), "night": str(night)})
        for command in (("unpause", DAG), ("trigger", DAG, "--run-id", run, "--conf", conf)):
            given = self.command("airflow", "dags", *command)
            subprocess.run(given, env=self.env, check=True, capture_output=True)

    def ask(self, sql: str, *given: str) -> list[tuple]:
        with closing(sqlite3.connect(self.home.airflow / "airflow.db", timeout=30)) as db:
            return db.execute(sql, given).fetchall()

    def until(self, sql: str, *given: str) -> list[tuple]:
        end = time.monotonic() + 60 * MINUTES
        while not (found := self.ask(sql, *given)):
            assert time.monotonic() < end, (
                sql,
                given,
                self.ask("select task_id, state from task_instance"),
            )
            time.sleep(0.2)
        return found

    def state(self, run: str) -> str:
        over = "select state from dag_run where run_id = ? and state in ('success', 'failed')"
        return self.until(over, run)[0][0]


def named(home: Home, server: str) -> psutil.Process:
    """By what `up` wrote: servers give their processes other names."""
    return seen(home).servers[server]


def worker(home: Home) -> psutil.Process:
    """The process in which Airflow looks after the step that is running."""
    for process in named(home, "scheduler").children(recursive=True):
        if "nightshelf" in process.cmdline() and "train" in process.cmdline():
            return process.parent()
    raise AssertionError("no step is running")


@pytest.fixture
def stack(tmp_path):
    """A night was published by Airflow; the next one is about to be made."""
    stack = Stack(tmp_path)
    with stack.up():
        stack.trigger("before", NIGHT - timedelta(days=1))
        assert stack.state("before") == "success"
    return stack


@pytest.mark.parametrize(
    "victim", ["scheduler", "dag-processor", "triggerer", "api-server", "worker"]
)
def test_a_night_whose_airflow_dies_is_published_once_or_red(stack, victim):
    running = "select 1 from task_instance where run_id = 'night' and task_id like '%train' and state = 'running'"
    with stack.up() as up:
        stack.trigger("night", NIGHT)
        stack.until(running)
        time.sleep(1)
        (worker(stack.home) if victim == "worker" else named(stack.home, victim)).kill()
        if victim == "worker":
            state = stack.state("night")
        else:
            up.wait(timeout=120)  # it ends with a server that died, and ends the others
    if victim != "worker":
        with stack.up():
            state = stack.state("night")
    shop = stack.home.shop(FIVE_ITEMS.name)
    night, nights = current(shop), published(shop)
    print(
        f"\n{victim} killed: the run ended in {state}; readers see {night.night}, attempt {night.attempt}"
    )
    assert damage(night) == []
    assert night.night == (NIGHT if state == "success" else NIGHT - timedelta(days=1))
    assert len([n for n in nights if n.night == NIGHT]) == (state == "success")
