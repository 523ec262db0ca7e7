"""The step after publication: where the page goes, and that its faults cost nobody the night."""

from __future__ import annotations

from contextlib import nullcontext
from zoneinfo import ZoneInfo

import duckdb
import pytest

from nightshelf import steps
from nightshelf.errors import InputError, StorageError
from nightshelf.morning import keep_in_mlflow, page, place_of, seen_by_readers, write_page
from nightshelf.night import Night
from nightshelf.paths import Home
from nightshelf.publishing.nights import published
from nightshelf.publishing.withdrawn import withdraw
from nightshelf.steps import Run, stage_records
from nightshelf.storage import read_json, write_json
from tests.support.morning import SHOP, two_nights


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def run(home, tmp_path) -> Run:
    attempt = two_nights(home.shop("shop"))
    night = Night(attempt.night, ZoneInfo("Europe/London"))
    return Run(home, SHOP, tmp_path / "shop.toml", night, attempt)


def test_the_step_leaves_the_page_beside_the_tables_and_a_record(run):
    steps.morning(run)
    assert (run.attempt.published / "morning.html").exists()
    told = {r["stage"]: r["told"] for r in stage_records(run.attempt)}
    assert told["morning"].startswith("morning.html, ")


def test_a_page_that_fails_is_a_warning_and_no_failure(run, monkeypatch, capsys):
    monkeypatch.setattr(page, "render", lambda of: 1 / 0)
    steps.morning(run)
    said = " ".join(capsys.readouterr().out.split())
    assert "Warning: the morning page could not be made: ZeroDivisionError" in said
    assert "The shelves are published" in said
    assert not (run.attempt.published / "morning.html").exists()


@pytest.mark.parametrize("harm", ["", "[]", '{"night": "2017-12-01"}'])
def test_a_night_whose_manifest_is_damaged_has_no_page_and_that_is_no_warning(run, harm):
    (run.attempt.published / "manifest.json").write_text(harm)
    with pytest.raises(StorageError, match=r"manifest\.json cannot be read"):
        steps.morning(run)
    assert not (run.attempt.stages / "morning.json").exists()


@pytest.mark.parametrize(
    ("name", "again"), [("ingest.json", "ingest"), ("door_raw.json", "gate raw"), ("door_raw.failed.json", "gate raw")]
)  # fmt: skip
def test_a_damaged_record_of_a_step_is_named_with_the_step_that_writes_it(run, name, again):
    (run.attempt.stages / name).write_text("")
    with pytest.raises(StorageError, match=name) as told:
        stage_records(run.attempt) and steps.failure(run.attempt)
    assert f"`nightshelf {again}`" in told.value.next_step


def test_a_damaged_copy_of_the_shop_file_is_named(run):
    (run.attempt.root / "shop.json").write_text("")
    with pytest.raises(StorageError, match=r"shop\.json cannot be read"):
        steps.gate(run, "raw")


def test_a_page_that_fails_leaves_the_one_before_whole(run, monkeypatch):
    before = write_page(SHOP, run.attempt).read_bytes()
    monkeypatch.setattr(page, "render", lambda of: 1 / 0)
    steps.morning(run)
    assert place_of(run.attempt).read_bytes() == before


def test_a_night_that_stopped_says_where_and_what_readers_see(home):
    attempt = two_nights(home.shop("shop"))
    stopped = home.shop("shop").attempt(attempt.night, 2)
    stopped.root.mkdir()
    for step in ("ingest", "door_raw"):
        told = {"stage": step, "rows": None, "told": "", "seconds": 1.0, "peak_mb": 100}
        write_json(stopped.stages / f"{step}.json", told)
    rule = {
        "name": "users_come_back", "table": "features", "outcome": "failed", "unexpected": 7, "error": None,
        "reason": "<b>why</b>", "next_step": "mend", "listed": [],
    }  # fmt: skip
    write_json(stopped.doors / "raw.json", {"door": "raw", "success": True, "rules": []})
    write_json(
        stopped.doors / "features.json", {"door": "features", "success": False, "rules": [rule]}
    )
    made = write_page(SHOP, stopped)
    text = " ".join(made.read_text(encoding="utf-8").split())
    assert made == stopped.root / "morning.html"
    assert "The night stopped" in text
    assert "went no further than this at features, and published nothing" in text
    assert "Readers still see night 2017-12-01, attempt 1." in text
    assert "Door features is shut: 1 of 1 rules do not hold." in text
    assert "&lt;b&gt;why&lt;/b&gt;" in text


