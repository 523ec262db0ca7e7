"""Runs that MLflow shows as RUNNING though their process was killed, and could not close them.

Whoever has runs open holds a lock: an attempt's own for its examination, the shop's for a search. The
system lets a lock go when its process ends, however that ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from itertools import groupby
from pathlib import Path

from filelock import FileLock, Timeout

from nightshelf.paths import Attempt, ShopHome
from nightshelf.registry import Registry

WHY = "its process was killed and could not close it; a later examination did"


@contextmanager
def alive(attempt: Attempt) -> Iterator[None]:
    """Held while the attempt's runs are open. A second process at one attempt goes on without it:
    which of the two may publish is not decided here."""
    lock = FileLock(_lock_of(attempt))
    with suppress(Timeout):
        lock.acquire(timeout=0)
    try:
        yield
    finally:
        lock.release()


def close_abandoned(registry: Registry, where: ShopHome) -> int:
    """Marks as KILLED what no living process has open; returns how many runs. To be called before the
    caller opens its own. Runs of other makers, which name no attempt, are left alone."""
    locks = {run: _lock(where, tags) for run, tags in registry.running().items()}
    known = sorted((lock, run) for run, lock in locks.items() if lock)
    closed = 0
    for lock, runs in groupby(known, key=lambda pair: pair[0]):
        with suppress(Timeout), _held(lock):
            # Only now is it sure that nobody is about to close them otherwise.
            closed += sum(registry.close_killed(run, WHY) for _, run in runs)
    return closed


def tune_lock(where: ShopHome) -> Path:
    """Held by the one search of a shop."""
    return where.root / "tune.lock"


def _lock(where: ShopHome, tags: Mapping[str, str]) -> Path | None:
    try:
        attempt = where.attempt(date.fromisoformat(tags["night"]), int(tags["attempt"]))
    except (KeyError, ValueError):
        return None
    return tune_lock(where) if tags.get("role") == "tuning" else _lock_of(attempt)


def _lock_of(attempt: Attempt) -> Path:
    return attempt.root / "evaluate.lock"


def _held(lock: Path):
    """The lock, at once or not at all; of a folder that is gone nobody holds any."""
    return FileLock(lock, timeout=0) if lock.parent.exists() else nullcontext()
