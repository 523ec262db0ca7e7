"""Locks of a home: who waits for whom. A holder that dies lets go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nightshelf.progress import console


def is_held(lock: Path) -> bool:
    if not lock.parent.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def waiting(lock: Path, message: str) -> Iterator[None]:
    """Holds the lock; says so once if it has to wait."""
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        console.print(message, markup=False)
        held.acquire()
    try:
        yield
    finally:
        held.release()
