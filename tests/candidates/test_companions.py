from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.candidates import BoughtTogetherParams, bought_together, companions, variants
from nightshelf.errors import SettingsError


def lines(*baskets):
    codes = [(number, item) for number, basket in enumerate(baskets) for item in basket]
    return np.array(codes, dtype=np.int32).reshape(-1, 2).T


def test_counts_and_chances_of_known_baskets():
    baskets, items = lines([0, 1], [0, 1], [0, 2], [0], [1, 2])
    found = bought_together(baskets, items, 3, 2, BoughtTogetherParams(min_baskets=1, prior=10))
    assert found.items.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.companions.tolist() == [1, 2, 0, 2, 0, 1]
    assert found.baskets.tolist() == [2, 1, 2, 1, 1, 1]
    assert found.ranks.tolist() == [1, 2, 1, 2, 1, 2]
    # Item 0 stands in 4 baskets of 5, item 1 in 3, two of them the same; ten of the shop's mix are added.
    assert found.scores[0] == pytest.approx((2 + 10 * 3 / 5) / (4 + 10))


def test_without_a_prior_the_chance_is_the_share_of_the_item_s_baskets():
    baskets, items = lines([0, 1], [0, 1], [0, 2], [0])
    found = bought_together(baskets, items, 3, 2, BoughtTogetherParams(min_baskets=1, prior=0))
    assert found.scores.tolist() == [0.5, 0.25, 1.0, 1.0]


def test_of_companions_met_once_the_one_that_more_baskets_hold_stands_first():
    baskets, items = lines([0, 1, 2], [0], [2], [2])
    found = bought_together(baskets, items, 3, 2, BoughtTogetherParams(min_baskets=1))
    assert found.companions[found.items == 0].tolist() == [2, 1]


def test_what_stands_in_too_few_baskets_has_no_companions_and_is_none():
    baskets, items = lines([0, 1], [0, 1], [0, 2])
    found = bought_together(baskets, items, 3, 9, BoughtTogetherParams(min_baskets=2))
    assert list(zip(found.items.tolist(), found.companions.tolist(), strict=True)) == [
        (0, 1),
        (1, 0),
    ]


def test_a_repeated_line_counts_once():
    once = bought_together(*lines([0, 1]), 2, 1, BoughtTogetherParams(min_baskets=1))
    twice = bought_together(*lines([0, 1, 1, 0]), 2, 1, BoughtTogetherParams(min_baskets=1))
    assert twice.baskets.tolist() == once.baskets.tolist() == [1, 1]


def test_equal_scores_are_ordered_by_item_code():
    found = bought_together(*lines([3, 1, 2, 0]), 4, 3, BoughtTogetherParams(min_baskets=1))
    assert found.companions[found.items == 2].tolist() == [0, 1, 3]


def test_the_number_of_rows_at_once_changes_nothing(monkeypatch):
    generator = np.random.default_rng(2)
    baskets, items = generator.integers(0, 300, 3000), generator.integers(0, 50, 3000)
    params = BoughtTogetherParams(min_baskets=2)
    whole = bought_together(baskets, items, 50, 5, params)
    monkeypatch.setattr(companions, "ROWS_AT_ONCE", 7)
    parts = bought_together(baskets, items, 50, 5, params)
    for column in ("items", "companions", "scores", "ranks", "baskets"):
        assert np.array_equal(getattr(whole, column), getattr(parts, column))
    assert len(whole.items) == 250


small = st.lists(st.sets(st.integers(0, 7), max_size=6), max_size=12)


@given(baskets=small, k=st.integers(1, 9), prior=st.sampled_from([0.0, 1.0, 10.0]))
def test_companions_are_those_of_a_plain_count_and_sort(baskets, k, prior):
    params = BoughtTogetherParams(min_baskets=1, prior=prior)
    found = bought_together(*lines(*baskets), 8, k, params)
    times = Counter(item for basket in baskets for item in basket)
    both = Counter(pair for basket in baskets for pair in permutations(basket, 2))
    full = max(sum(map(bool, baskets)), 1)
    expected = []
    for one in range(8):
        scored = [
            (np.float32((n + prior * times[b] / full) / (times[one] + prior)), b, n)
            for (a, b), n in both.items()
            if a == one
        ]
        best = sorted(scored, key=lambda each: (-each[0], each[1]))[:k]
        expected += [(one, b, score, n) for score, b, n in best]
    columns = (found.items, found.companions, found.scores, found.baskets)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


def test_no_baskets_give_no_companions():
    none = np.zeros(0, dtype=np.int32)
    assert len(bought_together(none, none, 0, 5).items) == 0
    assert len(bought_together(none, none, 3, 5).items) == 0


def test_a_prior_below_nothing_is_refused():
    with pytest.raises(SettingsError, match="prior = -1: must be 0 or more"):
        BoughtTogetherParams(prior=-1)


def test_variants_share_their_companions_and_are_not_each_others():
    # Items 1 and 2 are one shirt; 0 trousers; 3 is a hat that cannot be bought.
    baskets, items = lines([0, 1], [0, 2], [0, 2], [1, 2], [0, 3], [0, 3])
    offerable = np.array([True, True, True, False])
    shirts = variants.Variants.of(["t", "s", "s", "h"], offerable, np.array([5, 2, 3, 2]))
    found = bought_together(baskets, items, 4, 9, BoughtTogetherParams(min_baskets=1), shirts)
    pairs = list(zip(found.items.tolist(), found.companions.tolist(), strict=True))
    assert pairs == [(0, 2), (1, 0), (2, 0), (3, 0)]
    assert found.baskets.tolist() == [3, 3, 3, 2]
    # Of 6 baskets trousers stand in 5 and a shirt in 4: each with its ten of the shop's mix.
    of_trousers, of_shirts = (3 + 10 * 4 / 6) / (5 + 10), (3 + 10 * 5 / 6) / (4 + 10)
    assert found.scores[:3] == pytest.approx([of_trousers, of_shirts, of_shirts])
    assert found.ranks.tolist() == [1, 1, 1, 1]
