"""How a night through Airflow is told, locked and ended."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from nightshelf import orchestration
from nightshelf.errors import DoorClosed, NightshelfError, SettingsError
from nightshelf.orchestration import Listener, children, environment, interrupted, run_dag
from nightshelf.paths import PROJECT, Home
from nightshelf.progress import Progress

HOOK = "airflow.task.hooks.airflow.providers.standard.hooks.subprocess.SubprocessHook"
DEMO = PROJECT / "shops" / "demo.toml"
NIGHT = date(2017, 12, 1)


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def heard(*events: tuple[str, str]) -> Listener:
    listener = Listener(Progress("night"))
    for logger, event in events:
        listener.hear(json.dumps({"event": event, "logger": logger}) + "\n")
    return listener


def task(name: str, *lines: str, code: int) -> list[tuple[str, str]]:
    """What Airflow logs around a step that says these lines."""
    return [
        ("airflow.sdk.definitions.dag", f"[DAG TEST] starting task_id={name} map_index=-1"),
        (HOOK, "Running command: ['bash', '-c', '…']"),
        (HOOK, "Output:"),
        *((HOOK, line) for line in lines),
        (HOOK, f"Command exited with return code {code}"),
    ]


def test_what_a_step_says_is_shown_and_what_airflow_says_is_not(capsys):
    heard(*task("ingest.ingest", "✓ ingest  1.0 s", code=0))
    assert capsys.readouterr().out == "✓ ingest  1.0 s\n"


def test_a_failed_step_ends_the_night_with_its_own_error(capsys):
    lines = ("✗ Door raw is closed by 1 rule.", "    why: …", "  Next: Deliver the missing days.")
    error = heard(*task("ingest.door_raw", *lines, code=4)).failure(Path("x.log"))
    assert isinstance(error, DoorClosed)
    assert error.what == "Task ingest.door_raw failed: Door raw is closed by 1 rule.\n    why: …"
    assert error.next_step == "Deliver the missing days."
    assert capsys.readouterr().out == ""  # it is told once, at the end


def test_a_step_that_dies_without_a_word_is_told_by_its_last_lines():
    error = heard(*task("learn.train", "Traceback …", "ValueError: no", code=1)).failure(Path("x"))
    assert error.what == "Task learn.train failed: Traceback …\nValueError: no"
    assert error.exit_code == 1


def attempt_at(home: Home, number: int, *stages: str) -> None:
    folder = home.shop("demo").attempt(NIGHT, number)
    folder.stages.mkdir(parents=True)
    for stage in stages:
        (folder.stages / f"{stage}.json").write_text(json.dumps({"stage": stage}))


def test_an_interrupted_night_says_what_it_keeps_and_how_to_go_on(home):
    attempt_at(home, 1, "ingest", "door_raw", "features")
    error = interrupted(home, DEMO, NIGHT, 0)
    assert "Attempt 1 keeps its finished steps (ingest, door_raw, features)." in error.what
    assert "Readers see what was published last." in error.what
    assert (
        f"`nightshelf night-by-airflow --shop {DEMO} --as-of 2017-12-01` again" in error.next_step
    )
    assert f"from `nightshelf gate features --shop {DEMO} --as-of 2017-12-01`" in error.next_step
    assert error.exit_code == 130


def test_an_interrupted_night_that_had_no_attempt_yet_speaks_of_none(home):
    attempt_at(home, 1, "ingest")
    error = interrupted(home, DEMO, NIGHT, 1)
    assert error.what == (
        "The night of 2017-12-01 was interrupted. Readers see what was published last."
    )
    assert "step by step" not in error.next_step


def test_a_night_that_somebody_watches_has_no_deadline(home, monkeypatch):
    """Airflow 3.3 cannot end a run that has one outside its scheduler."""
    given = {}
    monkeypatch.setattr(orchestration, "initialise", lambda *_: {})
    monkeypatch.setattr(orchestration, "_run_dag", lambda env, *_: given.update(env))
    run_dag(home, DEMO, NIGHT)
    assert given["NIGHTSHELF_DEADLINE_MINUTES"] == "0"


def test_ctrl_c_ends_the_night_with_the_way_on(home, monkeypatch):
    def stopped(*_):
        attempt_at(home, 1, "ingest")
        raise KeyboardInterrupt

    monkeypatch.setattr(orchestration, "initialise", lambda *_: {})
    monkeypatch.setattr(orchestration, "_run_dag", stopped)
    with pytest.raises(NightshelfError, match=r"finished steps \(ingest\)"):
        run_dag(home, DEMO, NIGHT)


def test_a_killed_step_ends_with_its_signals_exit_code():
    assert heard(*task("learn.train", code=-9)).failure(Path("x.log")).exit_code == 137


def test_a_step_that_succeeds_on_its_second_try_has_not_failed(capsys):
    again = task("prepare.features", "✗ No space.", "  Next: Free some.", code=8)
    listener = heard(*again, *task("prepare.features", "✓ features", code=0))
    assert listener.failed is None
    assert "prepare.features failed; Airflow tries it again: No space." in capsys.readouterr().out


def test_a_failed_step_stays_the_night_s_error_though_the_page_is_made_after_it(capsys):
    red = task("prepare.features", "✗ it broke\n  Next: mend it.", code=10)
    heard_of = heard(*red, *task("publish.morning", "page.html", code=0))
    assert heard_of.failed[:2] == ("prepare.features", 10)


def test_a_failure_of_airflows_own_names_its_log():
    error = heard().failure(Path("x.log"))
    assert type(error) is NightshelfError
    assert "Read the end of x.log" in error.next_step


def test_lines_that_are_no_records_are_left_to_the_log(capsys):
    listener = Listener(Progress("night"))
    for line in ("plain text\n", "[1]\n", "null\n", '{"no": "event"}\n'):
        listener.hear(line)
    assert capsys.readouterr().out == ""


def test_airflow_lives_in_the_home_and_listens_on_loopback(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    env = environment(home)
    assert env["AIRFLOW_HOME"] == str(home.airflow)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["NIGHTSHELF_PYTHON"] == sys.executable


def test_an_operators_own_setting_wins(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__PORT", "9090")
    env = environment(home)
    assert env["AIRFLOW__API__PORT"] == "9090"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9090/execution/"


def test_a_missing_shop_is_told_before_airflow_starts(home):
    with pytest.raises(SettingsError, match="No shop file"):
        run_dag(home, Path("no.toml"), None)
    assert not home.airflow.exists()


def test_while_the_servers_are_up_a_night_keeps_its_own_metadata(home, monkeypatch):
    """The scheduler would run the same tasks a second time."""
    seen = []
    monkeypatch.setattr(orchestration, "initialise", lambda _, where: {"AIRFLOW_HOME": str(where)})
    monkeypatch.setattr(orchestration, "_run_dag", lambda env, *_: seen.append(env["AIRFLOW_HOME"]))
    (home.airflow / "beside").mkdir(parents=True)
    run_dag(home, DEMO, NIGHT)
    with FileLock(home.airflow / "up.lock"):
        run_dag(home, DEMO, NIGHT)
    assert seen == [str(home.airflow), str(home.airflow / "beside")]


def test_a_run_whose_process_died_does_not_stay_active(home):
    home.airflow.mkdir(parents=True)
    with sqlite3.connect(home.airflow / "airflow.db") as db:
        db.execute("create table dag_run (dag_id, run_id, triggered_by, state)")
        db.execute("create table task_instance (dag_id, run_id, state)")
        for who, state in (("TEST", "running"), ("TEST", "success"), ("TIMETABLE", "running")):
            db.execute(
                "insert into dag_run values (?, ?, ?, ?)",
                [orchestration.DAG, f"{who}{state}", who, state],
            )
        db.execute(
            "insert into task_instance values (?, 'TESTrunning', 'running')", [orchestration.DAG]
        )
    orchestration.bury_abandoned_runs(home.airflow)
    with sqlite3.connect(home.airflow / "airflow.db") as db:
        assert db.execute("select state from dag_run order by rowid").fetchall() == [
            ("failed",),
            ("success",),
            ("running",),
        ]
        assert db.execute("select state from task_instance").fetchall() == [("failed",)]


PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from pathlib import Path
from nightshelf.orchestration import children
with children(Path(sys.argv[1])) as start:
    child = start(["bash", "-c", "setsid sleep 1000 & echo $! > " + sys.argv[1] + "/pid; wait"], None, None)
    child.wait()
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_parent_ends_steps_in_sessions_of_their_own(tmp_path, ending):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.DEVNULL,
    )
    pid = _eventually(lambda: int((tmp_path / "pid").read_text()))
    parent.send_signal(ending)
    assert parent.wait(timeout=20) != 0
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_children_of_a_server_that_was_killed_end_with_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(orchestration, "GRACE_SECONDS", 0.2)
    # It is deaf to SIGTERM, as Airflow's workers are.
    child = f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/pid; wait"
    with children(tmp_path) as start:
        server = start(["bash", "-c", child], None, None)
        pid = _eventually(lambda: int((tmp_path / "pid").read_text()))
        server.kill()
        server.wait()
        assert psutil.pid_exists(pid)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _eventually(look):
    for _ in range(200):
        try:
            return look()
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("it never came")