def test_a_night_that_was_made_and_held_back_has_not_failed(home):
    attempt = two_nights(home.shop("shop"))
    held = home.shop("shop").attempt(attempt.night, 2)
    for step in list(steps.STEPS)[: list(steps.STEPS).index("publish")]:
        told = {"stage": step, "rows": None, "told": "", "seconds": 1.0, "peak_mb": 100}
        write_json(held.stages / f"{step}.json", told)
    text = " ".join(write_page(SHOP, held).read_text(encoding="utf-8").split())
    assert "Made, and not published" in text and "The night stopped" not in text
    assert "Readers still see night 2017-12-01, attempt 1." in text


def test_a_failed_step_leaves_its_error_until_it_is_run_again(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    told = {"stage": "ingest", "rows": None, "told": "", "seconds": 1.0, "peak_mb": 100}
    write_json(run.attempt.stages / "ingest.json", told)
    monkeypatch.setattr(steps, "_door_context", full)
    with pytest.raises(OSError, match="No space"):
        steps.gate(run, "raw")
    failed = steps.failure(run.attempt)
    assert (failed["stage"], failed["exit_code"]) == ("door_raw", 8)
    assert failed["what"].startswith("No space left on the disk")
    with pytest.raises(OSError, match="No space"), monkeypatch.context() as patch:
        patch.setattr(steps, "_failure_kept", lambda run, name: nullcontext())
        steps.gate(run, "raw")
    assert steps.failure(run.attempt) is None


def test_a_night_without_its_attempt_s_files_still_has_a_page(home):
    attempt = two_nights(home.shop("shop"))
    attempt.database.write_bytes(b"no database")
    attempt.quality.unlink()
    for folder in (attempt.doors, attempt.stages):
        for file in folder.iterdir():
            file.unlink()
    text = write_page(SHOP, attempt).read_text(encoding="utf-8")
    assert "Titles are gone" in text
    assert "No examination is left of this night." in text


def test_a_placement_that_nobody_could_be_examined_on_still_has_a_page(home):
    attempt = two_nights(home.shop("shop"))
    report = read_json(attempt.quality)
    for contender in report["placements"]["for_you"]["contenders"]:
        contender["ndcg@10"], contender["intervals"] = None, {}
    write_json(attempt.quality, report)
    text = " ".join(write_page(SHOP, attempt).read_text(encoding="utf-8").split())
    assert "95 % interval – to –" in text
    assert "scores higher than what serves" not in text


def test_what_changed_for_the_worse_is_pointed_out(home):
    attempt = two_nights(home.shop("shop"))
    path = str(attempt.published / "rec_for_you.parquet")
    rows = duckdb.execute(
        f"select * replace ('popularity' as source) from read_parquet('{path}') where context_id < 'n'"
    ).df()
    duckdb.execute(f"copy (from rows) to '{path}' (format parquet)")
    text = " ".join(write_page(SHOP, attempt).read_text(encoding="utf-8").split())
    lists = rows["context_id"].nunique()
    assert f"For you: {lists} lists, 12 last night." in text
    assert "For you: bestsellers fill 100.0 %, 33.3 % last night." in text


def test_a_night_that_was_taken_back_is_no_last_night(home):
    attempt = two_nights(home.shop("shop"))
    earlier, tonight = published(home.shop("shop"))
    withdraw(home.shop("shop"), [earlier], tonight)
    assert "compared with the night" not in write_page(SHOP, attempt).read_text(encoding="utf-8")


def test_the_page_is_an_artefact_of_the_night_s_run(run):
    folder = run.home.mlflow / "artifacts" / "shop" / "abc" / "artifacts"
    folder.mkdir(parents=True)
    write_json(run.attempt.mlflow_run, {"run": "abc"})
    for _ in range(2):
        made = write_page(SHOP, run.attempt)
        keep_in_mlflow(run.home, "shop", run.attempt, made)
        assert [p.name for p in folder.iterdir()] == ["morning.html"]
        assert (folder / "morning.html").samefile(made)


def test_a_run_that_is_gone_from_mlflow_is_passed_over(run):
    write_json(run.attempt.mlflow_run, {"run": "gone"})
    keep_in_mlflow(run.home, "shop", run.attempt, write_page(SHOP, run.attempt))
    assert not run.home.mlflow.exists()


def test_without_a_night_to_show_the_command_says_so(home, tmp_path):
    shop_file = tmp_path / "shop.toml"
    shop_file.write_text(
        'name = "shop"\ntime_zone = "Europe/London"\ncurrency = "GBP"\n[[sources]]\nname = "orders"\n'
        'adapter = "column_map"\npath = "*.csv"\n[sources.columns]\noccurred_at = "t"\nuser_id = "u"\n'
        'item_id = "i"\n[sources.constants]\nevent_type = "purchase"\n'
    )
    with pytest.raises(InputError, match="has no published night yet"):
        seen_by_readers(home, shop_file)
