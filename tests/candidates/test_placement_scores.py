"""Which items without history get look-alikes."""

from __future__ import annotations

import numpy as np

from nightshelf.placement_scores import freshest_without
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
