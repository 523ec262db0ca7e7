"""How a night through Airflow is begun, locked and interrupted."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock

from nightshelf.errors import NightshelfError, SettingsError
from nightshelf.orchestration import one_night
from nightshelf.orchestration.one_night import interrupted, run_dag
from nightshelf.paths import PROJECT, Home

DEMO = PROJECT / "shops" / "demo.toml"
NIGHT = date(2017, 12, 1)


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


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
    monkeypatch.setattr(one_night, "initialise", lambda *_: {})
    monkeypatch.setattr(one_night, "_run_dag", lambda env, *_: given.update(env))
    run_dag(home, DEMO, NIGHT)
    assert given["NIGHTSHELF_DEADLINE_MINUTES"] == "0"


def test_ctrl_c_ends_the_night_with_the_way_on(home, monkeypatch):
    def stopped(*_):
        attempt_at(home, 1, "ingest")
        raise KeyboardInterrupt

    monkeypatch.setattr(one_night, "initialise", lambda *_: {})
    monkeypatch.setattr(one_night, "_run_dag", stopped)
    with pytest.raises(NightshelfError, match=r"finished steps \(ingest\)"):
        run_dag(home, DEMO, NIGHT)


def test_a_missing_shop_is_told_before_airflow_starts(home):
    with pytest.raises(SettingsError, match="No shop file"):
        run_dag(home, Path("no.toml"), None)
    assert not home.airflow.exists()


def test_while_the_servers_are_up_a_night_keeps_its_own_metadata(home, monkeypatch):
    """The scheduler would run the same tasks a second time."""
    seen = []
    monkeypatch.setattr(one_night, "initialise", lambda _, where: {"AIRFLOW_HOME": str(where)})
    monkeypatch.setattr(one_night, "_run_dag", lambda env, *_: seen.append(env["AIRFLOW_HOME"]))
    (home.airflow / "beside").mkdir(parents=True)
    run_dag(home, DEMO, NIGHT)
    with FileLock(home.airflow / "up.lock"):
        run_dag(home, DEMO, NIGHT)
    assert seen == [str(home.airflow), str(home.airflow / "beside")]
