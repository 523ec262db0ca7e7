import numpy as np
import pytest

from nightshelf.candidates import BoughtTogetherParams, bought_together, companions
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
