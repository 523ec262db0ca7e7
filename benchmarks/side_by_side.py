"""Contenders side by side: each in a process of its own, in turns, with the same cores.

A benchmark file hands `race` a file of arrays and the names of its contenders, and calls `answer` where
it was itself started as one of them. Wall seconds on a shared machine say little, so the ratios are of
core-seconds, the least of the rounds; peak memory is that of the whole process, inputs included, the
largest of the rounds.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NIGHTSHELF_THREADS",
)
TUNED_FOR_OLD_BUILDS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Would choose another processor's kernels."""


@dataclass(frozen=True)
class Finish:
    """What a contender took, and what it says of its answer."""

    seconds: float
    core_seconds: float
    peak_mb: int
    said: Any


def race(
    file: str, contenders: Sequence[str], inputs: Path, settings: Mapping, rounds: int, cores: int
) -> dict[str, Finish]:
    """Every contender `rounds` times, one after the other in each round."""
    runs: dict[str, list[Finish]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in contenders:
            runs[name].append(_apart(file, name, inputs, settings, cores))
    return {name: _best(finishes) for name, finishes in runs.items()}


def _best(finishes: list[Finish]) -> Finish:
    return Finish(
        min(f.seconds for f in finishes),
        min(f.core_seconds for f in finishes),
        max(f.peak_mb for f in finishes),
        finishes[-1].said,
    )


def _apart(file: str, name: str, inputs: Path, settings: Mapping, cores: int) -> Finish:
    kept = {k: v for k, v in os.environ.items() if k not in TUNED_FOR_OLD_BUILDS}
    ran = subprocess.run(
        [sys.executable, file, "--contender", name, str(inputs), json.dumps(dict(settings))],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=kept | dict.fromkeys(THREADS, str(cores)),
    )
    return Finish(**json.loads(ran.stdout.splitlines()[-1]))


def is_contender() -> bool:
    return sys.argv[1:2] == ["--contender"]


def answer(contenders: Mapping[str, Callable[[Path, dict], Callable[[], Any]]]) -> None:
    """Prepares the contender that was asked for, runs it once, and prints its Finish. What is called
    with the inputs and the settings gives what is measured; what that gives says something of the
    answer, or gives what says it, where that itself takes time."""
    name, inputs, settings = sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])
    run = contenders[name](inputs, settings)
    started, used = time.perf_counter(), time.process_time()
    said = run()
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - used
    peak = peak_mb()
    finish = Finish(seconds, core_seconds, peak, said() if callable(said) else said)
    print(json.dumps(asdict(finish)))


def peak_mb() -> int:
    """Of this process; its own, where getrusage tells of the parent that it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def machine(cores: int, *packages: str) -> str:
    """The processor, the cores that each contender had, and the versions."""
    info = Path("/proc/cpuinfo").read_text()
    model = info.split("model name")[1].split(":")[1].splitlines()[0].strip()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{model}, {cores} threads each; Python {platform.python_version()}, {versions}"
