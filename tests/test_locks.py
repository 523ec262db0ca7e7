"""Whoever waits for a lock in vain is told so; what is done under it fails by itself."""

from __future__ import annotations

import pytest
from filelock import FileLock, Timeout

from nightshelf.errors import WarehouseLocked
from nightshelf.locks import held


def test_a_lock_that_nobody_lets_go_of_is_told_in_the_caller_s_words(tmp_path):
    with (
        FileLock(tmp_path / "a.lock"),
        pytest.raises(WarehouseLocked, match="Somebody writes") as met,
        held(FileLock(tmp_path / "a.lock", timeout=0), lambda: "Somebody writes.", "Wait."),
    ):
        pass
    assert met.value.next_step == "Wait."


def test_a_lock_within_that_cannot_be_had_is_not_taken_for_this_one(tmp_path):
    with (
        pytest.raises(Timeout, match="other.lock"),
        held(FileLock(tmp_path / "a.lock", timeout=0), lambda: "Somebody writes.", "Wait."),
    ):
        raise Timeout(str(tmp_path / "other.lock"))
    with FileLock(tmp_path / "a.lock", timeout=0):  # it was let go of
        pass
