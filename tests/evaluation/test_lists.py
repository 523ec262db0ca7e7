from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_matrix

from nightshelf.evaluation import coverage, diversity, gini, novelty, repeat_share
from nightshelf.evaluation import lists as m

LISTS = np.array([[1, 2, 3], [1, 4, -1], [-1, -1, -1]])


def test_coverage_is_the_share_of_items_shown_to_anyone():
    assert coverage(LISTS, 10, 2) == 0.3
    assert coverage(LISTS, 10, 3) == 0.4
    assert coverage(LISTS[:0], 0, 3) == 0.0


def test_gini_is_zero_where_every_item_is_shown_equally_often():
    assert gini(np.array([[0, 1], [2, 3]]), 4, 2) == 0.0


def test_gini_is_one_less_one_nth_where_one_item_has_every_place():
    assert gini(np.array([[2], [2], [2]]), 5, 1) == pytest.approx(1 - 1 / 5)


def test_gini_counts_items_that_are_never_shown():
    # Exposures 0, 0, 1, 3: (2·3-5)·1 + (2·4-5)·3 over 4·4.
    assert gini(np.array([[0], [0], [0], [1]]), 4, 1) == pytest.approx(10 / 16)
    assert gini(np.array([[0], [0], [0], [1]]), 40, 1) > 0.95


def test_gini_of_nothing_shown_is_undefined():
    assert np.isnan(gini(LISTS[2:], 4, 3))
    assert np.isnan(gini(LISTS[:0], 0, 3))


def test_novelty_is_the_mean_self_information_of_the_list():
    taken_by = np.array([0, 8, 4, 1, 0])
    found = novelty(LISTS, taken_by, 8, 3)
    assert found[0] == pytest.approx((0 + 1 + 3) / 3)
    # What nobody took counts as if one user had.
    assert found[1] == pytest.approx((0 + log2(8)) / 2)
    assert np.isnan(found[2])


def test_repeat_share_is_of_the_items_that_are_on_the_list():
    seen = csr_matrix(np.array([[0, 1, 0, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], dtype=bool))
    found = repeat_share(LISTS, seen, 3)
    assert found[:2] == pytest.approx([2 / 3, 1.0])
    assert np.isnan(found[2])
    assert repeat_share(LISTS, seen, 1)[:2] == pytest.approx([1.0, 1.0])


def buyers(*items: set[int], n_users: int = 6) -> csr_matrix:
    """Users × items from the users of each item."""
    dense = np.zeros((n_users, len(items)), dtype=bool)
    for item, users in enumerate(items):
        dense[list(users), item] = True
    return csr_matrix(dense)


def test_items_that_the_same_people_take_are_no_diversity():
    assert diversity(np.array([[0, 1]]), buyers({0, 1}, {0, 1}), 2) == pytest.approx([0.0])


def test_items_that_no_two_share_are_all_diversity():
    assert diversity(np.array([[0, 1]]), buyers({0, 1}, {2, 3}), 2) == pytest.approx([1.0])


def test_an_item_that_nobody_took_is_like_nothing():
    assert diversity(np.array([[0, 1]]), buyers({0, 1}, set()), 2) == pytest.approx([1.0])


def test_diversity_of_fewer_than_two_items_is_undefined():
    seen = buyers({0}, {1})
    assert np.isnan(diversity(np.array([[0, -1], [-1, -1]]), seen, 2)).all()
    assert np.isnan(diversity(np.array([[0, 1]]), seen, 1)).all()


def test_diversity_is_measured_on_lists_spaced_evenly_among_many(monkeypatch):
    monkeypatch.setattr(m, "LISTS_FOR_DIVERSITY", 3)
    found = diversity(np.tile([0, 1], (9, 1)), buyers({0}, {1}), 2)
    assert np.flatnonzero(~np.isnan(found)).tolist() == [0, 4, 8]


def test_nobody_has_no_values():
    seen = buyers({0}, {1})[:0]
    for found in (
        novelty(LISTS[:0], np.ones(5), 1, 3),
        repeat_share(LISTS[:0], seen, 3),
        diversity(LISTS[:0], seen, 3),
    ):
        assert found.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(4, 7))),
    st.permutations(range(4)),
    st.integers(2, 4),
)
def test_diversity_equals_its_definition(taken, order, k):
    def cosine(a, b):
        together = (taken[:, a] & taken[:, b]).sum()
        return together / max(1e-9, (taken[:, a].sum() * taken[:, b].sum()) ** 0.5)

    shown = np.array([order])
    pairs = [(a, b) for n, a in enumerate(order[:k]) for b in order[:n]]
    expected = 1 - np.mean([cosine(a, b) for a, b in pairs])
    assert diversity(shown, csr_matrix(taken), k)[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.integers(7, 9))
def test_gini_equals_the_mean_difference_of_all_pairs(shown, n_items):
    counts = np.bincount(shown, minlength=n_items)
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    expected = differences / (2 * counts.mean())
    assert gini(np.array(shown)[:, None], n_items, 1) == pytest.approx(expected)
