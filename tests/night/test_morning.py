"""The morning page of a real night."""

from nightshelf.registry import Registry
from nightshelf.steps import stage_records
from nightshelf.storage import read_json


def test_a_night_ends_with_its_page(night):
    told = {r["stage"]: r["told"] for r in stage_records(night.run.attempt)}
    assert told["morning"].startswith("morning.html, "), told["morning"]
    assert list(told)[-2:] == ["publish", "morning"]


def test_the_page_has_the_night_s_figures(night):
    page = " ".join((night.run.attempt.published / "morning.html").read_text("utf-8").split())
    ((served,),) = night.rows("rec_for_you", "count(distinct context_id)")
    assert f'<dd class="big">{served:,}</dd>' in page
    report = night.report()
    assert f'<td class="n">{report["n_kept"]:,}</td>' in page
    for placement in read_json(night.run.attempt.quality)["placements"].values():
        assert f"{placement['n_users']:,} users, every item ranked" in page


def test_the_night_s_run_in_mlflow_keeps_the_page(night):
    run = read_json(night.run.attempt.mlflow_run)["run"]
    registry = Registry(night.home, night.run.shop.name)
    names = {a.path for a in registry.client.list_artifacts(run)}
    assert "morning.html" in names
