"""Processes that we start, and that end with us."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nightshelf.orchestration.abandoned import bury_abandoned_runs
from nightshelf.orchestration.processes import ends_with_its_parent, sigterm_raises
from nightshelf.paths import PROJECT

GRACE_SECONDS = 10
"""From SIGTERM to SIGKILL: a step needs a second to let go of DuckDB."""


@contextmanager
def children(where: Path) -> Iterator:
    """Gives a function that starts a process in a group of its own; all end with the block.

    Steps are in sessions of their own (Airflow starts them so), so descendants are looked up. After
    anything but a clean end the DAG run is marked as failed.
    """
    started: list[subprocess.Popen] = []

    def start(command: list[str], env: Mapping[str, str], stdout) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                command,
                env=env,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_its_parent,
            )
        )
        return started[-1]

    with sigterm_raises():
        try:
            yield start
        finally:
            if end(started):
                bury_abandoned_runs(where)


def end(processes: list[subprocess.Popen]) -> bool:
    """Ends processes and their descendants: SIGTERM, then SIGKILL. False if all had ended before."""
    import psutil

    living = [psutil.Process(p.pid) for p in processes if p.poll() is None]
    family = [member for p in living for member in (*p.children(recursive=True), p)]
    family += [member for p in processes if p.poll() is not None for member in _left_by(p.pid)]
    for member in family:
        _signal(member.terminate)
    for member in psutil.wait_procs(family, timeout=GRACE_SECONDS)[1]:
        _signal(member.kill)
    return bool(living)


def _left_by(pid: int) -> list:
    """Who outlives a process that was killed: it began a group of its own, and they are in it."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid:
                found.append(process)
    return found


def _signal(send) -> None:
    import psutil

    try:
        send()
    except psutil.NoSuchProcess:
        return
