"""What made a model is named, or said to be unknown."""

import re
import subprocess

import pytest

import nightshelf
from nightshelf.paths import PROJECT
from nightshelf.registry import provenance
from nightshelf.registry.provenance import UNKNOWN, code_version, git_commit
from nightshelf.storage import sha256_of


def git(folder, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_checkout_s_commit_is_its_head(checkout):
    assert git_commit() == git(checkout, "rev-parse", "HEAD")


def test_a_changed_checkout_is_no_commit_alone(checkout):
    (checkout / "file").write_text("two")
    assert git_commit() == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_new_files_that_git_does_not_know_change_nothing(checkout):
    (checkout / "other").write_text("two")
    assert git_commit() == git(checkout, "rev-parse", "HEAD")


def test_a_package_inside_somebody_else_s_repository_has_no_commit(checkout, monkeypatch):
    (checkout / "vendor").mkdir()
    monkeypatch.setattr(provenance, "PROJECT", checkout / "vendor")
    assert git_commit() == UNKNOWN


def test_without_git_the_commit_is_unknown(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert git_commit() == UNKNOWN


def test_a_repository_without_a_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    git(tmp_path, "init")
    assert git_commit() == UNKNOWN


def test_versions_and_the_lock_s_hash_are_named():
    found = code_version()
    assert found["nightshelf_version"] == nightshelf.__version__
    assert found["requirements_lock_sha256"] == sha256_of(PROJECT / "requirements.lock")
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", found["git_commit"])
