"""Going back by hand from the UI: one task, asked through its environment."""

from __future__ import annotations

import re

import pytest

from nightshelf.paths import PROJECT


@pytest.fixture(scope="module")
def dag(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.syspath_prepend(str(PROJECT / "dags"))
        import roll_back

        yield roll_back.dag


@pytest.fixture(scope="module")
def task(dag):
    (only,) = dag.tasks
    return only


def asked(task, to):
    return task.render_template(task.env, {"params": {"to": to, "shop": "s.toml"}})


def test_it_runs_the_command_that_a_person_would(task):
    assert task.bash_command.endswith(" -m nightshelf roll-back")


def test_the_night_reaches_the_command_through_its_environment(task):
    assert asked(task, "2017-11-30/2") == {
        "NIGHTSHELF_SHOP": "s.toml",
        "NIGHTSHELF_TO": "2017-11-30/2",
    }
    assert asked(task, None)["NIGHTSHELF_TO"] == ""


def test_the_command_line_reads_that_environment(task):
    from typer.main import get_command

    from nightshelf.cli import app

    parameters = get_command(app).commands["roll-back"].params
    assert set(asked(task, None)) <= {p.envvar for p in parameters}


def test_nobody_but_a_person_starts_it(dag):
    assert dag.schedule is None
    assert not dag.is_paused_upon_creation


@pytest.mark.parametrize(
    ("night", "is_one"),
    [("2017-11-30", True), ("2017-11-30/2", True), ("yesterday", False), ("2017-11-30; rm", False)],
)
def test_the_form_takes_a_night_and_nothing_else(dag, night, is_one):
    pattern = dag.params.get_param("to").schema["pattern"]
    assert bool(re.search(pattern, night)) == is_one
