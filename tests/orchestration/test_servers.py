"""The servers that `up` starts: refused, told, and ended from another terminal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from filelock import FileLock

from nightshelf.errors import InputError, NightshelfError, SettingsError
from nightshelf.orchestration.servers import AGAIN_AN_HOUR, _may_begin_again, logs_of, up
from nightshelf.orchestration.servers_seen import down, logs, seen, status
from nightshelf.paths import Home

UP = """
import sys
from contextlib import ExitStack
from pathlib import Path
from nightshelf.orchestration import servers
from nightshelf.paths import Home
servers._airflow_servers = lambda home, stack: {
    "scheduler": ([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], None),
}
servers._airflow_address = lambda home: ("Airflow", "http://127.0.0.1:1", "/", "")
servers._await = lambda *given: None
servers.up(Home(Path(sys.argv[1])), "airflow")
"""


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def serving(home):
    """An `up` whose one server is a small one."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(home.root)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while seen(home) is None or not logs_of(home).joinpath("scheduler.log").read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def test_a_second_up_in_one_home_is_refused(home):
    home.root.mkdir()
    with (
        FileLock(home.root / "servers.lock"),
        pytest.raises(SettingsError, match="Servers are up already"),
    ):
        up(home, "airflow")


def test_a_taken_port_is_named_with_the_setting_that_changes_it(home, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("NIGHTSHELF_MLFLOW_PORT", str(other.getsockname()[1]))
        with pytest.raises(SettingsError, match="NIGHTSHELF_MLFLOW_PORT"):
            up(home, "mlflow")


@pytest.mark.parametrize("port", ["abc", "70000"])
def test_a_port_that_is_none_is_named_with_the_setting_that_changes_it(home, monkeypatch, port):
    monkeypatch.setenv("NIGHTSHELF_MLFLOW_PORT", port)
    with pytest.raises(SettingsError, match=f":{port}: .*\n.*NIGHTSHELF_MLFLOW_PORT"):
        up(home, "mlflow")


def test_an_unknown_server_is_refused(home):
    with pytest.raises(SettingsError, match="airflow or mlflow"):
        up(home, "postgres")


def test_what_is_up_is_told_with_its_memory_and_address(home, serving, capsys):
    status(home)
    told = capsys.readouterr().out
    server = seen(home).servers["scheduler"]
    assert f"scheduler  {server.pid}" in told
    assert "http://127.0.0.1:" in told


def test_down_ends_what_is_up_and_a_second_finds_nothing(home, serving, capsys):
    server = seen(home).servers["scheduler"]
    down(home)
    assert serving.wait(20) is not None
    assert not server.is_running()
    assert not (home.root / "servers.json").exists()
    down(home)
    assert capsys.readouterr().out.splitlines()[-1] == f"Nothing is up in {home.root}."


@pytest.mark.skipif(
    sys.platform != "linux", reason="servers end with a killed parent on Linux only"
)
def test_a_killed_up_leaves_no_server_and_its_record_is_not_believed(home, serving):
    server = seen(home).servers["scheduler"]
    serving.send_signal(signal.SIGKILL)
    serving.wait()
    psutil.wait_procs([server], timeout=20)
    assert not server.is_running()
    assert (home.root / "servers.json").exists()
    assert seen(home) is None


def test_a_server_that_dies_is_begun_again_and_told(home, serving):
    first = seen(home).servers["scheduler"]
    first.kill()
    end = time.monotonic() + 60
    while (now := seen(home).servers.get("scheduler")) is None or now.pid == first.pid:
        assert serving.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    assert now.is_running()
    lines = logs_of(home).joinpath("scheduler.log").read_text().splitlines()
    assert lines[0].startswith("Serving HTTP")  # what it said before it died is kept


def test_servers_that_die_too_often_end_up_with_the_log_to_read(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    ended.wait()
    long_ago = time.monotonic() - 4000
    begun_again = [long_ago] * AGAIN_AN_HOUR
    for _ in range(AGAIN_AN_HOUR):
        _may_begin_again("scheduler", ended, begun_again, tmp_path)
    with pytest.raises(NightshelfError, match="scheduler ended with 3, and .* 5 times") as told:
        _may_begin_again("scheduler", ended, begun_again, tmp_path)
    assert "scheduler.log" in told.value.next_step


def test_a_home_without_servers_says_how_to_start_them(home, capsys):
    status(home)
    assert "`make up` starts Airflow and MLflow" in capsys.readouterr().out


def test_logs_are_shown_by_their_last_lines(home, serving, capsys):
    logs(home, "scheduler", 1)
    head, line = capsys.readouterr().out.splitlines()
    assert head.startswith("scheduler  ") and line.startswith("Serving HTTP on 127.0.0.1")
    with pytest.raises(InputError, match="no log of worker"):
        logs(home, "worker", 1)
