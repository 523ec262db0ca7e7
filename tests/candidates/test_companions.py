import numpy as np
import pytest

from nightshelf.candidates import BoughtTogetherParams, bought_together, companions, variants
from nightshelf.errors import SettingsError


def lines(*baskets):
    codes = [(number, item) for number, basket in enumerate(baskets) for item in basket]
    return np.array(codes, dtype=np.int32).reshape(-1, 2).T


def test_counts_and_cosine_of_known_baskets():
    baskets, items = lines([0, 1], [0, 1], [0, 2], [0], [1, 2])
    found = bought_together(baskets, items, 3, 2, BoughtTogetherParams(min_baskets=1))
    assert found.items.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.companions.tolist() == [1, 2, 0, 2, 1, 0]
    assert found.baskets.tolist() == [2, 1, 2, 1, 1, 1]
    assert found.ranks.tolist() == [1, 2, 1, 2, 1, 2]
    assert found.scores[0] == pytest.approx(2 / (4 * 3) ** 0.5)


def test_lift_divides_by_what_chance_would_give():
    baskets, items = lines([0, 1], [0, 1], [0, 2], [0], [1, 2])
    params = BoughtTogetherParams(min_baskets=1, measure="lift")
    found = bought_together(baskets, items, 3, 1, params)
    assert found.scores[0] == pytest.approx(2 * 5 / (4 * 3))


def test_lift_counts_baskets_of_rare_items_too():
    baskets, items = lines([0, 1], [0, 1], [2], [3])
    params = BoughtTogetherParams(min_baskets=2, measure="lift")
    assert bought_together(baskets, items, 4, 1, params).scores.tolist() == [2.0, 2.0]


def test_a_pair_below_the_minimum_is_left_out():
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


def test_no_baskets_give_no_companions():
    none = np.zeros(0, dtype=np.int32)
    assert len(bought_together(none, none, 0, 5).items) == 0
    assert len(bought_together(none, none, 3, 5).items) == 0


def test_an_unknown_measure_is_refused():
    with pytest.raises(SettingsError, match="must be cosine or lift"):
        BoughtTogetherParams(measure="magic")


def test_sure_lift_does_not_let_two_of_two_baskets_win():
    baskets, items = lines(*[[0, 1]] * 30, *[[0, 2]] * 2, *[[0]] * 2, [3], [3], [3])
    ranked = {
        measure: bought_together(
            baskets, items, 4, 2, BoughtTogetherParams(min_baskets=2, measure=measure)
        )
        for measure in ("lift", "sure_lift")
    }
    assert ranked["lift"].companions[:2].tolist() == [1, 2]
    # Of item 1's side: 30 of 30 baskets hold item 0, of item 2's 2 of 2: equal lift, unequal surety.
    lift, sure = (ranked[measure].scores[ranked[measure].items > 0] for measure in ranked)
    assert lift[0] == lift[1]
    z = 1.96**2
    assert sure == pytest.approx([30 / (30 + z) * 37 / 34, 2 / (2 + z) * 37 / 34])


def test_variants_share_their_companions_and_are_not_each_others():
    # Items 1 and 2 are one shirt; 0 trousers; 3 is a hat that cannot be bought.
    baskets, items = lines([0, 1], [0, 2], [0, 2], [1, 2], [0, 3], [0, 3])
    offerable = np.array([True, True, True, False])
    shirts = variants.Variants.of(["t", "s", "s", "h"], offerable, np.array([5, 2, 3, 2]))
    found = bought_together(baskets, items, 4, 9, BoughtTogetherParams(min_baskets=1), shirts)
    pairs = list(zip(found.items.tolist(), found.companions.tolist(), strict=True))
    assert pairs == [(0, 2), (1, 0), (2, 0), (3, 0)]
    assert found.baskets.tolist() == [3, 3, 3, 2]
    assert found.scores[:3] == pytest.approx([3 / (5 * 4) ** 0.5] * 3)
    assert found.ranks.tolist() == [1, 1, 1, 1]
