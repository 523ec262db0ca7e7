import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.dataset import Interactions
from nightshelf.evaluation import Past, item_cohorts, user_cohorts


def past(days=(), users=(), age=None) -> Past:
    users = np.array(users, dtype=np.int64)
    age = np.full(len(users), 100) if age is None else np.array(age)
    return Past(10, users, age, np.array(days, dtype=np.int64))


def named(cohorts) -> dict[str, list[int]]:
    return {c.name: np.flatnonzero(c.members).tolist() for c in cohorts}


def test_users_are_cold_light_or_heavy_by_their_dates_before():
    found = user_cohorts(past(days=[0, 1, 2, 3, 9, 40]))
    assert named(found) == {"cold": [0, 1], "light": [2, 3], "heavy": [4, 5]}
    assert [c.told for c in found] == ["no or one date", "2 to 6 dates", "over 6 dates"]


def test_who_stands_on_the_median_is_light():
    found = user_cohorts(past(days=[2, 5, 5, 5, 9]))
    assert named(found) == {"cold": [], "light": [0, 1, 2, 3], "heavy": [4]}


def test_where_everybody_is_cold_the_others_are_empty():
    assert named(user_cohorts(past(days=[1, 1, 0]))) == {
        "cold": [0, 1, 2],
        "light": [],
        "heavy": [],
    }


def test_the_head_is_as_few_items_as_make_up_half():
    # 5 of 12 are less than half, 5 + 3 are more.
    assert named(item_cohorts(past(users=[1, 3, 5, 2, 1, 0]), 6)) == {
        "new": [],
        "tail": [0, 3, 4, 5],
        "head": [1, 2],
    }


def test_equally_popular_items_enter_the_head_by_code():
    assert named(item_cohorts(past(users=[2, 2, 2, 2]), 4))["head"] == [0, 1]


def test_a_new_item_is_new_whatever_its_buyers():
    found = item_cohorts(past(users=[9, 1, 1], age=[27, 28, -1]), 3)
    assert named(found) == {"new": [0, 2], "tail": [1], "head": []}


def test_items_first_seen_in_the_window_are_new():
    assert named(item_cohorts(past(users=[3, 1]), 4))["new"] == [2, 3]


@given(st.lists(st.integers(0, 60), max_size=30), st.lists(st.integers(0, 9), max_size=30))
def test_each_user_and_each_item_is_in_one_cohort(days, users):
    of_users = user_cohorts(past(days=days))
    of_items = item_cohorts(past(users=users, age=[n % 40 - 1 for n in users]), len(users) + 2)
    for cohorts in (of_users, of_items):
        assert (sum(c.members.astype(int) for c in cohorts) == 1).all()


def test_the_past_is_counted_from_the_training_rows():
    rows = [("u", "a", 1), ("u", "a", 5), ("u", "b", 5), ("v", "a", 9)]
    users, items, days = zip(*rows, strict=True)
    train = Interactions.from_arrays(users, items, days, None, 10)
    found = Past.of(train, np.array(["stranger", "u"], dtype=object))
    assert found.n_users == 2
    assert found.item_users.tolist() == [2, 1]
    assert found.item_age.tolist() == [9, 5]
    assert found.user_days.tolist() == [0, 2]


def test_an_item_that_nobody_took_has_no_age():
    train = Interactions.from_arrays(["u"], ["a"], [1], None, 10)
    wide = train.over(train.users, np.array(["a", "b"], dtype=object))
    assert Past.of(wide, train.users).item_age.tolist() == [9, -1]


def test_strangers_to_an_empty_shop_have_no_dates():
    train = Interactions.from_arrays([], [], [], None, 10)
    found = Past.of(train, np.array(["u"], dtype=object))
    assert (found.n_users, found.user_days.tolist()) == (0, [0])


@pytest.mark.parametrize("days", [[], [5]])
def test_a_handful_of_users_needs_no_median(days):
    assert sum(len(c) for c in user_cohorts(past(days=days))) == len(days)
