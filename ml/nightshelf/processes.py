"""How a process of ours ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """SIGTERM unwinds the stack as Ctrl-C does, so that children are ended and records closed."""

    def leave(*_) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
