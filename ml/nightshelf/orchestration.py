"""Airflow in one home: its environment, and one night through the DAG.

<home>/airflow/airflow.db, airflow.cfg   metadata; secrets that Airflow drew for itself
<home>/airflow/logs/nights/              what Airflow said during `night-by-airflow`, as JSON lines
<home>/airflow/beside/                   metadata of nights run while `up` holds the one above
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout

from nightshelf.errors import NightshelfError, SettingsError
from nightshelf.paths import PROJECT, Home
from nightshelf.processes import ends_with_its_parent, sigterm_raises
from nightshelf.progress import Progress, console, progress
from nightshelf.settings import load_shop

DAG = "nightly_recommendations"
METADATA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
"""Where it is set, Airflow's metadata are in a server's database, and not in the home."""
POOL = "nightshelf_writer"
GRACE_SECONDS = 10
"""From SIGTERM to SIGKILL: a step needs a second to let go of DuckDB."""


def environment(home: Home, airflow_home: Path | None = None) -> dict[str, str]:
    """This process's environment, with Airflow's in one home.

    What is Nightshelf's own is set; the rest are defaults that AIRFLOW__… variables replace.
    """
    defaults = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # a night is one chain of tasks
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",  # name:role; Airflow draws the password
        "AIRFLOW__API__HOST": bind_address(),
        "AIRFLOW__API__PORT": "8080",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUTF8": "1",
    }
    chosen = defaults | dict(os.environ)
    port = chosen["AIRFLOW__API__PORT"]
    # Where links of alerts lead, unless a proxy stands before it.
    chosen.setdefault("AIRFLOW__API__BASE_URL", f"http://127.0.0.1:{port}")
    # In a container the API is served by another one.
    chosen.setdefault(
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://127.0.0.1:{port}/execution/"
    )
    packages = [str(Path(__file__).resolve().parents[1]), str(PROJECT)]
    return chosen | {
        "AIRFLOW_HOME": str(airflow_home or home.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "NIGHTSHELF_HOME": str(home.root),
        "NIGHTSHELF_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([*packages, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def bind_address() -> str:
    """Loopback, unless `NIGHTSHELF_HOST` says otherwise (inside a container it has to)."""
    return os.environ.get("NIGHTSHELF_HOST") or "127.0.0.1"


def airflow_command(*arguments: str) -> list[str]:
    """By module, not by script: scripts name their interpreter, which may lie under a space."""
    return [sys.executable, "-m", "airflow", *arguments]


def initialise(home: Home, airflow_home: Path | None = None) -> dict[str, str]:
    """Creates Airflow's database and the writers' pool; returns the environment.

    About 10 s once for each version of Airflow, and nothing afterwards. A server's database is left to
    `nightshelf prepare`.
    """
    where = airflow_home or home.airflow
    env = environment(home, where)
    done = where / f"initialised-{version('apache-airflow')}"
    where.mkdir(parents=True, exist_ok=True)
    where.chmod(0o700)  # airflow.cfg and the password file hold secrets
    if METADATA in env:
        return env
    with FileLock(where / "initialise.lock"):
        if not done.exists():
            console.print(f"Airflow prepares its database in {where} (about 10 s)", markup=False)
            migrate(env)
            done.touch()
    return env


def migrate(env: Mapping[str, str]) -> None:
    """Brings Airflow's database to this version, and makes the writers' pool."""
    silently(airflow_command("db", "migrate"), env)
    silently(
        airflow_command("pools", "set", POOL, "1", "Tasks that write the shop's history."), env
    )


def silently(command: list[str], env: Mapping[str, str], said: str | None = None) -> None:
    """Runs a command, `said` being its input. Raises NightshelfError with its last words when it fails."""
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
        input=said, start_new_session=said is not None,  # without a terminal to ask instead
    )  # fmt: skip
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-10:])
        raise NightshelfError(
            f"`{' '.join(command[2:])}` ended with {done.returncode}:\n{said}",
            "Mend what it names, in Airflow's database or its address."
            if METADATA in env
            else f"Mend what it names; moving {env['AIRFLOW_HOME']} away begins Airflow anew.",
        )


def replace_with_airflow(home: Home, arguments: list[str]) -> NoReturn:
    """Becomes `airflow <arguments>` in this home."""
    env = initialise(home)
    command = airflow_command(*arguments)
    os.execve(command[0], command, env)


# ---------------------------------------------------------------- one night through the DAG


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
    where = home.airflow / "beside" if _held(home.airflow / "up.lock") else home.airflow
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
    from nightshelf.steps import STEPS, resume, stage_records

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
            command = f"nightshelf {step.replace('door_', 'gate ')} {asked}"
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


@dataclass
class Listener:
    """Reads Airflow's JSON lines, shows what the steps say, and remembers why one failed."""

    shown: Progress
    task: str = ""
    step_speaks: bool = False
    said: list[str] = field(default_factory=list)
    failed: tuple[str, int, list[str]] | None = None

    def hear(self, line: str) -> None:
        try:
            record = json.loads(line)
            event, logger = str(record["event"]), str(record.get("logger", ""))
        except (ValueError, TypeError, KeyError):
            return  # a library that prints past the log; the file keeps it
        if event.startswith("[DAG TEST] starting task_id="):
            self._task_starts(event.split("=", 1)[1].split()[0])
        elif logger.endswith("SubprocessHook"):
            self._hear_hook(event)

    def _task_starts(self, task: str) -> None:
        if self.failed and self.failed[0] == task:
            console.print(
                f"  {task} failed; Airflow tries it again: {self._told()[0]}", markup=False
            )
        self.task, self.said, self.step_speaks = task, [], False
        self.shown.advance(task)

    def _hear_hook(self, event: str) -> None:
        if event == "Output:":
            self.step_speaks = True
        elif event.startswith("Command exited with return code "):
            self.step_speaks = False
            code = int(event.rsplit(" ", 1)[1])
            if code:
                self.failed = (self.task, code, self.said)
            elif self.failed and self.failed[0] == self.task:
                # A later try of it. The page of a red night is made after it, and mends nothing.
                self.failed = None
        elif self.step_speaks:
            self._step_says(event)

    def _step_says(self, line: str) -> None:
        self.said.append(line)
        if line.startswith(f"  {self.task.split('.')[-1]}: "):
            self.shown.advance(line.strip())
        elif not any(said.startswith("✗ ") for said in self.said):  # an error is told at the end
            console.print(line, markup=False)

    def _told(self) -> tuple[str, str]:
        """What the failed step said after its ✗: what happened, and the next step."""
        lines = self.failed[2] if self.failed else []
        starts = [n for n, line in enumerate(lines) if line.startswith("✗ ")]
        text = "\n".join(lines[starts[-1] :] if starts else lines[-10:]).removeprefix("✗ ")
        what, _, next_step = text.partition("\n  Next: ")
        return what or "it said nothing", next_step

    def failure(self, log: Path) -> NightshelfError:
        """The step's own error, or Airflow's if no step failed."""
        if self.failed is None:
            return NightshelfError(
                f"Airflow failed{f' at task {self.task}' if self.task else ''}, not a step.",
                f"Read the end of {log}; `nightshelf night` runs the same steps without Airflow.",
            )
        task, code, _ = self.failed
        what, next_step = self._told()
        kind = {e.exit_code: e for e in NightshelfError.__subclasses__()}.get(code, NightshelfError)
        error = kind(
            f"Task {task} failed: {what}", next_step or f"Read {log}, then run the night again."
        )
        error.exit_code = code if code > 0 else 128 - code
        return error


