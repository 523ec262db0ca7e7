"""Which items without history get look-alikes, and what rises."""

from __future__ import annotations

import numpy as np

from nightshelf.candidates import Trend, TrendParams
from nightshelf.learning.placement_scores import _trending, freshest_without
from tests.support.typed import typed_shop

NONE = np.zeros(0, dtype=np.int32)
ROWS = [("u", "a", "purchase", 9), ("u", "b", "purchase", 5), ("u", "c", "purchase", 7)]


def fresh(known, n, rows=ROWS) -> list[str]:
    seen = typed_shop(rows, 10)
    codes = np.flatnonzero(np.isin(seen.items, known)).astype(np.int32)
    return list(seen.items[freshest_without(seen, codes, n)])


def test_those_taken_last_come_first_and_the_codes_rise():
    assert fresh([], 2) == ["a", "c"]


def test_what_has_a_list_is_left_out():
    assert fresh(["a"], 2) == ["b", "c"]


def test_none_are_asked_for():
    assert fresh([], 0) == []


def test_what_gained_a_user_is_rising_and_what_gained_less_is_not():
    steady = [
        (f"{i} {n}", i, "purchase", 39 - 7 * w)
        for i in "abcdefghijklmnop"
        for n in range(9)
        for w in range(5)
    ]
    new = [(f"new {n}", "a", "purchase", 38) for n in range(40)]
    found, _ = _trending(
        typed_shop(steady + new, 40), Trend(TrendParams(burst=0, confidence=0.5)), True
    )
    assert found["item_id"].to_pylist() == ["a"]
    assert 30 < found["more_users"].to_pylist()[0] < 40


def test_a_trend_that_is_switched_off_has_no_rows():
    found, _ = _trending(typed_shop(ROWS, 10), Trend(), False)
    assert found["item_id"].to_pylist() == []
