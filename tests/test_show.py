"""What a person sees in the terminal."""

from datetime import date
from types import SimpleNamespace

import duckdb
import pytest

from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.publishing.nights import PublishedNight
from nightshelf.readiness import Placement, Readiness
from nightshelf.show import _titles, _typical_users, show_readiness
from nightshelf.tracing.published import titles
from nightshelf.warehouse import connect


def told(placement: str, has: int, wanted: int) -> str:
    """The table's last column for a shelf in whose place nothing stands."""
    short = Placement(placement, "of these", has, wanted, False, "may be empty", "nothing", "…")
    ready = [
        Placement(name, "of these", 1, 1, True, "ready", None, "…")
        for name in (
            "audiences",
            "user_churn_risk",
            "user_interest_history",
            "user_interest_forecast",
        )
    ]
    with console.capture() as printed:
        show_readiness(Readiness((short, *ready), ()))
    row = next(line for line in printed.get().splitlines() if "wanted" not in line and "│" in line)
    return row.strip("│┃ ").rpartition("│")[2].strip()


def test_a_sale_without_anything_cheaper_publishes_nothing():
    assert told("rec_on_sale", has=23, wanted=1) == "nothing"


@pytest.mark.parametrize("placement", ["rec_similar_items", "rec_bought_together", "rec_cart"])
def test_pairs_too_few_to_go_by_are_published(placement):
    assert told(placement, has=30, wanted=50) == "what there is"


def test_no_pairs_at_all_publish_nothing():
    assert told("rec_similar_items", has=0, wanted=50) == "nothing"


@pytest.fixture
def attempt(tmp_path):
    attempt = Home(tmp_path).shop("shop").attempt(date(2026, 3, 1), 1)
    attempt.root.mkdir(parents=True)
    return attempt


def test_an_attempt_whose_tables_are_being_made_once_more_has_no_users_to_show(attempt):
    with connect(attempt.database, read_only=False):
        pass
    run = SimpleNamespace(attempt=attempt)
    assert _typical_users(run) == [] and _titles(run) == {}


@pytest.mark.parametrize("found", [None, b"", b"no database" * 5000])
def test_a_shelf_is_told_by_ids_where_the_attempt_s_tables_are_gone_or_damaged(attempt, found):
    if found is not None:
        attempt.database.write_bytes(found)
    night = PublishedNight(attempt.night, attempt.number, attempt.published)
    assert titles(attempt.shop, night, ["milk"]) == {}


def test_a_shelf_is_told_by_titles_where_the_attempt_is_whole(attempt):
    with duckdb.connect(str(attempt.database)) as db:
        db.execute("create schema marts")
        db.execute("create table marts.dim_items as select 'milk' as item_id, 'Milk' as title")
    night = PublishedNight(attempt.night, attempt.number, attempt.published)
    assert titles(attempt.shop, night, ["milk", "bread"]) == {"milk": "Milk"}
