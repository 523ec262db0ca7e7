"""The weekly search: one task, asked for through its environment, that moves nobody's shelf."""

from __future__ import annotations

import subprocess

import pytest

from nightshelf.paths import PROJECT

ASKED = {"night": None, "shop": "s.toml", "minutes": 20, "trials": 40}


@pytest.fixture(scope="module")
def dag(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.syspath_prepend(str(PROJECT / "dags"))
        import tune_models

        yield tune_models.dag


@pytest.fixture(scope="module")
def task(dag):
    (only,) = dag.tasks
    return only


def asked(task, **params) -> dict[str, str]:
    return task.render_template(task.env, {"params": ASKED | params})


def test_it_runs_the_command_that_a_person_would(task):
    assert task.bash_command.endswith(" -m nightshelf tune")


def test_night_shop_and_budget_reach_the_command_through_its_environment(task):
    assert asked(task, night="2017-12-01", minutes=2.5) == {
        "NIGHTSHELF_SHOP": "s.toml",
        "NIGHTSHELF_AS_OF": "2017-12-01",
        "NIGHTSHELF_TUNE_MINUTES": "2.5",
        "NIGHTSHELF_TUNE_TRIALS": "40",
    }


def test_the_command_line_reads_that_environment(task):
    from typer.main import get_command

    from nightshelf.cli import app

    parameters = get_command(app).commands["tune"].params
    assert set(asked(task)) <= {p.envvar for p in parameters}


def test_without_a_night_the_newest_is_asked_for(task):
    assert asked(task)["NIGHTSHELF_AS_OF"] == ""


def test_what_people_type_reaches_no_shell(task, tmp_path):
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\nprintf "%s|%s" "$*" "$NIGHTSHELF_SHOP"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", task.bash_command],
        env={"PATH": "/usr/bin:/bin", "NIGHTSHELF_PYTHON": str(stand_in)}
        | asked(task, shop="$(touch pwned)"),
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "-m nightshelf tune|$(touch pwned)"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("minutes", -1), ("minutes", 241), ("minutes", "20; x"), ("trials", 1.5), ("night", "soon")],
)
def test_a_budget_or_night_that_is_none_is_refused(dag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


def test_it_keeps_no_night_waiting(task):
    """Neither by the writers' slot nor by its hour."""
    from nightshelf.orchestration.scheduling import WRITERS

    assert task.pool != WRITERS
    assert "30 5 * * 0" in (PROJECT / "dags" / "tune_models.py").read_text()


def test_one_search_at_a_time_and_none_by_surprise(dag):
    assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, True)
    assert dag.start_date is None


def test_a_task_ends_some_day_but_not_before_its_longest_budget(task, dag):
    minutes = task.execution_timeout.total_seconds() / 60
    assert minutes > dag.params.get_param("minutes").schema["maximum"]


def test_it_is_tried_again_after_a_fault_of_the_machine_only(task):
    from nightshelf.orchestration.scheduling import RetryTheMachineOnly

    assert isinstance(task.retry_policy, RetryTheMachineOnly)
    assert (task.retries, list(task.skip_on_exit_code)) == (2, [])


def test_the_page_says_how_to_rerun_and_how_to_take_a_find_back(dag):
    for heading in ("What it makes", "When", "How to see that it is wrong", "How to rerun"):
        assert f"### {heading}" in dag.doc_md
    assert "delete the alias" in dag.doc_md


def test_airflow_can_serialise_the_dag(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert set(again.task_dict) == set(dag.task_dict)
