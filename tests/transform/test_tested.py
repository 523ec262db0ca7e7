"""A day of the history is tested once, and again when something that its tests hang on is another."""

from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace

import pytest

from nightshelf.paths import Home
from nightshelf.transform.tested import UNTESTED, keep_tested, offer_untested
from nightshelf.warehouse import connect, offer

FIRST, SECOND = date(2017, 11, 1), date(2017, 11, 2)


@dataclass
class Manifest:
    nodes: dict


def node_of(where):
    return SimpleNamespace(resource_type="test", config=SimpleNamespace(where=where))


MANIFEST = Manifest(
    {
        "of days": node_of(f"occurred_on in (from raw.{UNTESTED})"),
        "of all": node_of(None),
        "model": SimpleNamespace(resource_type="model"),
    }
)


@pytest.fixture
def attempt(tmp_path):
    attempt = Home(tmp_path).shop("shop").attempt(SECOND, 1)
    attempt.root.mkdir(parents=True)
    return attempt


def land(attempt, **days: str) -> None:
    rows = [
        (day, days[name]) for name, day in (("first", FIRST), ("second", SECOND)) if name in days
    ]
    offer(attempt, "days", {"occurred_on": "date", "fingerprint": "varchar"}, rows)


def untested(attempt, under: str = "project") -> set[date]:
    offer_untested(attempt, under)
    with connect(attempt.database) as db:
        return {day for (day,) in db.execute(f"from raw.{UNTESTED}").fetchall()}


def test_in_a_shop_without_history_every_day_is_untested(attempt):
    land(attempt, first="f", second="g")
    assert untested(attempt) == {FIRST, SECOND}


def test_a_day_that_passed_is_tested_again_only_when_its_files_differ(attempt):
    land(attempt, first="f", second="g")
    offer_untested(attempt, "project")
    keep_tested(attempt, "project", MANIFEST, ["of days"])
    assert untested(attempt) == set()
    land(attempt, first="f", second="h")
    assert untested(attempt) == {SECOND}


def test_another_project_or_variable_has_all_days_tested(attempt):
    land(attempt, first="f")
    offer_untested(attempt, "project")
    keep_tested(attempt, "project", MANIFEST, ["of days"])
    assert untested(attempt, "other") == {FIRST}


def test_where_dbt_failed_or_was_killed_its_days_stay_untested(attempt):
    land(attempt, first="f")
    assert untested(attempt) == {FIRST}
    assert untested(attempt) == {FIRST}


def test_where_a_test_of_days_was_left_out_they_stay_untested(attempt):
    land(attempt, first="f")
    offer_untested(attempt, "project")
    keep_tested(attempt, "project", MANIFEST, ["of all", "model"])
    assert untested(attempt) == {FIRST}


def test_a_day_that_is_gone_and_comes_back_is_tested_anew(attempt):
    for days in ({"first": "f", "second": "g"}, {"first": "f"}):
        land(attempt, **days)
        offer_untested(attempt, "project")
        keep_tested(attempt, "project", MANIFEST, ["of days"])
    land(attempt, first="f", second="g")
    assert untested(attempt) == {SECOND}
