"""The DAG file: what a tired person may rely on. Airflow is imported once, with a home of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightshelf import errors
from nightshelf.columns import TABLES
from nightshelf.errors import SettingsError
from nightshelf.paths import PROJECT
from nightshelf.settings.shop import load_shop
from nightshelf.steps import STEPS

DAGS = PROJECT / "dags"
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    '"; touch pwned; "',
    "'; touch pwned; '",
    "a\ntouch pwned\n",
    "{{ 7 * 7 }}",
)


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The DAG's module, as Airflow's processor loads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        for name in ("NIGHTSHELF_SHOP", "NIGHTSHELF_TIME_ZONE"):
            patch.delenv(name, raising=False)
        patch.syspath_prepend(str(DAGS))
        import airflow.providers.standard.operators.bash
        import airflow.sdk  # noqa: F401

        started = time.perf_counter()
        import nightly_recommendations

        nightly_recommendations.seconds_to_import = time.perf_counter() - started
        yield nightly_recommendations


@pytest.fixture(scope="module")
def dag(module):
    return module.dag


def short(task_id: str) -> str:
    return task_id.split(".")[-1]


def in_order(dag) -> list[str]:
    return [short(task.task_id) for task in dag.topological_sort()]


def command(task) -> list[str]:
    """What follows `-m nightshelf` in the task's bash text."""
    return task.bash_command.split(" -m nightshelf ")[1].split()


def context(params: dict, **dag_run):
    run = {"run_type": "manual", "data_interval_end": None} | dag_run
    opened = {"night": "2017-12-01", "attempt": "3"}
    return {
        "params": {"retrain": True, "publish": True} | params,
        "dag_run": SimpleNamespace(**run),
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: opened),
    }


def asked_for(dag, params: dict, **dag_run) -> dict[str, str]:
    """The environment that open_night is started with."""
    task = dag.get_task("ingest.open_night")
    return task.render_template(task.env, context(params, **dag_run))


def test_the_file_is_read_in_less_than_a_second(module):
    assert module.seconds_to_import < 1


def test_no_file_is_called_dbt_something():
    """dbt imports every module whose name starts with dbt_: it would run the DAG as a plugin."""
    assert not list(DAGS.rglob("dbt_*"))


def test_dags_hold_wiring_only():
    """No SQL, no frames, no models: those live in dbt_project/ and ml/."""
    for path in DAGS.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert imported <= {*sys.stdlib_module_names, "airflow", "nightshelf"}
        assert not re.search(r"(?i)\bselect\b.*\bfrom\b", path.read_text(encoding="utf-8"))


def test_the_nightshelf_modules_a_dag_imports_are_light():
    """Names and paths only: the processor reads these files every half minute."""
    light = {
        "nightshelf",
        "nightshelf.columns",
        "nightshelf.errors",
        "nightshelf.paths",
        "nightshelf.orchestration",
        "nightshelf.orchestration.alerts",
        "nightshelf.orchestration.scheduling",
    }
    room = PROJECT / "ml" / "nightshelf" / "orchestration"
    ours = (room / f"{name}.py" for name in ("__init__", "scheduling", "alerts"))
    for path in (*DAGS.glob("*.py"), *ours):
        at_the_top = re.findall(r"^from (nightshelf\S*)", path.read_text(encoding="utf-8"), re.M)
        assert set(at_the_top) <= light


def test_tasks_are_the_steps_of_a_night_in_their_order(dag):
    assert in_order(dag) == ["open_night", *STEPS]


def test_every_task_but_the_last_has_one_task_after_it(dag):
    followers = [len(task.downstream_task_ids) for task in dag.topological_sort()]
    assert followers == [1] * len(STEPS) + [0]


def test_every_task_runs_a_command_of_the_command_line(dag):
    from nightshelf.cli import app

    known = {c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands}
    assert {command(task)[0] for task in dag.tasks} <= known


def test_a_task_runs_the_step_it_is_named_after(dag):
    for task in dag.tasks:
        said = command(task)
        step = {"open": "open_night", "gate": f"door_{said[-1]}"}.get(said[0], said[0])
        assert step == short(task.task_id)


def test_every_task_says_what_it_does_and_ends_some_day(dag):
    assert all(task.doc_md and task.execution_timeout for task in dag.tasks)


def test_the_page_says_how_to_rerun(dag):
    for heading in ("What it makes", "When", "How to see that it is wrong", "How to rerun"):
        assert f"### {heading}" in dag.doc_md


def test_publishing_announces_every_published_table(dag):
    announced = [asset.name for asset in dag.get_task("publish.publish").outlets]
    assert announced == [*TABLES]


