"""The Makefile's promises that can be checked without setting anything up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nightshelf.paths import PROJECT

VERBS = {
    "help",
    "setup",
    "night",
    "test",
    "test-all",
    "lint",
    "up",
    "down",
    "status",
    "logs",
    "clean",
    "fuzz",
    "bench",
    "bench-big",
    "soak",
    "env",
    "backup",
    "restore",
}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path):
    """A checkout under a path with a space, without .venv."""
    folder = tmp_path / "with space"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env | environment, capture_output=True, text=True
    )


def stand_in(folder: Path, script: str) -> str:
    """A Python that does what a test needs."""
    path = folder / "other python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def pretend_ready(folder: Path) -> Path:
    """A .venv that is newer than the lock, whose Python writes its arguments down."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> said\n')
    python.chmod(0o755)
    (folder / ".venv" / "ready").touch()
    return folder / "said"


def test_make_alone_lists_every_verb(checkout):
    listed = re.findall(r"^  make ([\w-]+)", make(checkout).stdout, flags=re.MULTILINE)
    assert set(listed) == VERBS


def test_an_old_python_is_named_with_the_way_out(checkout):
    python = stand_in(checkout, 'case "$1" in --version) echo Python 3.9.1;; *) exit 1;; esac')
    done = make(checkout, "setup", f"PYTHON={python}")
    assert done.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stderr
    assert "Python 3.9.1" in done.stderr and "Next: " in done.stderr


def test_a_python_without_venv_is_named_with_the_way_out(checkout):
    python = stand_in(checkout, 'case "$2" in *ensurepip*) exit 1;; esac')
    done = make(checkout, "setup", f"PYTHON={python}")
    assert done.returncode == 2
    assert "python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_setup_leaves_no_stamp(checkout):
    make(checkout, "setup", f"PYTHON={stand_in(checkout, 'exit 0')}")
    assert not (checkout / ".venv" / "ready").exists()


def test_a_night_lays_the_demo_out_and_runs_the_dag(checkout):
    said = pretend_ready(checkout)
    assert make(checkout, "night").returncode == 0
    assert said.read_text().splitlines() == [
        "-m nightshelf demo",
        "-m nightshelf night-by-airflow --shop shops/demo.toml --as-of 2017-12-01",
    ]


def test_the_long_tests_run_where_all_are_asked_for_and_stay_out_of_the_short_run(checkout):
    said = pretend_ready(checkout)
    assert "make test-all" in make(checkout, "test", "PYTEST_ARGS=tests/cli").stdout
    make(checkout, "test-all", "PYTEST_ARGS=tests/cli")
    short, whole = said.read_text().splitlines()
    assert short == whole.replace(" tests/cli", " -m not long tests/cli")


def test_set_up_once_is_set_up(checkout):
    said = pretend_ready(checkout)
    assert make(checkout, "setup").returncode == 0
    assert not said.exists()


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_sets_up_again(checkout, changed):
    pretend_ready(checkout)
    os.utime(checkout / ".venv" / "ready", (0, 0))
    assert changed in make(checkout, "setup", "--debug=basic", "--dry-run").stdout


def test_the_lock_names_no_index_and_hashes_everything():
    lock = (PROJECT / "requirements.lock").read_text()
    assert "://" not in lock and "--index" not in lock
    pinned = re.findall(r"^\S+==.*(?:\n    .*)*", lock, flags=re.MULTILINE)
    assert len(pinned) > 200 and all("--hash=sha256:" in block for block in pinned)


def test_continuous_integration_runs_all_the_tests():
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test-all"


# ------------------------------------------------------------------ a server's backup, or the home's


def pretend_server(folder: Path, script: str) -> dict[str, str]:
    """A checkout with .env, and a compose that notes what it is asked and does as the script says."""
    shutil.copytree(PROJECT / "stack", folder / "stack")
    (folder / ".env").write_text("COMPOSE_PROFILES=server\n")
    (folder / "compose").write_text(f'#!/bin/sh\necho "$*" >> asked\n{script}\n')
    (folder / "compose").chmod(0o755)
    return {"COMPOSE": "./compose"}


def test_without_env_the_home_is_backed_up_and_brought_back(checkout):
    said = pretend_ready(checkout)
    (checkout / "a.tar").touch()
    assert make(checkout, "backup", "FILE=b.tar").returncode == 0
    assert make(checkout, "restore", "FILE=a.tar", "REPLACE=yes").returncode == 0
    assert said.read_text().splitlines() == [
        "-m nightshelf backup b.tar",
        "-m nightshelf restore a.tar --replace",
    ]


def test_with_env_the_server_s_backup_becomes_a_file_of_its_owner_alone(checkout):
    server = pretend_server(checkout, "echo everything")
    assert make(checkout, "backup", "FILE=kept/b.tar", **server).returncode == 0
    assert (checkout / "kept" / "b.tar").read_text() == "everything\n"
    assert (checkout / "kept" / "b.tar").stat().st_mode & 0o777 == 0o600
    assert make(checkout, "backup", "FILE=kept/b.tar", **server).returncode != 0


def test_a_backup_that_fails_leaves_no_file(checkout):
    server = pretend_server(checkout, "echo half; exit 7")
    assert make(checkout, "backup", "FILE=kept/b.tar", **server).returncode != 0
    assert list((checkout / "kept").iterdir()) == []


def test_servers_are_stopped_before_a_backup_comes_back_and_started_after(checkout):
    server = pretend_server(checkout, "[ $1 != run ] || cat > got")
    (checkout / "b.tar").write_text("everything")
    assert make(checkout, "restore", "FILE=b.tar", **server).returncode == 0
    verbs = [line.split()[0] for line in (checkout / "asked").read_text().splitlines()]
    assert verbs == ["stop", "run", "up"]
    assert (checkout / "got").read_text() == "everything"


def test_a_backup_that_cannot_come_back_leaves_servers_stopped_and_says_so(checkout):
    server = pretend_server(checkout, "[ $1 != run ]")
    (checkout / "b.tar").touch()
    done = make(checkout, "restore", "FILE=b.tar", **server)
    assert done.returncode != 0 and "compose up --detach starts them" in done.stderr
    assert "up" not in [line.split()[0] for line in (checkout / "asked").read_text().splitlines()]


def test_restore_without_a_file_says_how(checkout):
    done = make(checkout, "restore")
    assert done.returncode != 0 and "make restore FILE=" in done.stderr
