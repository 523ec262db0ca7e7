"""A publication in a forked process, and what can befall it: death or an error at any system call.

Forked, because the imports cost more than a publication. `strace` does the harm where it is installed and
may attach; else the process harms itself at the calls that Python makes, which are fewer.
"""

from __future__ import annotations

import faulthandler
import gc
import mmap
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nightshelf.machine import in_words
from nightshelf.publishing import publish as module
from nightshelf.publishing.publish import publish
from nightshelf.warehouse import connect

WRITES = ("write", "pwrite64", "writev", "ftruncate", "fallocate")
SYNCS = ("fsync", "fdatasync")
NAMES = ("rename", "renameat", "renameat2", "mkdir", "mkdirat", "symlink", "symlinkat", "unlink",
         "unlinkat", "rmdir")  # fmt: skip
OPENS = ("openat",)
CHANGES = (*WRITES, *SYNCS, *NAMES)
"""System calls that change the disk."""
SECONDS = 60


@dataclass(frozen=True)
class Ended:
    code: int | None
    """None where it was killed."""
    told: str


def has_strace() -> bool:
    """Installed, and allowed to look into a process of ours."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return done.returncode == 0


def publishing(attempt) -> Callable[[], str]:
    """DuckDB writes in the one thread that asks for it: strace counts calls by thread."""

    def work() -> str:
        module.connect = _in_one_thread
        done = publish(attempt, {})
        return "already" if done.already else "published"

    return work


@contextmanager
def _in_one_thread(database: Path) -> Iterator:
    with connect(database) as db:
        db.execute("set async_threads = 0")
        yield db


class Child:
    """A forked process that waits for `go`, works, and ends as the command line would: with the error's
    exit code, and its words in `told`."""

    def __init__(self, work: Callable[[], str]) -> None:
        self.words = mmap.mmap(-1, 65536)  # no system call is needed to write here
        self.start, self._go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            # What other tests left of DuckDB would be collected here, and its threads are not: an abort.
            gc.disable()
            code = 1
            try:
                os.read(self.start, 1)
                code = self._work(work)
            finally:
                os._exit(code)

    def _work(self, work: Callable[[], str]) -> int:
        faulthandler.disable()  # DuckDB aborts where it cannot open its database; the tests count it
        try:
            code, told = 0, work()
        except BaseException as error:
            known = in_words(error)
            code, told = (known.exit_code, str(known)) if known else (1, f"traceback: {error!r}")
        self.words.write(told.encode()[:65000])
        return code

    def go(self) -> None:
        os.write(self._go, b".")

    def end(self) -> Ended:
        until = time.monotonic() + SECONDS
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"a publication hung for {SECONDS} s")
            time.sleep(0.002)
        os.close(self.start)
        os.close(self._go)
        told = self.words[:].rstrip(b"\0").decode()
        return Ended(None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), told)


def run(work: Callable[[], str], *inject: str, log: Path | None = None) -> Ended:
    """Runs it, with strace's expressions for what shall befall it; `log` gets the calls of CHANGES and
    OPENS."""
    child = Child(work)
    with _traced(child.pid, inject, log):
        child.go()
        return child.end()


@contextmanager
def _traced(pid: int, inject: tuple[str, ...], log: Path | None) -> Iterator[None]:
    if not inject and log is None:
        yield
        return
    harm = [word for expression in inject for word in ("-e", f"inject={expression}")]
    trace = ",".join((*CHANGES, *OPENS))
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(log or "/dev/null"), "-e", f"trace={trace}",
         "-e", "signal=none", *harm, "-p", str(pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(5000):
            if re.search(r"TracerPid:\s+[1-9]", Path(f"/proc/{pid}/status").read_text()):
                break
            time.sleep(0.001)
        else:
            raise AssertionError("strace did not attach")
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            tracer.wait(10)
        if tracer.poll() is None:
            tracer.kill()
            tracer.wait()


def points(work: Callable[[], str], calls: tuple[str, ...], log: Path) -> list[tuple[str, int]]:
    """Every such call of an undisturbed run: its name, and the how-many-eth of that name it is."""
    ended = run(work, log=log)
    assert ended.code == 0, ended.told
    lines = (line.split(None, 1) for line in log.read_text(errors="replace").splitlines())
    names = Counter(text.split("(", 1)[0] for _, text in lines if "(" in text)
    return [(name, n) for name in calls for n in range(1, names[name] + 1)]
