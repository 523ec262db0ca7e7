"""A PostgreSQL server of a test's own: made, started, killed and ended here, on a socket only."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), *map(str, FOLDERS)])
QUICK = ("fsync=off", "shared_buffers=32MB", "listen_addresses=", "max_wal_size=256MB")
"""A test kills processes, not the machine."""
USER = "shop"
PRCTL = getattr(ctypes.CDLL(None), "prctl", lambda *_: 0)  # looked up before the fork


def binaries() -> Path:
    found = shutil.which("postgres", path=SEARCHED)
    if found is None or shutil.which("initdb", path=SEARCHED) is None:
        pytest.skip("the sink to PostgreSQL was not tested: no initdb and postgres on this machine")
    return Path(found).parent


def _as() -> dict:
    """How the server is run: never by root, which PostgreSQL refuses."""
    if os.geteuid():
        return {}
    names = [name for name in ("postgres", "nobody") if _known(name)]
    if not names:
        pytest.skip(
            "the sink to PostgreSQL was not tested: root cannot run it, and is all there is"
        )
    return {"user": names[0], "group": pwd.getpwnam(names[0]).pw_gid, "extra_groups": []}


def _known(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name).pw_uid)
    return False


def _die_with_the_tests() -> None:
    """In the server's process: SIGQUIT, PostgreSQL's immediate end, when the tests' process is gone."""
    PRCTL(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


class Server:
    def __init__(self) -> None:
        self.bin, self.run_as = binaries(), _as()
        # A socket's path may have some hundred letters, fewer than a test's folder.
        self.root = Path(tempfile.mkdtemp(prefix="nightshelf-pg-"))
        if self.run_as:
            shutil.chown(self.root, self.run_as["user"])
        self.data = self.root / "data"
        self.url = f"postgresql://{USER}@/postgres?host={self.root}"
        self._run("initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-sync")  # fmt: skip
        self.process: subprocess.Popen | None = None
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / name), *arguments],
            capture_output=True,
            text=True,
            cwd="/",
            **self.run_as,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = [word for setting in QUICK for word in ("-c", setting)]
        with (self.root.parent / f"{self.root.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.data), "-k", str(self.root), *options],
                stdout=log, stderr=log, cwd="/", start_new_session=True,
                preexec_fn=_die_with_the_tests, **self.run_as,
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        import psycopg

        for _ in range(600):
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url).close()
                return
            assert self.process.poll() is None, "postgres ended by itself"
            time.sleep(0.05)
        raise AssertionError("postgres did not start within half a minute")

    def kill(self) -> None:
        """kill -9 for the server and every process of its."""
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=10)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root.parent / f"{self.root.name}.log").unlink(missing_ok=True)
