"""A real shop's night: UCI Online Retail as of 2011-12-01, its known dirt, and what the models are worth.

Runs where the data lie: NIGHTSHELF_SHARED_DATA, by default `../shared/data` beside the checkout.
About 45 seconds.
"""

import os
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from nightshelf.ingest.ledger import Ledger
from nightshelf.judging.evaluate import read_examination
from nightshelf.judging.quality import examine
from nightshelf.learning.scoring import read_recipes
from nightshelf.learning.train import load_ranker
from nightshelf.paths import PROJECT, Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.ranking.recipe import Recipe
from nightshelf.steps import STEPS, open_night
from nightshelf.storage import read_json

DATA = Path(
    os.environ.get("NIGHTSHELF_SHARED_DATA") or PROJECT.parent / "shared" / "data"
).absolute()
DAYS = DATA / "online_retail" / "by-day"
NIGHT = date(2011, 12, 1)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not DAYS.is_dir(), reason=f"no Online Retail in {DAYS}; set NIGHTSHELF_SHARED_DATA"
    ),
]

LINES = 541_909
WITHOUT_CUSTOMER = 135_080
CANCELLATIONS = 9_288


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("online_retail")
    text = (PROJECT / "shops" / "online_retail.toml").read_text()
    shop_file = folder / "online_retail.toml"
    shop_file.write_text(
        text.replace("[[sources]]", f'landing = "{DAYS.parent}"\n\n[[sources]]', 1)
    )
    run = open_night(Home(folder / "home"), shop_file, NIGHT)
    for step in STEPS.values():
        step(run)
    return run


def ask(run, sql):
    with duckdb.connect(str(run.attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_every_line_is_read_and_none_is_lost(run):
    files = [f for f in Ledger(run.attempt.shop.ledger).files() if f.source == "invoices"]
    assert len(files) == 305
    assert sum(f.rows_read for f in files) == LINES
    assert sum(f.quarantined for f in files) == 0


def test_the_known_dirt_is_there_as_counted(run):
    ((without, refunds, negative, free),) = ask(
        run,
        """select count(*) filter (user_id is null), count(*) filter (event_type = 'refund'),
            count(*) filter (quantity < 0), count(*) filter (price <= 0) from raw.events""",
    )
    assert (without, refunds) == (WITHOUT_CUSTOMER, CANCELLATIONS)
    # 10,624 lines have a negative quantity; those of cancellations were turned round.
    assert negative == 10_624 - CANCELLATIONS
    assert free == 2_517


def test_the_report_accounts_for_every_line(run):
    ((counts,),) = ask(run, "select r from reports.rpt_events as r")
    dropped = sum(
        n
        for name, n in counts.items()
        if name.startswith("n_") and name not in ("n_raw", "n_without_user")
    )
    assert counts["n_raw"] == LINES == dropped
    # The README of the data counts 5,268 surplus lines in 4,879 groups of exact duplicates.
    assert counts["n_copies"] == pytest.approx(5_268, rel=0.01)
    assert counts["n_not_a_product"] > 2_000


def test_fees_and_postage_are_on_no_shelf(run):
    offered = ask(run, "select distinct item_id from recommendations.rec_for_you")
    assert not {"POST", "D", "M", "DOT", "BANK CHARGES", "AMAZONFEE", "C2"} & {
        i for (i,) in offered
    }


@pytest.fixture(scope="module")
def held(run):
    """The examination's users, items and what they took, by view."""
    return {v: read_examination(run.attempt, run.night, v) for v in PLACEMENT_VIEWS.values()}


def less(run, held, view, source):
    """What serves less a source alone, on the examination's users and items."""
    placement = next(p for p, v in PLACEMENT_VIEWS.items() if v == view)
    both = {"serving": read_recipes(run.attempt)[placement], source: Recipe(view, source)}
    scores = held[view].scores(both)
    serving, alone = (examine(name, r, held[view], scores[name]) for name, r in both.items())
    return serving.less(alone)


def test_over_all_items_what_serves_beats_popularity_and_is_not_worse_than_own_history(run, held):
    assert less(run, held, "all", "popularity").low > 0
    assert less(run, held, "all", "own_history").low >= 0


def test_over_new_items_what_serves_is_not_worse_than_item_knn_and_beats_popularity(run, held):
    assert less(run, held, "new", "item_knn").low >= 0
    assert less(run, held, "new", "popularity").low > 0


def test_the_examination_is_of_many_users_and_its_figures_are_plausible(run):
    report = read_json(run.attempt.quality)["placements"]
    for placement, (low, high) in {"for_you": (0.1, 0.6), "discover": (0.02, 0.3)}.items():
        assert report[placement]["n_users"] > 500
        best = max(row["ndcg@10"] for row in report[placement]["contenders"])
        assert low < best < high


def test_rankers_were_trained_for_both_views(run, held):
    for view, examination in held.items():
        scores = load_ranker(run.attempt, view).score(
            examination.pool, examination.features(slice(None))
        )
        assert np.isfinite(scores).all() and len(np.unique(scores)) > 1_000
