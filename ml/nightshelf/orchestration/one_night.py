"""One night through the DAG, without a scheduler.

<home>/airflow/logs/nights/   what Airflow said during `night-by-airflow`, as JSON lines
<home>/airflow/beside/        metadata of nights run while `up` holds <home>/airflow
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

from nightshelf.errors import NightshelfError, SettingsError
from nightshelf.locks import is_held, waiting
from nightshelf.orchestration.abandoned import DAG, bury_abandoned_runs
from nightshelf.orchestration.children import children
from nightshelf.orchestration.environment import METADATA, airflow_command, initialise
from nightshelf.orchestration.listener import Listener
from nightshelf.paths import Home
from nightshelf.progress import console, progress
from nightshelf.settings.shop import load_shop


def run_dag(home: Home, shop_file: Path, night: date) -> None:
    """Runs the DAG for one night with `airflow dags test`, showing the steps' own lines.

    Raises the failed step's error, with its exit code. A second night in the same home waits; while
    `up` is running the night keeps metadata of its own, since the scheduler would run it, too.
    """
    load_shop(shop_file)
    if METADATA in os.environ:
        raise SettingsError(
            "Airflow's metadata are a server's, whose scheduler would run this night, too.",
            f"Trigger {DAG} there, or run `nightshelf night`.",
        )
    where = home.airflow / "beside" if is_held(home.airflow / "up.lock") else home.airflow
    if where != home.airflow:
        console.print("Airflow is up in this home; this run does not show in its UI.")
    # Airflow 3.3 cannot end a run with a deadline outside its scheduler, and somebody is watching this one.
    env = initialise(home, where) | {
        "AIRFLOW__LOGGING__JSON_LOGS": "True",
        "NIGHTSHELF_DEADLINE_MINUTES": "0",
    }
    with waiting(where / "night.lock", "Another night is running in this home; waiting for it."):
        bury_abandoned_runs(where)
        before = _newest_attempt(home, shop_file, night)
        try:
            _run_dag(env, shop_file, night)
        except KeyboardInterrupt:
            raise interrupted(home, shop_file, night, before) from None


def _newest_attempt(home: Home, shop_file: Path, night: date) -> int:
    folder = home.shop(load_shop(shop_file).name).attempts / night.isoformat()
    return max((int(p.name) for p in folder.glob("*") if p.name.isdigit()), default=0)


def interrupted(home: Home, shop_file: Path, night: date, before: int) -> NightshelfError:
    """What Ctrl-C leaves of a night whose newest attempt was `before`, and how to go on."""
    from nightshelf.steps import STEPS, command_of, resume, stage_records

    asked = f"--shop {shop_file} --as-of {night}"
    kept = "Readers see what was published last."
    again = f"Run `nightshelf night-by-airflow {asked}` again; landing files are not taken twice"
    number = _newest_attempt(home, shop_file, night)
    if number > before:
        done = [r["stage"] for r in stage_records(resume(home, shop_file, night, number).attempt)]
        kept = (
            f"Attempt {number} keeps its finished steps ({', '.join(done) or 'none yet'}). {kept}"
        )
        step = next((name for name in STEPS if name not in done), None)
        if done and step:
            command = f"nightshelf {command_of(step)} {asked}"
            again += f". Or go on with this attempt, step by step, from `{command}`"
    error = NightshelfError(f"The night of {night} was interrupted. {kept}", f"{again}.")
    error.exit_code = 128 + signal.SIGINT
    return error


def _run_dag(env: dict[str, str], shop_file: Path, night: date) -> None:
    asked = json.dumps({"night": night.isoformat(), "shop": str(shop_file.absolute())})
    where = Path(env["AIRFLOW_HOME"])
    log = _new_log(where, night)
    console.print(f"Night {night} by Airflow, DAG {DAG}; its log: {log}", markup=False)
    with (
        log.open("w", encoding="utf-8") as kept,
        progress("night") as shown,
        children(where) as start,
    ):
        shown.advance("Airflow is starting")
        process = start(
            airflow_command("dags", "test", DAG, "--conf", asked), env, stdout=subprocess.PIPE
        )
        listener = Listener(shown)
        for raw in process.stdout:
            line = raw.decode("utf-8", "backslashreplace")
            kept.write(line)
            kept.flush()
            listener.hear(line)
        code = process.wait()
    if code:
        raise listener.failure(log)


def _new_log(where: Path, night: date) -> Path:
    folder = where / "logs" / "nights"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{night}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
