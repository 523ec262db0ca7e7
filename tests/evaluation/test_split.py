import numpy as np
import pytest

from nightshelf.candidates import OwnHistory
from nightshelf.dataset import Interactions
from nightshelf.evaluation import METRICS, labels
from tests.support.typed import typed_shop

CUT = 10
ROWS = [
    ("before only", "a", 9),
    ("both", "a", 9),
    ("both", "b", 8),
    ("both", "a", 10),
    ("both", "c", 11),
    ("both", "never seen", 12),
    ("repeats only", "c", 1),
    ("repeats only", "c", 23),
    ("after only", "a", 10),
    ("too late", "a", 9),
    ("too late", "b", 24),
]


@pytest.fixture
def shop():
    users, items, days = zip(*ROWS, strict=True)
    return Interactions.from_arrays(users, items, days, None, 30)


def found(shop, view):
    train = shop.before(CUT)
    return train, labels(train, shop.window(CUT, CUT + 14), view)


def names(train, window, row):
    items = [*train.items, "never seen"]
    return [items[code] for code in window.relevant[row].indices]


def test_users_have_an_event_on_both_sides_of_the_cut(shop):
    _, window = found(shop, "all")
    assert window.users.tolist() == ["both", "repeats only"]


def test_everything_taken_in_the_window_is_relevant(shop):
    train, window = found(shop, "all")
    assert names(train, window, 0) == ["a", "c", "never seen"]
    assert names(train, window, 1) == ["c"]
    assert window.exclude is None


def test_only_what_was_never_taken_is_new(shop):
    train, window = found(shop, "new")
    assert names(train, window, 0) == ["c", "never seen"]
    assert names(train, window, 1) == []
    assert train.items[window.exclude[0].indices].tolist() == ["a", "b"]


def test_what_was_only_looked_at_is_still_new():
    rows = [("u", "kettle", "view", 8), ("u", "cup", "purchase", 9), ("w", "kettle", "view", 9)]
    train = typed_shop(rows, CUT)
    bought = Interactions.from_arrays(["u", "u"], ["kettle", "cup"], [10, 11], None, 30)
    wanted = labels(train, bought, "new")
    assert names(train, wanted, 0) == ["kettle"]
    assert train.items[wanted.exclude[0].indices].tolist() == ["cup"]


def test_who_only_looked_has_taken_nothing():
    looks = typed_shop([("u", "kettle", "view", 8), ("u", "cup", "view", 8)], CUT)
    assert looks.taken().nnz == 0 and looks.bought().nnz == 2


def test_labels_line_up_with_a_model_fitted_on_the_training_rows(shop):
    train, window = found(shop, "all")
    lists = OwnHistory().fit(train).recommend(window.users, 5).lists(len(window.users), 5)
    assert METRICS["recall"](lists, window.relevant, 5) == pytest.approx([1 / 3, 1.0])


def test_a_user_with_nothing_new_is_undefined(shop):
    _, window = found(shop, "new")
    lists = np.full((2, 5), -1)
    assert np.isnan(METRICS["ndcg"](lists, window.relevant, 5)).tolist() == [False, True]


def test_a_window_that_reaches_back_is_refused(shop):
    with pytest.raises(ValueError, match="begins on day 9, before the cut at day 10"):
        labels(shop.before(CUT), shop.window(9, 20), "all")


def test_an_unknown_view_is_refused(shop):
    with pytest.raises(ValueError, match="'all' or 'new'"):
        found(shop, "some")


def test_an_empty_window_has_no_users(shop):
    train = shop.before(CUT)
    assert len(labels(train, shop.window(25, 30), "new").users) == 0


def test_of_many_users_the_same_some_are_drawn_in_either_view_with_their_own_rows():
    names = [f"user {n}" for n in range(40)]
    rows = [(u, "a", 9) for u in names] + [(u, f"item {n}", 10) for n, u in enumerate(names)]
    users, items, days = zip(*rows, strict=True)
    shop = Interactions.from_arrays(users, items, days, None, 30)
    (_, whole), (_, new) = found(shop, "all"), found(shop, "new")
    some = whole.of_some(15)
    assert len(some.users) == 15
    assert some.users.tolist() == new.of_some(15).users.tolist() == sorted(some.users)
    at = {user: row for row, user in enumerate(whole.users)}
    for row, user in enumerate(some.users):
        assert some.relevant[row].indices.tolist() == whole.relevant[at[user]].indices.tolist()
        assert some.seen[row].indices.tolist() == whole.seen[at[user]].indices.tolist()
    assert {*some.of_some(7).users} < {*some.users}
    assert whole.of_some(40) is whole
