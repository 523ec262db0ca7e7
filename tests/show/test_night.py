"""A night is shown with what of its attempt is left."""

from datetime import date
from types import SimpleNamespace

import duckdb
import pytest

from nightshelf.paths import Home
from nightshelf.progress import console
from nightshelf.publishing.nights import PublishedNight
from nightshelf.show.night import _show_stages, _titles, _typical_users
from nightshelf.tracing.published import titles
from nightshelf.warehouse import connect


@pytest.fixture
def attempt(tmp_path):
    attempt = Home(tmp_path).shop("shop").attempt(date(2026, 3, 1), 1)
    attempt.root.mkdir(parents=True)
    return attempt


def test_a_shop_s_title_is_text_and_no_markup(attempt):
    attempt.stages.mkdir()
    shop = SimpleNamespace(title="Tea [/] [b]Co[/b]", name="shop")
    night = SimpleNamespace(date=attempt.night)
    with console.capture() as printed:
        _show_stages(SimpleNamespace(night=night, shop=shop, attempt=attempt))
    assert "Tea [/] [b]Co[/b]" in " ".join(printed.get().split())


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
