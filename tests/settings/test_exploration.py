"""Exploration in a shop file: what may explore, how much, and what may not stand beside it."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from nightshelf.errors import SettingsError
from nightshelf.paths import Home
from nightshelf.transform.exploring import refuse_pins, unspent
from tests.settings.test_rules import LINE, shop_with, told

NIGHT = date(2017, 12, 1)
ON = "[exploration]\nbudget = { for_you = 0.1 }\n"
PIN = LINE + 'rule = "pin"\nvalue = "b 1"\nrank = 3\nplacement = '


def test_nothing_explores_until_a_placement_has_a_budget(tmp_path):
    assert shop_with(tmp_path, "").exploration.budgets == {}
    some = '[exploration]\npolicy = "thompson"\nbudget = { for_you = 0.0, discover = 0.2 }\n'
    assert shop_with(tmp_path, some).exploration.budgets == {"discover": 0.2}


WRONG = {
    "an unknown key": ("[exploration]\nshare = 0.1", "exploration.share: unknown key; known here: budget, policy, lift, seed"),
    "a shelf that everybody sees": ("[exploration.budget]\npopular = 0.1", "exploration.budget.popular: unknown key; known here: for_you, discover"),
    "more than half": ("[exploration.budget]\nfor_you = 0.6", "exploration.budget.for_you: Input should be less than or equal to 0.5 (given: 0.6)"),
    "less than nothing": ("[exploration.budget]\nfor_you = -0.1", "should be greater than or equal to 0"),
    "an unknown policy": ('[exploration]\npolicy = "greedy"', "exploration.policy: Input should be 'even' or 'thompson' (given: 'greedy')"),
    "a lift that hides": ('[exploration]\npolicy = "thompson"\nlift = 0.5', "exploration.lift: Input should be greater than or equal to 1"),
    "a lift of an even draw": ("[exploration]\nlift = 2.0", "`lift` needs policy = \"thompson\": an even draw favours no item"),
    "a shelf that is not made": (ON + '[placements]\noff = ["for_you"]', "exploration.budget.for_you: the shelf is switched off by placements.off"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "what"), WRONG.values(), ids=WRONG)
def test_a_wrong_key_is_named_with_what_is_allowed(tmp_path, text, what):
    assert what in told(tmp_path, text)


def refused(folder, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        refuse_pins(shop_with(folder, text), folder / "shop.toml", NIGHT)
    assert "Take the pin out, or take for_you out of [exploration.budget]" in caught.value.next_step
    return caught.value.what


@pytest.mark.parametrize("days", ["", "since = 2017-12-24", "until = 2017-12-01"])
def test_a_pin_of_tonight_or_later_on_a_shelf_that_explores_is_refused(tmp_path, days):
    what = refused(tmp_path, ON + PIN + f'"for_you"\n{days}')
    assert "rules.lines[0] pins 'b 1' to rank 3 of for_you" in what
    assert "leaves 0.1 of the slots to chance" in what


@pytest.mark.parametrize("rest", ['"for_you"\nuntil = 2017-11-30', '"popular"', '"discover"'])
def test_a_pin_that_is_over_or_on_another_shelf_is_none_of_its_business(tmp_path, rest):
    refuse_pins(shop_with(tmp_path, ON + PIN + rest), tmp_path / "shop.toml", NIGHT)


def test_a_pin_alone_is_no_conflict(tmp_path):
    refuse_pins(shop_with(tmp_path, PIN + '"for_you"'), tmp_path / "shop.toml", NIGHT)


def test_a_budget_that_the_lists_cannot_spend_is_told(tmp_path):
    attempt = Home(tmp_path).shop("s").attempt(NIGHT, 1)
    attempt.root.mkdir(parents=True)
    with duckdb.connect(str(attempt.database)) as db:
        db.execute(
            """create schema raw; create schema reports;
            create table raw.exploration as select unnest(['for_you', 'discover', 'popular']) as placement,
                unnest([0.5, 0.1, 0.0]) as budget;
            create table reports.rpt_shelves as
            select unnest(['rec_for_you', 'rec_discover', 'rec_popular']) as shelf, 100 as n_rows,
                unnest([24, 6, 0]) as n_exploring"""
        )
    assert unspent(attempt) == [("rec_for_you", 0.24, 0.5)]
