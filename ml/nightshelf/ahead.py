"""Pieces worked on side by side, and handed on one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nightshelf.warehouse import cores

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def in_order(
    work: Callable[[Piece], Made], pieces: Iterable[Piece], at_once: int | None = None
) -> Generator[Made, None, None]:
    """What `work` makes of each piece, in their order; `at_once` pieces are worked on side by side, one for
    each core unless told otherwise, while the next is read. No more are: `Executor.map` would read them all.
    What `work` raises is raised here."""
    at_once = at_once or cores()
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        for piece in pieces:
            if len(waiting) == at_once:
                yield waiting.popleft().result()
            waiting.append(threads.submit(work, piece))
        while waiting:
            yield waiting.popleft().result()
