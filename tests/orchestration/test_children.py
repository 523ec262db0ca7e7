"""Processes that we start end with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from nightshelf.orchestration import children as room
from nightshelf.orchestration.children import children

PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from pathlib import Path
from nightshelf.orchestration.children import children
with children(Path(sys.argv[1])) as start:
    child = start(["bash", "-c", "setsid sleep 1000 & echo $! > " + sys.argv[1] + "/pid; wait"], None, None)
    child.wait()
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_parent_ends_steps_in_sessions_of_their_own(tmp_path, ending):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.DEVNULL,
    )
    pid = _eventually(lambda: int((tmp_path / "pid").read_text()))
    parent.send_signal(ending)
    assert parent.wait(timeout=20) != 0
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_children_of_a_server_that_was_killed_end_with_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "GRACE_SECONDS", 0.2)
    # It is deaf to SIGTERM, as Airflow's workers are.
    child = f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/pid; wait"
    with children(tmp_path) as start:
        server = start(["bash", "-c", child], None, None)
        pid = _eventually(lambda: int((tmp_path / "pid").read_text()))
        server.kill()
        server.wait()
        assert psutil.pid_exists(pid)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _eventually(look):
    for _ in range(200):
        try:
            return look()
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("it never came")
