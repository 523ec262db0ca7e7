"""What holds between the steps, without running a night."""

from datetime import date
from types import SimpleNamespace

import pytest

from nightshelf import steps
from nightshelf.errors import SettingsError, TransformError
from nightshelf.paths import Home
from nightshelf.progress import Progress
from nightshelf.publishing.nights import PublishedNight
from nightshelf.storage import sha256_of, write_json
from nightshelf.transform import visit
from tests.support import small_shops

SHOP = """
name = "corner"
time_zone = "UTC"
currency = "EUR"
[[sources]]
name = "orders"
adapter = "online_retail"
path = "*.csv"
"""


@pytest.fixture
def run(tmp_path):
    shop_file = tmp_path / "corner.toml"
    shop_file.write_text(SHOP)
    return steps.open_night(Home(tmp_path / "home"), shop_file, date(2015, 4, 1))


@pytest.mark.parametrize("ending", [SystemExit(143), KeyboardInterrupt()])
def test_dbt_that_is_ended_from_without_has_not_failed(run, monkeypatch, ending):
    ended = SimpleNamespace(exception=ending, success=False)
    monkeypatch.setattr(visit, "_invoke", lambda *given: ended)
    monkeypatch.setattr(visit, "offer_untested", lambda *given: None)  # nothing was pinned here
    with pytest.raises(type(ending)):
        visit.build("prepare", run.shop, run.night, run.attempt, Progress("features"))


def test_a_step_out_of_order_names_the_step_that_it_needs(run):
    with pytest.raises(SettingsError, match="'score' of night 2015-04-01.* needs 'ingest' first"):
        steps.score(run)


def test_an_unknown_door_is_refused(run):
    with pytest.raises(SettingsError, match="no door 'cellar'.*\n.*raw, features, shelves"):
        steps.gate(run, "cellar")


def test_a_step_that_is_run_again_undoes_the_record_of_those_after_it(run):
    for name in steps.STEPS:
        write_json(run.attempt.stages / f"{name}.json", {"stage": name})
    steps._in_order(run, "train")
    kept = [record["stage"] for record in steps.stage_records(run.attempt)]
    assert kept == ["ingest", "door_raw", "features", "door_features"]


@pytest.fixture
def before(tmp_path):
    (tmp_path / "rec_for_you.parquet").write_bytes(b"shelf")
    tables = {"rec_for_you.parquet": {"sha256": sha256_of(tmp_path / "rec_for_you.parquet")}}
    write_json(tmp_path / "manifest.json", {"tables": tables})
    return PublishedNight(date(2015, 3, 31), 1, tmp_path)


def test_a_whole_night_before_is_compared_with(before):
    assert steps._whole(before, Progress("door_shelves")) is before


def test_a_damaged_night_before_is_no_measure_and_that_is_said(before, capsys):
    (before.path / "rec_for_you.parquet").write_bytes(b"shelg")
    assert steps._whole(before, Progress("door_shelves")) is None
    assert "rec_for_you.parquet: its sha256" in capsys.readouterr().out


def test_a_shop_file_that_changed_since_the_attempt_began_is_told_by_its_keys(tmp_path, capsys):
    shop_file = small_shops.FIVE_ITEMS.write(tmp_path)
    run = steps.open_night(Home(tmp_path / "home"), shop_file, small_shops.NIGHT)
    steps.ingest(run)
    assert "Warning" not in capsys.readouterr().out
    shop_file.write_text(shop_file.read_text() + "[placements]\nk = 7\n")
    steps.ingest(steps.resume(run.home, shop_file, small_shops.NIGHT, 1))
    told = capsys.readouterr().out
    assert f"Warning: {shop_file} has other placements than when attempt 1 began" in told


def test_a_project_that_changed_between_the_two_visits_is_refused(run, monkeypatch):
    visit._same_project("prepare", run.attempt)
    visit._same_project("shelve", run.attempt)
    monkeypatch.setattr(visit, "project_sha256", lambda: "another")
    with pytest.raises(TransformError, match="is not the one that built the features"):
        visit._same_project("shelve", run.attempt)
