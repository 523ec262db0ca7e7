"""What Airflow's DAGs share: a task is a command of `nightshelf`, tried again where the machine failed.

Imported by the files in dags/, which Airflow reads every half minute: names and paths only.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, RetryDecision, RetryPolicy

from nightshelf.paths import PROJECT

ZONE = os.environ.get("NIGHTSHELF_TIME_ZONE") or "America/New_York"
"""The demo shop's. Only the hour hangs on it: a night's date is taken in the shop's own zone."""

SHOP_FILE = os.environ.get("NIGHTSHELF_SHOP") or "shops/demo.toml"

WRITERS = "nightshelf_writer"
"""A pool of one slot: one process may write a shop's history. `nightshelf up` creates it."""

ENDED_BY_DATA = {2: "settings", 3: "input", 4: "door closed", 5: "door broken", 6: "stale attempt"}
"""Exit codes of nightshelf.errors that a second try cannot change."""


class RetryTheMachineOnly(RetryPolicy):
    """No retry where the data or the settings are wrong; the task's `retries` otherwise."""

    def evaluate(self, exception, try_number, max_tries, context=None) -> RetryDecision:
        code = re.search(r"exit code (\d+)", str(exception))
        reason = ENDED_BY_DATA.get(int(code[1])) if code else None
        return RetryDecision.fail(reason) if reason else RetryDecision.default()


TRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=30),  # a full disk or a lock needs a moment, not an hour
    "retry_policy": RetryTheMachineOnly(),
}
"""`default_args` of every DAG."""


def step(
    task_id: str, command: str, minutes: int, doc: str, env: dict[str, str], **more
) -> BashOperator:
    """A task that runs `nightshelf <command>`, as a person would. `minutes` is many times the need.

    What people type reaches it through `env` only: a shell never reads it.
    """
    settings = {
        "env": env,
        "append_env": True,
        "cwd": str(PROJECT),
        "skip_on_exit_code": None,
        "execution_timeout": timedelta(minutes=minutes),
        "doc_md": doc,
    }
    return BashOperator(
        task_id=task_id,
        bash_command=f'exec "${{NIGHTSHELF_PYTHON:-python}}" -m nightshelf {command}',
        **(settings | more),
    )


def the_night(description: str) -> Param:
    return Param(
        None, type=["null", "string"], format="date", title="Night", description=description
    )


def the_shop() -> Param:
    return Param(
        SHOP_FILE,
        type="string",
        minLength=1,
        maxLength=1000,
        title="Shop",
        description="The shop's TOML file: absolute, or relative to the project.",
    )
