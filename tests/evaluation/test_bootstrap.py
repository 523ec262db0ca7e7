import numpy as np
import pytest

from nightshelf.evaluation import intervals, mean_interval, paired_difference_interval

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


def test_another_seed_moves_the_bounds_and_not_the_mean():
    one, two = mean_interval(VALUES, 1), mean_interval(VALUES, 2)
    assert one.mean == two.mean
    assert one.low != two.low


def test_a_small_but_steady_difference_is_seen_only_in_pairs():
    better = VALUES + 0.01
    found = paired_difference_interval(better, VALUES, 1)
    assert found.low > 0
    assert found.mean == pytest.approx(0.01)
    assert mean_interval(better, 1).low < mean_interval(VALUES, 1).high


def test_a_user_undefined_on_either_side_is_no_pair():
    found = paired_difference_interval([1.0, np.nan, 3.0, 5.0], [0.0, 0.0, np.nan, 5.0], 1)
    assert (found.n_users, found.mean) == (2, 0.5)


def test_equal_models_differ_by_nothing():
    found = paired_difference_interval(VALUES, VALUES, 1)
    assert (found.low, found.high) == (0, 0)


def test_nobody_gives_an_undefined_interval():
    found = mean_interval([np.nan], 1)
    assert found.n_users == 0
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 values against 1"):
        paired_difference_interval([1.0, 2.0], [1.0], 1)


# ------------------------------------------------------------------ several windows


def three_windows(own: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of 300 users in three windows: the user's own level, and noise of the window."""
    rng = np.random.default_rng(4)
    users = np.array([f"u{n:03d}" for n in range(300)] * 3, dtype=object)
    level = np.tile(rng.normal(0, 1, 300), 3)
    return own * level + (1 - own) * rng.normal(0, 1, 900), users


def test_one_window_each_is_as_if_users_were_not_named():
    users = np.array([f"u{n:03d}" for n in np.argsort(np.argsort(VALUES))], dtype=object)
    assert mean_interval(VALUES, 1, users=users) == mean_interval(VALUES, 1)


def test_the_same_user_three_times_is_no_more_evidence_than_once():
    values, users = three_windows(own=1.0)
    thrice, once = mean_interval(values, 1, users=users), mean_interval(values[:300], 1)
    assert thrice.mean == pytest.approx(once.mean)
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)
    # Rows drawn as if they were users' own would promise far more.
    naive = mean_interval(values, 1)
    assert naive.high - naive.low < 0.65 * (thrice.high - thrice.low)


def test_windows_that_have_nothing_in_common_are_each_evidence():
    values, users = three_windows(own=0.0)
    clustered, naive = mean_interval(values, 1, users=users), mean_interval(values, 1)
    assert clustered.high - clustered.low == pytest.approx(naive.high - naive.low, rel=0.15)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(7), 0
    users = np.array([f"u{n}" for n in range(60)] * 2, dtype=object)
    for n in range(200):
        level = np.tile(rng.normal(0, 1, 60), 2)
        found = mean_interval(level + rng.normal(0, 0.5, 120), n, 400, users=users)
        held += found.low <= 0 <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_the_mean_is_over_rows_and_the_count_over_users():
    found = mean_interval([1.0, 3.0, 5.0, np.nan], 1, users=["a", "b", "a", "c"])
    assert (found.mean, found.n_users) == (3.0, 2)


def test_row_order_changes_nothing_but_a_user_s_own_windows():
    values, users = three_windows(own=0.5)
    order = np.concatenate([np.random.default_rng(w).permutation(300) + 300 * w for w in range(3)])
    found = mean_interval(values[order], 1, users=users[order])
    assert found == mean_interval(values, 1, users=users)


def test_users_must_be_named_for_every_row():
    with pytest.raises(ValueError, match="1 users for 2 rows"):
        mean_interval([1.0, 2.0], 1, users=["a"])


# ------------------------------------------------------------------ several figures


def test_figures_side_by_side_are_each_its_own():
    both = intervals(np.stack([VALUES, VALUES + 1], axis=1), 1)
    assert both[1].low == pytest.approx(both[0].low + 1)
    assert [i.n_users for i in both] == [500, 500]


def test_a_figure_of_a_few_users_counts_only_them():
    few = np.where(np.arange(500) < 20, VALUES, np.nan)
    found = intervals(np.stack([VALUES, few], axis=1), 1)[1]
    assert (found.n_users, found.mean) == (20, pytest.approx(VALUES[:20].mean()))
    assert found.low < found.mean < found.high


def test_a_figure_that_nobody_has_is_undefined_beside_one_that_all_have():
    found = intervals(np.stack([VALUES, np.full(500, np.nan)], axis=1), 1)[1]
    assert found.n_users == 0
    assert np.isnan([found.mean, found.low, found.high]).all()
