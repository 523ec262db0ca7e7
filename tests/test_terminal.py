"""Reasons as a terminal tells them."""

import re

import pytest

from nightshelf.paths import PROJECT
from nightshelf.terminal import WORDS, reason_told

TITLES = {"a": "Cheddar", "b": "Gouda", "c": "Edam"}


def test_a_sale_names_what_the_user_bought_and_does_not_call_that_cheaper():
    assert reason_told("on_sale", ["b"], "a", TITLES) == "cheaper than usual; you bought Gouda"
    assert reason_told("on_sale", ["a"], "a", TITLES) == "cheaper than usual"
    assert reason_told("on_sale", [], "a", TITLES) == "cheaper than usual"


def test_evidence_is_told_by_title_and_counted_beyond_two():
    assert (
        reason_told("bought_together", ["b", "c"], "a", TITLES) == "often bought with Gouda, Edam"
    )
    told = reason_told("bought_together", ["b", "c", "x", "y"], "a", TITLES)
    assert told == "often bought with Gouda, Edam and 2 more"


def reasons_documented() -> list[str]:
    page = (PROJECT / "docs" / "tables.md").read_text(encoding="utf-8")
    section = page.split("### Reasons")[1].split("###")[0]
    return sorted(set(re.findall(r"^\| `(\w+)` \|", section, re.M)))


@pytest.mark.parametrize("code", reasons_documented())
def test_every_reason_that_is_published_has_words(code):
    assert code in WORDS


def test_a_reason_of_a_newer_night_is_read_out_as_it_is():
    assert reason_told("free_[b]gift", [], "a", TITLES) == r"free \[b]gift"
