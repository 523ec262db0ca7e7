"""The stack, really run: built, healthy, a night asked for by REST, its shelves read, backed up, brought back."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.support.engine import MINUTES, Stack, compose
from tests.support.small_shops import FIVE_ITEMS, NIGHT

SHOP = f"shops/{FIVE_ITEMS.name}.toml"
DAG = "/api/v2/dags/nightly_recommendations"
OURS = ("airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "mlflow")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    compose()
    folder = tmp_path_factory.mktemp("stack")
    (folder / "shops").mkdir()
    FIVE_ITEMS.write(folder / "shops")
    for path in (folder / "shops", *(folder / "shops").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the containers' user reads it
    stack = Stack(folder, SHOP)
    stack.run("build", timeout=60 * MINUTES)
    try:
        print(f"\nhealthy after {stack.up():.0f} s")
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="module")
def night(stack) -> str:
    """A night that was asked for by REST, and how its run ended."""
    asked = {"logical_date": None, "conf": {"night": str(NIGHT), "shop": SHOP}}
    stack.airflow(DAG, {"is_paused": False}, "PATCH")
    started = time.monotonic()
    run = stack.airflow(f"{DAG}/dagRuns", asked)["dag_run_id"]
    while (state := stack.airflow(f"{DAG}/dagRuns/{run}")["state"]) not in ("success", "failed"):
        assert time.monotonic() - started < 60 * MINUTES, state
        time.sleep(2)
    print(f"the night took {time.monotonic() - started:.0f} s")
    return state


def containers(stack: Stack) -> dict[str, dict]:
    """Service → what the engine says of its container."""
    ids = stack.run("ps", "--all", "--quiet").stdout.decode().split()
    told = subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout
    return {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in json.loads(told)}


def test_nothing_runs_as_root_or_can_write_its_own_files(stack):
    for name, container in containers(stack).items():
        assert container["HostConfig"]["ReadonlyRootfs"], name
        assert container["Config"]["User"] not in ("", "root", "0"), name


def test_ports_are_open_on_loopback_only(stack):
    for name, container in containers(stack).items():
        for bound in (container["NetworkSettings"]["Ports"] or {}).values():
            assert {b["HostIp"] for b in bound or []} <= {"127.0.0.1"}, name


def test_without_an_account_nothing_is_told(stack):
    for server, path in (("airflow", DAG), ("airflow", "/nightshelf/nights"), ("mlflow", "/")):
        assert stack.ask(server, path)[0] in (401, 403), path


def test_a_night_asked_for_by_rest_is_green_and_its_shelves_are_read(stack, night):
    assert night == "success"
    told = stack.runner("verify", "--shop", SHOP).stdout.decode()
    assert "whole" in told
    shelf = stack.runner("shelf", "0", "--shop", SHOP, "--placement", "popular").stdout.decode()
    assert "popular" in shelf


def test_its_runs_are_in_mlflow(stack, night):
    experiments = stack.mlflow("/api/2.0/mlflow/experiments/search", {"max_results": 10})
    (ours,) = [e for e in experiments["experiments"] if e["name"] == FIVE_ITEMS.name]
    runs = stack.mlflow(
        "/api/2.0/mlflow/runs/search", {"experiment_ids": [ours["experiment_id"]], "max_results": 1}
    )
    assert runs["runs"][0]["info"]["status"] == "FINISHED"


def test_a_backup_brings_everything_back(stack, night):
    backup = stack.runner("backup", "-").stdout
    stack.run("down", "--volumes")
    stack.runner("restore", "-", input=backup)
    print(f"back, and healthy after {stack.up():.0f} s")
    runs = stack.airflow(f"{DAG}/dagRuns")["dag_runs"]
    assert [run["state"] for run in runs] == ["success"]
    test_its_runs_are_in_mlflow(stack, night)
    assert "whole" in stack.runner("verify", "--shop", SHOP).stdout.decode()


def test_the_logs_hold_no_secret(stack, night):
    logs = stack.run("logs").stdout.decode()
    told = [
        n
        for n, v in stack.env.items()
        if ("PASSWORD" in n or "KEY" in n or "SECRET" in n) and v in logs
    ]
    assert told == []
    assert all(name in logs for name in OURS)
