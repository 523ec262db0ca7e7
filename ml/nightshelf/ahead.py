"""Pieces worked on side by side, and handed on one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nightshelf.warehouse import cores

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def in_order(work: Callable[[Piece], Made], pieces: Iterable[Piece]) -> Iterator[Made]:
    """What `work` makes of each piece, in their order. A core has one piece, and no piece is read before it
    is its turn: `Executor.map` would read them all. What `work` raises is raised here."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(cores()) as threads:
        for piece in pieces:
            waiting.append(threads.submit(work, piece))
            if len(waiting) == cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
