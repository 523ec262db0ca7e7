"""How contenders compare, side by side in one process: ratios with wide margins, never absolute seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def core_seconds(*runs: Callable[[], object], rounds: int = 3) -> Sequence[float]:
    """Of this process: the least that each took, all in turns, after one run of each that does not count."""
    for run in runs:
        run()
    taken = [[_of(run) for run in runs] for _ in range(rounds)]
    return [min(of_run) for of_run in zip(*taken, strict=True)]


def _of(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before
