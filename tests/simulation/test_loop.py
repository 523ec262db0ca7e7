"""Two nights of a made-up shop: what explored, what is ruled and what strangers see is shown, and comes
back slot by slot."""

from __future__ import annotations

import csv
from datetime import timedelta

import duckdb
import pytest

from nightshelf.settings import load_shop
from nightshelf.settings_exploration import Budget, Exploration
from nightshelf.simulation import Size, simulate
from nightshelf.simulation.loop import Folder
from nightshelf.simulation.pictures import save_picture
from nightshelf.simulation.shop import HISTORY_DAYS, SimulatedShop
from nightshelf.simulation.shop_file import NAME

SIZE = Size(users=60, items=60, nights=2)
SEED = 2
"""Of this shop one user comes for the first time on the first night's day."""
EXPLORATION = Exploration(budget=Budget(for_you=0.2), policy="thompson")
RULES = "[rules]\nmax_per_category = 3\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("simulated") / "shop")
    return folder, list(simulate(folder.root, SIZE, SEED, EXPLORATION, RULES))


def asked(folder: Folder, night: int, sql: str) -> list[tuple]:
    date = SimulatedShop.first_day + timedelta(days=HISTORY_DAYS + night)
    attempt = folder.home.shop(NAME).attempt(date, 1)
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_each_night_has_its_truth_in_the_file(run):
    folder, told = run
    with folder.truth.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["night"] for row in rows] == ["2020-03-31", "2020-04-01"]
    assert [float(row["regret"]) for row in rows] == [t.regret for t in told]
    assert all(0 < t.regret < 1 for t in told)
    assert all(t.exploring_share == pytest.approx(0.2, abs=0.05) for t in told)
    assert all(0 < t.cold_start <= t.cold_best for t in told)


def test_what_the_night_expects_of_its_rules_stands_beside_the_truth(run):
    folder, told = run
    ((ndcg,),) = asked(
        folder,
        1,
        "select ndcg from reports.rpt_rule_cost where placement = 'rec_for_you'"
        " and rule = 'max_per_category'",
    )
    assert told[1].rules_expected == pytest.approx(1 - ndcg)
    assert 0 < told[1].rules_expected < 1


def test_what_was_shown_comes_back_to_its_slot_and_arm(run):
    arms = asked(
        run[0],
        1,
        "select placement, is_exploration, count(*) from marts.fct_impressions"
        " where night is not null and position = rank group by all order by all",
    )
    assert [arm[:2] for arm in arms] == [
        ("cold_start", False), ("for_you", False), ("for_you", True)
    ]  # fmt: skip
    (_, _, own), (_, _, explored) = arms[1:]
    assert 0.1 < explored / (own + explored) < 0.3
    ((strays,),) = asked(
        run[0],
        1,
        "select count(*) from marts.fct_impressions"
        " where unmatched_because is not null and event_date = date '2020-03-31'",
    )
    assert strays == 0


def test_the_made_up_shop_s_file_is_one_that_every_command_reads(run):
    folder, _ = run
    shop = load_shop(folder.shop_file)
    assert (shop.exploration, shop.rules.max_per_category) == (EXPLORATION, 3)


def test_regret_and_coverage_are_drawn(run, tmp_path):
    save_picture(run[1], tmp_path / "truth.png")
    assert (tmp_path / "truth.png").read_bytes().startswith(b"\x89PNG")
