"""Progress that a person sees and a log keeps: a live line on a terminal, rare lines in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

if sys.stdout is None:  # closed by the caller: `>&-`
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives


class _Unbroken:
    """Today's stdout; where nobody reads it any more (`| head`), the night goes on without."""

    def __getattr__(self, name: str):
        return getattr(sys.stdout, name)

    def write(self, text: str) -> int:
        try:
            return sys.stdout.write(text)
        except BrokenPipeError:
            return self._mute(len(text))

    def flush(self) -> None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            self._mute(0)

    def _mute(self, n: int) -> int:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
        return n


console = Console(
    file=_Unbroken(),  # type: ignore[arg-type]
    highlight=False,
    soft_wrap=True,
    width=None if sys.stdout.isatty() else 120,
)

LOG_SECONDS = 5
"""In a log that nobody watches live, one line each so many seconds is enough."""


def counted(n: float, noun: str) -> str:
    """ "1 trial", "2,000 trials", "2.5 minutes"."""
    return f"{n:,.15g} {noun}{'' if n == 1 else 's'}"


class Progress:
    """One step's progress. On a terminal one line is rewritten; elsewhere lines are rare."""

    def __init__(self, step: str, status: object | None = None) -> None:
        self.step = step
        self._status = status
        self._said_at = time.monotonic()
        self._has_said = False

    def advance(self, message: str, is_last: bool = False) -> None:
        """`is_last`: of what is counted. A log that has a first count has the last one, too."""
        if self._status is not None:
            self._status.update(escape(f"{self.step}: {message}"))
        elif time.monotonic() - self._said_at >= LOG_SECONDS or (is_last and self._has_said):
            self._said_at, self._has_said = time.monotonic(), True
            console.print(f"  {self.step}: {message}", markup=False)

    def say(self, message: str) -> None:
        """A line that stays."""
        console.print(f"  {message}", markup=False)


@contextmanager
def progress(step: str) -> Iterator[Progress]:
    if not console.is_terminal:
        yield Progress(step)
        return
    with console.status(f"{step} …") as status:
        yield Progress(step, status)
