"""A shop that logs what it shows and where: its rankers learn from it, and say so."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from nightshelf.learning.train import load_ranker
from nightshelf.paths import Home
from nightshelf.ranking import features
from nightshelf.ranking.shown import SHOWN
from nightshelf.steps import Run, whole_night
from nightshelf.tracing.ranked import Ranked, ranked
from nightshelf.warehouse import connect
from tests.support.small_shops import NIGHT, SmallShop

pytestmark = pytest.mark.long

SHOP = SmallShop("showing", n_users=40)
PAGES = """
[[sources]]
name = "pages"
adapter = "column_map"
path = "pages.csv"
[sources.columns]
event_type = "what"
occurred_at = "at"
user_id = "who"
item_id = "sku"
list_id = "list"
position = "place"
"""
TOMORROW = "item 00"
"""Shown on top to everybody at the night's own midnight: not known to the night."""


def impressions():
    """Each purchase's item stood third on a page an hour before, and first an hour after it."""
    for event in SHOP.events():
        if event["kind"] == "purchase":
            at, shown = datetime.fromisoformat(event["when"]), (event["user"], event["sku"])
            yield ("impression", at - timedelta(hours=1), *shown, "search", 3)
            yield ("impression", at + timedelta(hours=1), *shown, "search", 1)
    for user in range(SHOP.n_users):
        midnight = datetime.combine(NIGHT, datetime.min.time())
        yield ("impression", midnight, f"user {user:02d}", TOMORROW, "search", 1)


def write(folder: Path) -> Path:
    shop_file = SHOP.write(folder)
    with (folder / "landing" / "pages.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("what", "at", "who", "sku", "list", "place"))
        rows.writerows(impressions())
    shop_file.write_text(shop_file.read_text() + PAGES)
    return shop_file


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("showing")
    return whole_night(Home(folder / "home"), write(folder), NIGHT)


def asked(run: Run, sql: str) -> list[tuple]:
    with duckdb.connect(str(run.attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_what_was_shown_before_it_was_taken_is_told_of_each_window_that_has_labels(run):
    cuts = {run.night.as_of(role) for role in ("train_2", "train_1", "evaluate")}
    found = asked(run, "select distinct cut from intermediate.int_exposures")
    assert {cut for (cut,) in found} == cuts
    ((n, n_third),) = asked(
        run,
        "select count(*), count(*) filter (position = 3) from intermediate.int_exposures",
    )
    # First on a page only after it was taken.
    assert n == n_third > 100


@pytest.mark.parametrize("view", ["all", "new"])
def test_the_rankers_that_serve_and_are_examined_have_learnt_from_it(run, view):
    recipe = load_ranker(run.attempt, view)
    assert recipe.ranker.features[-1] == recipe.examined.features[-1] == SHOWN
    assert SHOWN in recipe.ranker.importances()


def test_a_slot_is_explained_as_if_it_were_shown_at_the_top(run):
    user = "user 00"
    found = ranked(run.attempt, run.night, "for_you", user, "")
    with connect(run.attempt.database) as db:
        matrix = features.attach(db, found.pool, run.night.as_of("serve"))
    recipe = load_ranker(run.attempt, "all")
    item = found.pool.items[found.pool.item_codes[0]]
    told = {c.feature: c for c in Ranked(found.pool, recipe, matrix, item).contributions()}
    assert told[SHOWN].value == 1.0
    odds = sum(c.log_odds for c in told.values())
    chance = recipe.score(found.pool, matrix)[0]
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(chance)
