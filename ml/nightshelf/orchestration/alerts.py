"""Who hears of a task that failed, or of a night that is late: the log, and the addresses that
`NIGHTSHELF_ALERTS` names, in Apprise's form (`mailto://…`, `slack://…`, `json://host/path`, …).

An alert that cannot be sent is an error in the log, and changes nothing for the night.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nightshelf.errors import StorageError

if TYPE_CHECKING:
    from nightshelf.paths import Attempt

log = logging.getLogger("nightshelf.orchestration.alerts")
LONGEST = 3_000
"""Chats refuse longer texts; the log and the page have the rest."""


def task_failed(context: Mapping[str, Any]) -> None:
    """Airflow's `on_failure_callback` of every task: it has no try left."""
    task = context["task_instance"]
    tell(f"{task.dag_id}: {task.task_id} failed", _told(task, context.get("exception")))


async def night_is_late(context: Mapping[str, Any], minutes: int) -> None:
    """Airflow's deadline callback: a run is not done so many minutes after it was queued. It runs in the
    triggerer, whose loop a slow mail server must not hold."""
    from nightshelf.progress import counted

    run = context["dag_run"]
    title = f"{run['dag_id']}: late"
    told = (
        f"Run {run['dag_run_id']} has not ended {counted(minutes, 'minute')} after it was queued.\n"
        "Next: look at its tasks; readers keep the last published night meanwhile."
    )
    await asyncio.to_thread(tell, title, told)


def tell(title: str, told: str) -> None:
    """Never raises: an alert is about a failure, and is not to be one."""
    log.error("%s\n%s", title, told)
    addresses = (os.environ.get("NIGHTSHELF_ALERTS") or "").split()
    for number, address in enumerate(addresses, start=1):
        try:
            _send(number, address, title, told[:LONGEST])
        except Exception as error:
            kind = type(error).__name__  # its text may hold the address
            log.error("Address %s of NIGHTSHELF_ALERTS broke: %s.", number, kind)


def _send(number: int, address: str, title: str, told: str) -> None:
    """An address may hold a password, so the log has its number only."""
    from apprise import Apprise

    sender = Apprise()
    if not sender.add(address):
        log.error("Address %s of NIGHTSHELF_ALERTS is none that Apprise knows.", number)
    elif not sender.notify(title=title, body=told, notify_type="failure"):
        log.error("Address %s of NIGHTSHELF_ALERTS did not take the alert.", number)


def _told(task: Any, error: BaseException | None) -> str:
    from nightshelf.morning.begun import attempt_of
    from nightshelf.morning.words import clean
    from nightshelf.paths import Home, default_home

    attempt = attempt_of(Home(default_home()), task.run_id)
    lines = [f"Night {attempt.night}, attempt {attempt.number}"] if attempt else []
    lines += (attempt and _why(attempt)) or [f"{error}", "Next: read the task's log."]
    lines += ["Readers keep the last published night.", f"Log: {task.log_url}"]
    return "\n".join(clean(line, 500) for line in lines)


def _why(attempt: Attempt) -> list[str]:
    """The step's own words; none where it left none that can be read."""
    from nightshelf.steps import failure

    try:
        failed = failure(attempt)
    except StorageError:
        return []
    return [*failed["what"].splitlines(), f"Next: {failed['next_step']}"] if failed else []
