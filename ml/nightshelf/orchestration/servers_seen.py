"""What is up in a home, told and ended from another terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from rich.markup import escape
from rich.table import Table

from nightshelf.errors import InputError, NightshelfError
from nightshelf.orchestration.servers import logs_of
from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.storage import read_json

END_SECONDS = 60
"""`up` gives its servers ten seconds from SIGTERM to SIGKILL, and ends then itself."""


@dataclass(frozen=True)
class Up:
    process: psutil.Process
    servers: dict[str, psutil.Process | None]
    """None: it has ended."""


def seen(home: Home) -> Up | None:
    """What is up; None where nobody holds the lock, whatever a file of an older run may say."""
    record = home.root / "servers.json"
    try:
        with FileLock(home.root / "servers.lock", timeout=0):
            record.unlink(missing_ok=True)
            return None
    except (Timeout, FileNotFoundError):
        if not record.exists():
            return None
    told = read_json(record)
    process = _process(told["pid"])
    return process and Up(process, {name: _process(pid) for name, pid in told["servers"].items()})


def _process(pid: int) -> psutil.Process | None:
    try:
        found = psutil.Process(pid)
        return found if found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def status(home: Home) -> None:
    """Prints a table: server, process, memory of it and its children, where it listens."""
    up = seen(home)
    if up is None:
        console.print(
            f"Nothing is up in {home.root}; `make up` starts Airflow and MLflow.", markup=False
        )
        return
    table = Table("server", "process", "MB", "listens on", box=None, pad_edge=False)
    for name, process in up.servers.items():
        if process is None:
            table.add_row(name, "ended", "", "")
            continue
        family = [process, *process.children(recursive=True)]
        table.add_row(
            name, str(process.pid), f"{_megabytes(family):,.0f}", ", ".join(_addresses(family))
        )
    console.print(table)
    console.print(f"Their logs: {logs_of(home)}; `nightshelf down` ends them.", markup=False)


def _megabytes(family: list[psutil.Process]) -> float:
    """Proportional set size: what processes share is counted once."""
    found = 0
    for process in family:
        try:
            found += process.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return found / 2**20


def _addresses(family: list[psutil.Process]) -> list[str]:
    found = set()
    for process in family:
        try:
            for at in process.net_connections("tcp"):
                if at.status == psutil.CONN_LISTEN:
                    found.add(f"http://{at.laddr.ip}:{at.laddr.port}")
        except psutil.Error:
            continue
    return sorted(found)


def down(home: Home) -> None:
    """Ends what is up, and waits for it. Raises NightshelfError where it does not end."""
    up = seen(home)
    if up is None:
        console.print(f"Nothing is up in {home.root}.", markup=False)
        return
    up.process.terminate()
    try:
        up.process.wait(END_SECONDS)
    except psutil.TimeoutExpired:
        raise NightshelfError(
            f"Process {up.process.pid}, which serves {home.root}, has not ended for {END_SECONDS} s.",
            f"End it with `kill -9 {up.process.pid}`; its servers end with it.",
        ) from None
    console.print(f"{', '.join(up.servers)} have ended.", markup=False)


def logs(home: Home, server: str | None, lines: int) -> None:
    """Prints the last lines of each server's log, or of one."""
    found = sorted(logs_of(home).glob(f"{server or '*'}.log"))
    if not found:
        known = ", ".join(sorted(p.stem for p in logs_of(home).glob("*.log"))) or "none yet"
        raise InputError(
            f"There is no log of {server or 'a server'} in {logs_of(home)}.",
            f"Logs there: {known}.",
        )
    for path in found:
        console.print(f"[bold]{escape(path.stem)}[/]  {escape(str(path))}")
        for line in _last(path, lines):
            console.print(line, markup=False)


def _last(path: Path, n: int) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\n") for line in deque(file, n))
