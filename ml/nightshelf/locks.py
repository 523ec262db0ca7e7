"""Locks of files: who waits for whom. A holder that dies lets go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nightshelf.errors import WarehouseLocked
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


@contextmanager
def held(lock: FileLock, told: Callable[[], str], next_step: str) -> Iterator[None]:
    """Holds the lock. Raises WarehouseLocked, in the words of `told`, where its time passes before somebody
    else lets go of it; a Timeout of what is done within is not taken for that."""
    try:
        lock.acquire()
    except Timeout:
        raise WarehouseLocked(told(), next_step) from None
    try:
        yield
    finally:
        lock.release()
