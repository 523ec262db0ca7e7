import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.candidates.visits import SPAN, Steps, Visits, without_large
from tests.support.typed import typed_shop


def steps(*rows):
    return Steps(*np.array(rows, dtype=np.int32).T)


def test_a_visit_of_the_largest_size_is_kept_and_a_larger_one_left_out():
    # User 0 took items 0 and 1 on day 5; user 1 took three on day 5, and item 0 on day 6.
    rows = steps((0, 0, 5), (0, 1, 5), (1, 0, 5), (1, 0, 6), (1, 1, 5), (1, 2, 5))
    kept, visits = without_large(rows, Visits.of(rows), 2)
    assert list(zip(*(column.tolist() for column in kept), strict=True)) == [
        (0, 0, 5),
        (0, 1, 5),
        (1, 0, 6),
    ]


def test_buyers_are_counted_once_however_often_they_come():
    assert steps((0, 1, 5), (0, 1, 6), (1, 1, 5), (1, 2, 5)).buyers(4).tolist() == [0, 2, 1, 0]


def test_what_happened_in_two_ways_on_a_day_is_one_step():
    rows = [("u", "a", "view", 5), ("u", "a", "purchase", 5), ("u", "a", "view", 6)]
    shop = typed_shop(rows, 10)
    assert len(Steps.of([shop.typed["view"], shop.typed["purchase"]]).days) == 2


def test_what_two_users_did_on_a_day_is_two_steps():
    rows = [("u", "a", "view", 6), ("u", "a", "purchase", 6), ("v", "a", "view", 6)]
    shop = typed_shop(rows, 10)
    assert len(Steps.of([shop.typed["view"], shop.typed["purchase"]]).days) == 2


def test_keys_order_visits_by_user_and_day():
    assert (np.diff(Visits.of(steps((0, 1, 9), (0, 1, 10), (1, 0, 0))).keys) > 0).all()
    assert np.diff(Visits.of(steps((7, 1, 9), (7, 1, 12))).keys).tolist() == [3]


ROWS = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 4), st.sampled_from([-3, 0, 1, 2, 9])))


@given(ROWS)
def test_visits_are_the_different_days_of_each_user(rows):
    of = Steps(*np.array(sorted(rows), dtype=np.int32).reshape(-1, 3).T)
    found = Visits.of(of)
    keys = of.users.astype(np.int64) * SPAN + of.days
    expected = np.unique(keys, return_inverse=True, return_counts=True)
    for ours, theirs in zip((found.keys, found.of_step, found.sizes), expected, strict=True):
        assert ours.tolist() == theirs.tolist()


@given(ROWS, st.integers(1, 4))
def test_visits_of_what_is_left_are_those_that_were_small(rows, most):
    of = Steps(*np.array(sorted(rows), dtype=np.int32).reshape(-1, 3).T)
    left, visits = without_large(of, Visits.of(of), most)
    again = Visits.of(left)
    assert all(np.array_equal(a, b) for a, b in zip(visits, again, strict=True))
    assert (visits.sizes <= most).all()