def test_history_is_written_in_a_pool(dag, module):
    from nightshelf.orchestration.environment import POOL

    writers = {short(t.task_id) for t in dag.tasks if t.pool == module.WRITERS}
    assert module.WRITERS == POOL
    assert writers == {"open_night", "ingest", "features"}


def test_nights_run_one_at_a_time_and_nothing_runs_by_surprise(dag):
    assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, True)
    assert dag.start_date is None  # with one, unpausing runs the latest interval at once


def test_the_hour_is_the_demo_shops(module):
    assert load_shop(PROJECT / "shops" / "demo.toml").time_zone == module.ZONE


def test_params_are_typed_and_described(dag):
    schemas = {name: dag.params.get_param(name) for name in dag.params}
    assert set(schemas) == {"night", "shop", "retrain", "publish"}
    assert all(p.description and p.schema["type"] for p in schemas.values())


@pytest.mark.parametrize("night", ["yesterday", "2017-13-01", "$(touch pwned)", 20171201])
def test_a_night_that_is_no_date_is_refused(dag, night):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param("night").resolve(night)


def test_a_run_by_hand_asks_for_the_newest_night(dag):
    """Also when the UI gave it a logical date of now."""
    now = datetime.now(UTC)
    env = asked_for(dag, {"night": None, "shop": "s.toml"}, data_interval_end=now)
    assert (env["NIGHTSHELF_SHOP"], env["NIGHTSHELF_AS_OF"]) == ("s.toml", "")


@pytest.mark.parametrize(("switch", "told"), [(True, "True"), (False, "False")])
def test_the_switch_for_retraining_is_told_to_the_first_task(dag, switch, told):
    env = asked_for(dag, {"night": None, "shop": "s.toml", "retrain": switch})
    assert env["NIGHTSHELF_RETRAIN"] == told


@pytest.mark.parametrize("run_type", ["manual", "asset_triggered"])
def test_a_run_without_a_logical_date_asks_for_the_newest_night(dag, run_type):
    env = asked_for(dag, {"night": None, "shop": "s.toml"}, run_type=run_type)
    assert env["NIGHTSHELF_AS_OF"] == ""


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_scheduled_run_asks_for_its_instant(dag, run_type):
    instant = datetime(2017, 12, 1, 8, 30, tzinfo=UTC)
    env = asked_for(
        dag, {"night": None, "shop": "s.toml"}, run_type=run_type, data_interval_end=instant
    )
    assert env["NIGHTSHELF_AS_OF"] == "2017-12-01T08:30:00+00:00"


def test_the_night_that_was_asked_for_wins(dag):
    instant = datetime(2017, 12, 1, 8, 30, tzinfo=UTC)
    params = {"night": "2017-11-20", "shop": "s.toml"}
    env = asked_for(dag, params, run_type="scheduled", data_interval_end=instant)
    assert env["NIGHTSHELF_AS_OF"] == "2017-11-20"


def test_later_tasks_take_night_and_attempt_from_the_first(dag):
    task = dag.get_task("learn.train")
    env = task.render_template(task.env, context({"night": None, "shop": "s.toml"}))
    assert env["NIGHTSHELF_AS_OF"] == "2017-12-01"
    assert env["NIGHTSHELF_ATTEMPT"] == "3"


def test_the_last_line_of_open_must_be_a_night_and_an_attempt(dag, module):
    assert module.night_and_attempt("2017-12-01 3") == {"night": "2017-12-01", "attempt": "3"}
    with pytest.raises(ValueError):
        module.night_and_attempt("Exception ignored in: <function")


def test_no_bash_text_is_a_template(dag):
    assert not any("{{" in t.bash_command or "{%" in t.bash_command for t in dag.tasks)


