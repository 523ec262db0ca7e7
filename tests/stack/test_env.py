"""`make env`: secrets of each server's own, for its owner alone, and never over another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from nightshelf.paths import PROJECT


def run(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, PROJECT / "stack" / "env.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def made(folder: Path) -> dict[str, str]:
    """What a new .env in the folder says."""
    run(folder).check_returncode()
    lines = (folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_secret_is_long_random_and_of_this_server_only(tmp_path):
    (tmp_path / "one").mkdir(), (tmp_path / "other").mkdir()
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert one.pop("COMPOSE_PROFILES") == other.pop("COMPOSE_PROFILES") == "server"
    values = [*one.values(), *other.values()]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 for value in values)


def test_secrets_can_stand_in_an_address_and_in_a_file_of_compose(tmp_path):
    told = made(tmp_path)
    key = told.pop("AIRFLOW__CORE__FERNET_KEY")
    assert all(set(value) < set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
               for value in told.values())  # fmt: skip
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"a connection")) == b"a connection"


def test_only_its_owner_reads_it(tmp_path):
    made(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("there", ["a file", "a link to nothing"])
def test_one_that_is_there_is_left_as_it_is(tmp_path, there):
    if there == "a file":
        (tmp_path / ".env").write_text("POSTGRES_PASSWORD=in use\n")
    else:
        (tmp_path / ".env").symlink_to(tmp_path / "nowhere")
    second = run(tmp_path)
    assert second.returncode == 1 and "is there already" in second.stderr
    assert there != "a file" or (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=in use\n"
    assert not (tmp_path / "nowhere").exists()


def test_git_and_the_image_leave_it_out():
    for name in (".gitignore", ".dockerignore"):
        assert ".env" in (PROJECT / name).read_text().splitlines()