def bury_abandoned_runs(where: Path) -> None:
    """Marks runs as failed whose process died. Else one would hold the DAG's only active run.

    Only those of `night-by-airflow` (triggered by TEST): the scheduler looks after its own.
    """
    database = where / "airflow.db"
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=30)) as db, db:
        over = "dag_id = ? and triggered_by = 'TEST' and state in ('running', 'queued')"
        db.execute(
            "update task_instance set state = 'failed' where state is not null and state not in"
            f" ('success', 'failed') and run_id in (select run_id from dag_run where {over})"
            " and dag_id = ?",
            [DAG, DAG],
        )
        db.execute(f"update dag_run set state = 'failed' where {over}", [DAG])


# ---------------------------------------------------------------- locks and processes


def _held(lock: Path) -> bool:
    if not lock.parent.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def waiting(lock: Path, message: str) -> Iterator[None]:
    """Holds the lock; says so once if it has to wait. A holder that dies lets go of it."""
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        console.print(message, markup=False)
        held.acquire()
    try:
        yield
    finally:
        held.release()


@contextmanager
def children(where: Path) -> Iterator:
    """Gives a function that starts a process in a group of its own; all end with the block.

    Steps are in sessions of their own (Airflow starts them so), so descendants are looked up. After
    anything but a clean end the DAG run is marked as failed.
    """
    started: list[subprocess.Popen] = []

    def start(command: list[str], env: Mapping[str, str], stdout) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                command,
                env=env,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_its_parent,
            )
        )
        return started[-1]

    with sigterm_raises():
        try:
            yield start
        finally:
            if end(started):
                bury_abandoned_runs(where)


def end(processes: list[subprocess.Popen]) -> bool:
    """Ends processes and their descendants: SIGTERM, then SIGKILL. False if all had ended before."""
    import psutil

    living = [psutil.Process(p.pid) for p in processes if p.poll() is None]
    family = [member for p in living for member in (*p.children(recursive=True), p)]
    family += [member for p in processes if p.poll() is not None for member in _left_by(p.pid)]
    for member in family:
        _signal(member.terminate)
    for member in psutil.wait_procs(family, timeout=GRACE_SECONDS)[1]:
        _signal(member.kill)
    return bool(living)


def _left_by(pid: int) -> list:
    """Who outlives a process that was killed: it began a group of its own, and they are in it."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid:
                found.append(process)
    return found


def _signal(send) -> None:
    import psutil

    try:
        send()
    except psutil.NoSuchProcess:
        return
