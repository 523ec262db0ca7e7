"""What Airflow's DAGs share: a task is a command of `nightshelf`, tried again where the machine failed.

Imported by the files in dags/, which Airflow reads every half minute: names and paths only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import (
    AsyncCallback,
    BaseOperatorLink,
    DeadlineAlert,
    DeadlineReference,
    Param,
    RetryDecision,
    RetryPolicy,
)
from airflow.sdk.exceptions import AirflowSkipException

from nightshelf.errors import SettingsError
from nightshelf.orchestration.alerts import night_is_late, task_failed
from nightshelf.paths import PROJECT


def _minutes(name: str, usual: int) -> int:
    told = (os.environ.get(name) or str(usual)).strip()
    if not told.isdecimal():
        raise SettingsError(f"{name} is {told!r}.", "Give whole minutes, 0 for none, or unset it.")
    return int(told)


ZONE = os.environ.get("NIGHTSHELF_TIME_ZONE") or "America/New_York"
"""The demo shop's. Only the hour hangs on it: a night's date is taken in the shop's own zone."""

SHOP_FILE = os.environ.get("NIGHTSHELF_SHOP") or "shops/demo.toml"

DEADLINE_MINUTES = _minutes("NIGHTSHELF_DEADLINE_MINUTES", 180)
"""0: none. A night that is begun at 03:30 and not done at 06:30 leaves somebody half an hour before the
shop opens at seven."""

WRITERS = "nightshelf_writer"
"""A pool of one slot: one process may write a shop's history. `nightshelf up` creates it."""

ENDED_BY_DATA = {
    2: "settings",
    3: "input",
    4: "door closed",
    5: "door broken",
    6: "stale attempt",
    11: "table refused",
}
"""Exit codes of nightshelf.errors that a second try cannot change."""


class RetryTheMachineOnly(RetryPolicy):
    """No retry where the data or the settings are wrong; the task's `retries` otherwise."""

    def evaluate(self, exception, try_number, max_tries, context=None) -> RetryDecision:
        code = re.search(r"exit code (\d+)", str(exception))
        reason = ENDED_BY_DATA.get(int(code[1])) if code else None
        return RetryDecision.fail(reason) if reason else RetryDecision.default()


LATE = (
    DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=DEADLINE_MINUTES),
        callback=AsyncCallback(night_is_late, {"minutes": DEADLINE_MINUTES}),
    )
    if DEADLINE_MINUTES
    else None
)


def skipped_unless(asked: Callable[[Mapping], object], why: str) -> Callable[[Mapping], None]:
    """A `pre_execute` of a task: Airflow shows it as skipped where nobody asked for it."""

    def skip(context: Mapping) -> None:
        if not asked(context):
            raise AirflowSkipException(why)

    return skip


class MLflowRun(BaseOperatorLink):
    """A button on the task: where people look at the night's models."""

    name = "MLflow run"

    def get_link(self, operator, *, ti_key) -> str:
        from nightshelf.morning.begun import attempt_of, mlflow_page
        from nightshelf.paths import Home, default_home

        attempt = attempt_of(Home(default_home()), ti_key.run_id)
        return (attempt and mlflow_page(attempt)) or ""


class LeadsToMLflow(BashOperator):
    operator_extra_links = (MLflowRun(),)


TRIES = {
    "on_failure_callback": task_failed,
    "retries": 2,
    "retry_delay": timedelta(seconds=30),  # a full disk or a lock needs a moment, not an hour
    "retry_policy": RetryTheMachineOnly(),
}
"""`default_args` of every DAG."""


def step(
    task_id: str,
    command: str,
    minutes: int,
    doc: str,
    env: dict[str, str],
    operator: type[BashOperator] = BashOperator,
    **more,
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
    return operator(
        task_id=task_id,
        bash_command=f'exec "${{NIGHTSHELF_PYTHON:-python}}" -m nightshelf {command}',
        **(settings | more),
    )


def a_switch(title: str, description: str) -> Param:
    """On, unless somebody switches it off in the form."""
    return Param(True, type="boolean", title=title, description=description)


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
