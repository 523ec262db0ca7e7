import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nightshelf.candidates.tastes import Tastes, category_levels, one_level


def test_a_lift_by_hand():
    # The shop took 3 of tea and 5 of coffee, the first user 3 and 1. With a prior of 4:
    # tea (3 / (3/8) + 4) / (4 + 4) = 1.5, coffee (1 / (5/8) + 4) / 8 = 0.7.
    taken = csr_matrix(np.array([[3.0, 1.0], [0.0, 4.0]], dtype=np.float32))
    tastes = Tastes.of(taken, np.array([0, 1]), one_level(np.array(["coffee", "tea"])))
    assert tastes.lifts(np.array([0]), 4.0) == pytest.approx(np.array([[1.5, 0.7, 1.0]]))


def test_a_lift_on_two_levels_is_the_product_of_both():
    names = np.array(["Food > Coffee", "Food > Tea", "Toys"], dtype=object)
    levels, nodes = category_levels(names)
    assert nodes.tolist() == ["Food", "Food > Coffee", "Food > Tea", "Toys"]
    assert levels.tolist() == [[0, 0, 3], [1, 2, 3]]
    # The shop: 2, 4 and 2 of coffee, tea and toys; the first user 0, 2 and 0; a prior of 2.
    taken = csr_matrix(np.array([[0.0, 2, 0], [2, 2, 2]], dtype=np.float32))
    lifts = Tastes.of(taken, np.array([0, 1, 2]), levels).lifts(np.array([0]), 2.0)[0]
    food = (2 / (6 / 8) + 2) / (2 + 2)
    coffee, tea = (0 + 2) / (2 + 2), (2 / (4 / 6) + 2) / (2 + 2)
    toys = (0 + 2) / (2 + 2)
    assert lifts == pytest.approx([food * coffee, food * tea, toys * 1, 1])


def test_nobody_known_has_no_tastes():
    taken = csr_matrix(np.array([[3.0, 1.0]], dtype=np.float32))
    tastes = Tastes.of(taken, np.array([0, 1]), one_level(np.array(["a", "b"])))
    assert tastes.lifts(np.array([1]), 4.0).tolist() == [[1.0, 1.0, 1.0]]


def test_items_of_no_group_count_nowhere():
    taken = csr_matrix(np.array([[3.0, 9.0], [3.0, 0.0]], dtype=np.float32))
    lifts = Tastes.of(taken, np.array([0, -1]), one_level(np.array(["a"]))).lifts(np.arange(2), 1.0)
    assert lifts.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_group_that_nobody_took_is_not_lifted_above_one():
    taken = csr_matrix(np.array([[4.0]], dtype=np.float32))
    lifts = Tastes.of(taken, np.array([0]), one_level(np.array(["a", "new"]))).lifts([0], 4.0)
    assert lifts[0].tolist() == [1.0, 0.5, 1.0]


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=5),
    st.floats(0.1, 100),
)
def test_lifted_shares_still_sum_to_one(rows, prior):
    names = np.array(["a > b", "a > c", "d", "e > f"], dtype=object)
    taken = csr_matrix(np.array(rows, dtype=np.float32) + 1)
    tastes = Tastes.of(taken, np.arange(4), category_levels(names)[0])
    shares = tastes._total / tastes._total.sum()
    lifted = tastes.lifts(np.arange(len(rows)), prior)[:, :-1] @ shares
    assert lifted == pytest.approx(np.ones(len(rows)), rel=1e-5)
