"""A server of a container: what it is given, and what no command line shows."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from nightshelf.errors import SettingsError
from nightshelf.orchestration import serving
from nightshelf.orchestration.environment import METADATA, environment, initialise
from nightshelf.orchestration.one_night import run_dag
from nightshelf.orchestration.servers import mlflow_server
from nightshelf.paths import PROJECT, Home
from tests.support.small_shops import NIGHT

SECRET = "hunter2"
DATABASE = f"postgresql://mlflow:{SECRET}%40@db/mlflow"


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def became(monkeypatch, tmp_path) -> list:
    """What `serve` became, in place of becoming it."""
    found = []
    monkeypatch.setattr(serving, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(
        serving.os, "execve", lambda path, command, env: found.append((command, env))
    )
    return found


def test_an_unknown_server_is_refused_with_those_that_there_are(home):
    with pytest.raises(SettingsError, match="'worker' is no server") as told:
        serving.serve(home, "worker")
    assert "scheduler" in told.value.next_step and "mlflow" in told.value.next_step


def test_an_airflow_server_keeps_its_log_server_shut_and_leaves_the_database_to_prepare(
    home, became, monkeypatch
):
    monkeypatch.setenv(METADATA, f"postgresql+psycopg://airflow:{SECRET}@db/airflow")
    serving.serve(home, "scheduler")
    ((command, env),) = became
    assert command[1:] == ["-m", "airflow", "scheduler", "--skip-serve-logs"]
    assert env["AIRFLOW_HOME"] == str(home.airflow)
    assert list(home.airflow.iterdir()) == []
    assert initialise(home)[METADATA] == env[METADATA]


def test_mlflow_s_command_shows_no_password_and_its_accounts_lie_in_its_database(
    home, became, monkeypatch
):
    monkeypatch.setenv("NIGHTSHELF_MLFLOW_URI", DATABASE)
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", SECRET)
    serving.serve(home, "mlflow")
    ((command, env),) = became
    assert SECRET not in " ".join(command)
    assert command[-2:] == ["--app-name", "basic-auth"]
    path = Path(env["MLFLOW_AUTH_CONFIG_PATH"])
    accounts = ConfigParser()
    accounts.read(path)
    assert accounts["mlflow"]["database_uri"] == env["MLFLOW_BACKEND_STORE_URI"]
    assert f"mlflow:{SECRET}%40@db/mlflow" in env["MLFLOW_BACKEND_STORE_URI"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not home.root.exists()  # it may be mounted read-only


def test_mlflow_of_a_home_asks_for_accounts_only_where_a_password_is_given(
    home, tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD", raising=False)
    assert "--app-name" not in mlflow_server(home, tmp_path)[0]
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", SECRET)
    command, env = mlflow_server(home, tmp_path)
    assert "--app-name" in command
    assert f"sqlite:///{home.mlflow / 'accounts.db'}" in (tmp_path / "basic_auth.ini").read_text()
    assert len(env["MLFLOW_FLASK_SERVER_SECRET_KEY"]) == 64


def test_tasks_find_airflow_s_api_where_they_are_told(home, monkeypatch):
    name = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
    monkeypatch.setenv("AIRFLOW__API__PORT", "9000")
    monkeypatch.delenv(name, raising=False)
    assert environment(home)[name] == "http://127.0.0.1:9000/execution/"
    monkeypatch.setenv(name, "http://airflow-api:9000/execution/")
    assert environment(home)[name] == "http://airflow-api:9000/execution/"


def test_a_night_beside_a_server_s_airflow_is_left_to_it(home, monkeypatch):
    monkeypatch.setenv(METADATA, f"postgresql+psycopg://airflow:{SECRET}@db/airflow")
    with pytest.raises(SettingsError, match="a server's") as told:
        run_dag(home, PROJECT / "shops" / "demo.toml", NIGHT)
    assert "nightshelf night" in told.value.next_step
