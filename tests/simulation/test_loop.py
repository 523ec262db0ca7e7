"""A night of a made-up shop, and what the next one knows: what explored, what is ruled and what strangers
see is shown, and comes back slot by slot."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict
from datetime import timedelta

import pytest

from nightshelf.paths import Attempt
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.shop import load_shop
from nightshelf.simulation import Size, simulate
from nightshelf.simulation.loop import Folder
from nightshelf.simulation.pictures import save_picture
from nightshelf.simulation.shop import HISTORY_DAYS, SimulatedShop
from nightshelf.simulation.shop_file import NAME
from nightshelf.steps import STEPS, open_night
from nightshelf.warehouse import connect

pytestmark = pytest.mark.long

SIZE = Size(users=60, items=60, nights=1)
SEED = 2
"""Of this shop one user comes for the first time on the day after the night."""
EXPLORATION = Exploration(budget=Budget(for_you=0.2), policy="thompson")
RULES = "[rules]\nmax_per_category = 5\n"


NIGHT = SimulatedShop.first_day + timedelta(days=HISTORY_DAYS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("simulated") / "shop")
    return folder, *simulate(folder.root, SIZE, SEED, EXPLORATION, RULES)


@pytest.fixture(scope="module")
def impressions(run):
    """Those of the night's day, as the next night knows them: (placement, is_exploration, is_at_its_rank)."""
    folder, _ = run
    after = open_night(folder.home, folder.shop_file, NIGHT + timedelta(days=1))
    for step in ("ingest", "door_raw", "features"):
        STEPS[step](after)
    return asked(
        after.attempt,
        "select placement, is_exploration, position = rank from marts.fct_impressions"
        f" where event_date = date '{NIGHT}'",
    )


def asked(attempt: Attempt, sql: str) -> list[tuple]:
    with connect(attempt.database) as db:
        return db.execute(sql).fetchall()


def test_a_night_has_its_truth_in_the_file(run):
    folder, told = run
    with folder.truth.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["night"] == "2020-03-31"
    assert {k: float(v) for k, v in row.items() if k != "night"} == {
        k: v for k, v in asdict(told).items() if k != "night"
    }
    assert 0 < told.regret < 1
    assert told.exploring_share == pytest.approx(0.2, abs=0.05)
    assert 0 < told.cold_start <= told.cold_best


def test_what_the_night_expects_of_its_rules_stands_beside_the_truth(run):
    folder, told = run
    ((ndcg,),) = asked(
        folder.home.shop(NAME).attempt(NIGHT, 1),
        "select ndcg from reports.rpt_rule_cost where placement = 'rec_for_you'"
        " and rule = 'max_per_category'",
    )
    assert told.rules_expected == pytest.approx(1 - ndcg)
    assert 0 < told.rules_expected < 1


def test_what_was_shown_comes_back_to_its_slot_and_arm(impressions):
    assert all(is_at_its_rank for _, _, is_at_its_rank in impressions)
    arms = Counter((placement, explores) for placement, explores, _ in impressions)
    assert set(arms) == {("cold_start", False), ("for_you", False), ("for_you", True)}
    own, explored = arms["for_you", False], arms["for_you", True]
    assert 0.1 < explored / (own + explored) < 0.3


def test_the_made_up_shop_s_file_is_one_that_every_command_reads(run):
    folder, _ = run
    shop = load_shop(folder.shop_file)
    assert (shop.exploration, shop.rules.max_per_category) == (EXPLORATION, 5)


def test_regret_and_coverage_are_drawn(run, tmp_path):
    save_picture([run[1]], tmp_path / "truth.png")
    assert (tmp_path / "truth.png").read_bytes().startswith(b"\x89PNG")
