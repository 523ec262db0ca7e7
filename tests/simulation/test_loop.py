"""Three nights of a made-up shop: what explored is shown, comes back, and is learnt from."""

from __future__ import annotations

import csv
from datetime import timedelta

import duckdb
import pytest

from nightshelf.settings import load_shop
from nightshelf.settings_exploration import Budget, Exploration
from nightshelf.simulation import Size, simulate
from nightshelf.simulation.loop import NAME, Folder
from nightshelf.simulation.pictures import save_picture
from nightshelf.simulation.shop import HISTORY_DAYS, SimulatedShop

SIZE = Size(users=60, items=60, nights=3)
EXPLORATION = Exploration(budget=Budget(for_you=0.2), policy="thompson")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("simulated") / "shop")
    return folder, list(simulate(folder.root, SIZE, 1, EXPLORATION))


def asked(folder: Folder, night: int, sql: str) -> list[tuple]:
    date = SimulatedShop.first_day + timedelta(days=HISTORY_DAYS + night)
    attempt = folder.home.shop(NAME).attempt(date, 1)
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_each_night_has_its_truth_in_the_file(run):
    folder, told = run
    with folder.truth.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["night"] for row in rows] == ["2020-03-31", "2020-04-01", "2020-04-02"]
    assert [float(row["regret"]) for row in rows] == [t.regret for t in told]
    assert all(0 < t.regret < 1 for t in told)
    assert all(t.exploring_share == pytest.approx(0.2, abs=0.05) for t in told)


def test_what_was_shown_comes_back_by_arm_and_the_exploring_arm_is_learnt_from(run):
    folder, _ = run
    arms = asked(
        folder,
        2,
        "select value, n_slots from reports.rpt_online_quality where method = 'shown'"
        " and placement = 'for_you' and dimension = 'is_exploration' order by value",
    )
    assert [value for value, _ in arms] == ["false", "true"]
    assert 0.1 < arms[1][1] / (arms[0][1] + arms[1][1]) < 0.3
    ((second,), (third,)) = (
        asked(folder, night, "select sum(n_shown) from exploration.item_responses")[0]
        for night in (1, 2)
    )
    ((shown,),) = asked(
        folder,
        2,
        "select count(*) from marts.fct_impressions where is_exploration and is_followed_1d"
        " and position = rank",
    )
    assert second == 0, "the day for the first night's clicks had not passed"
    assert 0 < third <= shown


def test_the_made_up_shop_s_file_is_one_that_every_command_reads(run):
    folder, _ = run
    assert load_shop(folder.shop_file).exploration == EXPLORATION


def test_regret_and_coverage_are_drawn(run, tmp_path):
    save_picture(run[1], tmp_path / "truth.png")
    assert (tmp_path / "truth.png").read_bytes().startswith(b"\x89PNG")
