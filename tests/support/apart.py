"""A step of a night in a process of its own that can be killed, forked from one that has the imports."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["nightshelf.steps", "nightshelf.transform.visit", "nightshelf.learning.train", "nightshelf.judging.evaluate",
     "nightshelf.registry", "expectations", "mlflow", "lightgbm", "dbt.cli.main", "great_expectations"]
)  # fmt: skip
"""Only what has never worked may be forked: libraries' threads do not come along."""


@dataclass(frozen=True)
class Site:
    """Where a night is made."""

    shop_file: Path
    home: Path
    night: date
    attempt: int | None = None
    """None: the newest."""


@dataclass(frozen=True)
class Ended:
    code: int
    """Negative: the signal that ended it."""
    told: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(frozen=True)
class Straits:
    """What a step must do without."""

    largest_file: int | None = None
    """No file grows beyond so many bytes, as on a disk that is full."""
    memory: str | None = None
    """Of DuckDB, such as "10MB"."""
    user: int | None = None
    """The step acts as another user."""


def run(
    site: Site, step: str, kill_after: float | None = None, straits: Straits | None = None
) -> Ended:
    """Runs a step, "open" among them; ends it by kill -9 after so many seconds."""
    told = site.home.with_name(f"{site.home.name}.told")
    process = FORKS.Process(target=_step, args=(site, step, told, straits or Straits()))
    started = time.perf_counter()
    process.start()
    process.join(kill_after)
    if process.is_alive():
        process.kill()
        process.join()
    seconds = time.perf_counter() - started
    words = told.read_text(errors="replace") if told.exists() else ""
    return Ended(process.exitcode, words, seconds)


def _step(site: Site, step: str, told: Path, straits: Straits) -> None:
    from nightshelf.machine import in_words
    from nightshelf.paths import Home
    from nightshelf.steps import STEPS, open_night, resume

    told.write_text("")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    _get_into(straits)
    code = 0
    try:
        home = Home(site.home)
        if step == "open":
            open_night(home, site.shop_file, site.night)
        else:
            STEPS[step](resume(home, site.shop_file, site.night, site.attempt))
    except BaseException as error:  # what the command line would end with
        known = in_words(error)
        code = _said(
            told, *((str(known), known.exit_code) if known else (f"traceback: {error!r}", 1))
        )
    os._exit(code)


def _get_into(straits: Straits) -> None:
    if straits.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails then, with EFBIG
        _limit_files(straits.largest_file)
    if straits.memory is not None:
        os.environ["NIGHTSHELF_MEMORY"] = straits.memory
    if straits.user is not None:
        os.seteuid(straits.user)


def _limit_files(size: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


def _said(told: Path, words: str, code: int) -> int:
    # The file is the test's, and no part of the trouble.
    os.seteuid(os.getuid())
    _limit_files(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    told.write_text(words[:10_000])
    return code