@pytest.mark.parametrize("value", HOSTILE)
def test_what_people_type_reaches_the_step_whole_and_no_shell(dag, value, tmp_path):
    """Runs each distinct bash text with a stand-in for Python that prints its arguments and the shop."""
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\nprintf "%s|%s" "$*" "$NIGHTSHELF_SHOP"\n')
    stand_in.chmod(0o755)
    for task in (dag.get_task("ingest.open_night"), dag.get_task("prepare.features")):
        env = task.render_template(task.env, context({"night": None, "shop": value}))
        done = subprocess.run(
            ["bash", "-c", task.bash_command],
            env={"PATH": "/usr/bin:/bin", "NIGHTSHELF_PYTHON": str(stand_in)} | env,
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == f"-m nightshelf {' '.join(command(task))}|{value}"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("code", range(1, 12))
def test_a_second_try_is_for_faults_of_the_machine_only(dag, module, code, tmp_path):
    """Through the operator itself: the policy reads the exit code in its exception."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk.exceptions import AirflowException

    task = BashOperator(task_id="t", bash_command=f"exit {code}", skip_on_exit_code=None)
    task.get_env = lambda context: {"PATH": "/usr/bin:/bin"}
    with pytest.raises(AirflowException) as raised:
        task.execute({})
    decision = module.scheduling.RetryTheMachineOnly().evaluate(raised.value, 1, 2)
    by_data = (
        errors.SettingsError, errors.InputError, errors.DoorClosed, errors.DoorBroken,
        errors.StaleAttempt, errors.TableRefused,
    )  # fmt: skip
    expected = "fail" if code in {e.exit_code for e in by_data} else "default"
    assert decision.action.value == expected


def test_every_task_has_the_policy_and_two_retries(dag, module):
    assert all(isinstance(t.retry_policy, module.scheduling.RetryTheMachineOnly) for t in dag.tasks)
    assert {t.retries for t in dag.tasks} == {2}


def test_an_exit_code_never_skips_a_task(dag):
    """Airflow takes 99 for "skip" by default, and a skipped door would let the night pass."""
    assert all(not list(t.skip_on_exit_code) for t in dag.tasks)


def hook(dag, task_id: str):
    return dag.get_task(task_id)._pre_execute_hook


def test_the_forms_switch_leaves_the_publication_out_and_nothing_else(dag):
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="nightshelf publish"):
        hook(dag, "publish.publish")(context({"publish": False}))
    hook(dag, "publish.publish")(context({"publish": True}))
    switched = {t.task_id for t in dag.tasks if t._pre_execute_hook is not None}
    assert switched == {"publish.publish", "publish.morning"}


def test_a_night_that_was_not_begun_has_no_page(dag):
    from airflow.sdk.exceptions import AirflowSkipException

    nothing = context({"shop": "s.toml"}) | {"ti": SimpleNamespace(xcom_pull=lambda task_ids: None)}
    with pytest.raises(AirflowSkipException):
        hook(dag, "publish.morning")(nothing)
    task = dag.get_task("publish.morning")
    assert task.render_template(task.env, nothing)["NIGHTSHELF_AS_OF"] == ""
    hook(dag, "publish.morning")(context({}))


def test_the_page_comes_to_its_turn_after_a_red_task_and_has_no_say_in_the_runs_state(dag):
    assert [t.task_id for t in dag.teardowns] == ["publish.morning"]
    assert not dag.get_task("publish.morning").on_failure_fail_dagrun
    # A setup would be cleared with any red task, and begin another attempt.
    assert not dag.get_task("ingest.open_night").is_setup


def test_failures_and_lateness_are_told(dag):
    from nightshelf.orchestration.alerts import task_failed

    assert all(t.on_failure_callback == [task_failed] for t in dag.tasks)
    (late,) = dag.deadline
    assert late.callback.path == "nightshelf.orchestration.alerts.night_is_late"
    assert late.interval.total_seconds() == 60 * late.callback.kwargs["minutes"] == 3 * 3600


def test_airflow_can_serialise_the_dag(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert set(again.task_dict) == set(dag.task_dict)


def test_dags_have_a_timetable_on_paper():
    text = (DAGS / "README.md").read_text(encoding="utf-8")
    for path in DAGS.glob("*.py"):
        assert f"`{path.stem}`" in text
    assert "03:30" in text and "30 3 * * *" in (DAGS / "nightly_recommendations.py").read_text()


def test_the_projects_path_is_the_tasks_folder(dag):
    assert {Path(t.cwd) for t in dag.tasks} == {PROJECT}


@pytest.mark.parametrize("told", ["soon", "-5", "1.5"])
def test_a_deadline_that_is_no_number_of_minutes_is_told_with_its_setting(monkeypatch, told):
    from nightshelf.orchestration.scheduling import _minutes

    monkeypatch.setenv("NIGHTSHELF_DEADLINE_MINUTES", told)
    with pytest.raises(SettingsError, match="NIGHTSHELF_DEADLINE_MINUTES is"):
        _minutes("NIGHTSHELF_DEADLINE_MINUTES", 180)
    for given, minutes in (("0", 0), (" 90 ", 90), ("", 180)):
        monkeypatch.setenv("NIGHTSHELF_DEADLINE_MINUTES", given)
        assert _minutes("NIGHTSHELF_DEADLINE_MINUTES", 180) == minutes
