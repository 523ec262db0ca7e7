import numpy as np
import pytest

from nightshelf.evaluation import bootstrap, mean_interval, paired_difference_interval

VALUES = np.random.default_rng(0).random(500)


def test_the_interval_is_about_two_standard_errors_wide():
    found = mean_interval(VALUES, seed=1, repetitions=4000)
    error = VALUES.std() / len(VALUES) ** 0.5
    assert found.mean == pytest.approx(VALUES.mean())
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.15 * error)


def test_a_lower_level_is_a_narrower_interval():
    wide, narrow = (mean_interval(VALUES, 1, level=level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_undefined_users_are_left_out():
    with_nan = np.append(VALUES, [np.nan, np.nan])
    assert mean_interval(with_nan, 1) == mean_interval(VALUES, 1)
    assert mean_interval(with_nan, 1).n_users == 500


def test_user_order_changes_nothing():
    assert mean_interval(VALUES[::-1], 1) == mean_interval(VALUES, 1)


def test_chunks_change_nothing(monkeypatch):
    whole = mean_interval(VALUES, 1)
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 3000)
    assert mean_interval(VALUES, 1) == whole


def test_another_seed_moves_the_bounds_and_not_the_mean():
    one, two = mean_interval(VALUES, 1), mean_interval(VALUES, 2)
    assert one.mean == two.mean
    assert one.low != two.low


def test_a_small_but_steady_difference_is_seen_only_in_pairs():
    better = VALUES + 0.01
    found = paired_difference_interval(better, VALUES, 1)
    assert found.excludes_zero()
    assert found.mean == pytest.approx(0.01)
    assert mean_interval(better, 1).low < mean_interval(VALUES, 1).high


def test_a_user_undefined_on_either_side_is_no_pair():
    found = paired_difference_interval([1.0, np.nan, 3.0, 5.0], [0.0, 0.0, np.nan, 5.0], 1)
    assert (found.n_users, found.mean) == (2, 0.5)


def test_equal_models_differ_by_nothing():
    assert not paired_difference_interval(VALUES, VALUES, 1).excludes_zero()


def test_nobody_gives_an_undefined_interval():
    found = mean_interval([np.nan], 1)
    assert found.n_users == 0
    assert np.isnan([found.mean, found.low, found.high]).all()
    assert not found.excludes_zero()


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 values against 1"):
        paired_difference_interval([1.0, 2.0], [1.0], 1)
