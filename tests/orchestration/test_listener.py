"""What Airflow says is heard for what the steps say."""

from __future__ import annotations

import json
from pathlib import Path

from nightshelf.errors import DoorClosed, NightshelfError
from nightshelf.orchestration.listener import Listener
from nightshelf.progress import Progress

HOOK = "airflow.task.hooks.airflow.providers.standard.hooks.subprocess.SubprocessHook"


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
