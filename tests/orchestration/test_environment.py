"""Airflow lives in a home, as an operator wants it."""

from __future__ import annotations

import sys

import pytest

from nightshelf.orchestration.environment import environment
from nightshelf.paths import Home


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def test_airflow_lives_in_the_home_and_listens_on_loopback(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    env = environment(home)
    assert env["AIRFLOW_HOME"] == str(home.airflow)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["NIGHTSHELF_PYTHON"] == sys.executable


def test_an_operators_own_setting_wins(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__PORT", "9090")
    env = environment(home)
    assert env["AIRFLOW__API__PORT"] == "9090"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9090/execution/"
