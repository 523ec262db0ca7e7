"""Which settings of a challenger take over: what is surely worse nowhere, and better or nowhere lower."""

import numpy as np

from nightshelf.evaluation import Interval
from nightshelf.tuning.verdict import Compared, compare, holds, sorted_out


def views(*bounds, name: str = "ials") -> list[Compared]:
    return [
        Compared(name, view, Interval((low + high) / 2, low, high, 100))
        for view, (low, high) in zip(("all", "new"), bounds, strict=False)
    ]


def test_surely_better_in_one_view_and_not_surely_worse_in_the_other_holds():
    assert holds(views((0.01, 0.03), (-0.03, 0.01)))


def test_surely_worse_in_one_view_does_not_hold_whatever_the_other_is():
    assert not holds(views((0.01, 0.03), (-0.03, -0.01)))


def test_surely_nothing_holds_where_no_view_is_lower():
    assert holds(views((-0.01, 0.03), (0.0, 0.0)))
    assert not holds(views((-0.01, 0.03), (-0.02, 0.01)))


def test_what_nobody_could_be_examined_on_does_not_hold():
    nan = float("nan")
    assert not holds([Compared("ials", "all", Interval(nan, nan, nan, 0))])


def test_each_source_is_judged_by_itself_and_the_words_name_both_kinds():
    good, bad = views((0.01, 0.03), (0.0, 0.0)), views((-0.03, -0.01), name="svd")
    held, why = sorted_out([*good, *bad])
    assert held == ["ials"]
    assert why == (
        "held: ials (all) +0.0200 [+0.0100, +0.0300]; did not hold: svd (all) -0.0200 [-0.0300, -0.0100]"
    )


def test_what_is_compared_is_the_challenging_less_the_present_paired_by_user():
    now = np.array([0.1, 0.5, np.nan, 0.9])
    (found,) = compare({("ials", "new"): (now, now + 0.1)})
    assert (found.name, found.view, found.difference.n_users) == ("ials", "new", 3)
    assert np.allclose([found.difference.low, found.difference.high], 0.1)
