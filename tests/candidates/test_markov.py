import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nightshelf.candidates import Markov, MarkovParams
from nightshelf.errors import SettingsError
from tests.support import checkerboard
from tests.support.typed import typed_shop

AS_OF = 1000
FOREVER = 1e12
PLAIN = {
    "lags": 1,
    "decay": 0.5,
    "visit_power": 1.0,
    "half_life_days": FOREVER,
    "popular_half_life_days": FOREVER,
}


def fitted(rows, catalogue=None, **changes):
    """Rows of (user, day, items of the visit)."""
    flat = [(user, item, "purchase", day) for user, day, items in rows for item in items]
    model = Markov(MarkovParams(**{**PLAIN, **changes}))
    return model.fit(typed_shop(flat, AS_OF, catalogue))


def scores(model, user):
    found = model.recommend([user], 100)
    return dict(zip(model.items[found.item_codes], found.scores.tolist(), strict=True))


def after_a():
    """a is followed once by b and once by c; three of five users' items are a."""
    return [("u", 1, "a"), ("u", 2, "b"), ("v", 1, "a"), ("v", 2, "c"), ("w", 2, "a")]


def test_an_item_is_believed_by_its_count_and_popularity_for_the_rest():
    # Two next visits and a confidence of 2: half and half.
    b = 0.5 * 0.5 + 0.5 * 0.2
    found = scores(fitted(after_a()), "w")
    assert found == pytest.approx({"b": b, "c": b, "a": 0.5 * 0.6})
    assert sum(found.values()) == pytest.approx(1)


def test_the_last_visits_are_averaged_and_each_counts_less_than_the_next():
    # u took b last, of which nothing is known, and a before, which counts half as much.
    found = scores(fitted(after_a()), "u")
    assert found["c"] == pytest.approx(2 / 3 * 0.2 + 1 / 3 * (0.5 * 0.5 + 0.5 * 0.2))
    assert scores(fitted(after_a(), last_visits=1), "u") == pytest.approx(
        {"a": 0.6, "b": 0.2, "c": 0.2}
    )


def test_transitions_are_between_visits_that_follow_each_other():
    rows = [("u", 1, "a"), ("u", 2, "b"), ("u", 9, "c"), ("v", 1, "d")]
    one = fitted(rows).by_item.toarray()
    assert one.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0] * 4, [0] * 4]
    two = fitted(rows, lags=2).by_item.toarray()
    # a leads to b, and half as much to c, two visits on.
    assert two[0] == pytest.approx([0, 2 / 3, 1 / 3, 0])


def test_the_power_says_how_much_a_large_visit_counts():
    rows = [("u", 1, "a"), ("u", 2, "b"), ("v", 1, "a"), ("v", 2, "cdef")]
    assert fitted(rows, visit_power=1.0).by_item.toarray()[0] == pytest.approx(
        [0, 0.5, *[0.5 / 4] * 4]
    )
    assert fitted(rows, visit_power=0.0).by_item.toarray()[0] == pytest.approx([0, *[1 / 5] * 5])


def test_an_item_without_transitions_speaks_for_its_category():
    rows = [("u", 1, "y"), ("u", 2, "z"), ("w", 1, "x")]
    category = {"x": "Tea", "y": "Tea", "z": "Pots", "unseen": "Cups"}
    model = fitted(rows, {"category": category})
    # One next visit after Tea: a third of the belief; the rest is z's share of users.
    assert scores(model, "w") == pytest.approx(
        {"z": 1 / 3 + 2 / 3 / 3, "x": 2 / 3 / 3, "y": 2 / 3 / 3}
    )
    # y itself is believed a third; the category a third of the rest.
    of_y = model.of_items[0].toarray()[0], model.of_categories[0].toarray()[0]
    y, tea = model.items.tolist().index("y"), 2
    assert of_y[0][y] == pytest.approx(1 / 3 * 1 / 3)  # z came after it and counts 2 / 3
    assert of_y[1][tea] == pytest.approx(1 / 3 * 2 / 3 * 1 / 3)


def test_old_transitions_count_less():
    rows = [("u", 1, "a"), ("u", AS_OF - 20, "b"), ("v", 1, "a"), ("v", AS_OF - 10, "c")]
    found = fitted(rows, half_life_days=10.0).by_item.toarray()[0]
    assert found == pytest.approx([0, 1 / 3, 2 / 3])


def test_popularity_counts_people_the_late_ones_more():
    rows = [("u", day, "a") for day in range(900, 1000)] + [("v", 990, "b"), ("w", 980, "b")]
    model = fitted(rows, popular_half_life_days=10.0)
    assert model.popular == pytest.approx(np.array([1, 0.75]) / 1.75)


def test_only_the_likeliest_successors_are_kept():
    rows = [("u", 1, "a"), ("u", 2, "bc"), ("v", 1, "a"), ("v", 2, "c")]
    assert fitted(rows, successors=1).by_item.toarray()[0] == pytest.approx([0, 0, 0.75])


def test_views_lead_and_purchases_follow():
    rows = [("u", "a", "view", 1), ("u", "b", "purchase", 2), ("u", "c", "view", 3)]
    rows += [("w", "a", "view", 5)]
    model = Markov(MarkovParams(**PLAIN)).fit(typed_shop(rows, AS_OF))
    assert scores(model, "w") == pytest.approx({"b": 1.0})
    assert model.by_item.toarray().tolist() == [[0, 1, 0], [0] * 3, [0] * 3]


def test_a_robots_day_teaches_nothing_and_the_robot_has_a_list():
    rows = [("robot", 1, "a"), ("robot", 2, "bcdef"), ("u", 1, "a"), ("u", 2, "b")]
    model = fitted(rows, max_items_per_visit=3)
    assert model.by_item.toarray()[0] == pytest.approx([0, 1, 0, 0, 0, 0])
    assert len(scores(model, "robot")) == 6


def test_who_has_any_event_has_a_list():
    shop = checkerboard.interactions()
    model = Markov().fit(shop)
    found = model.recommend(shop.users, 10)
    assert np.bincount(found.users).tolist() == [10] * len(shop.users)


def test_the_chance_of_a_group_is_the_sum_of_its_items_chances():
    model = fitted([*after_a(), ("x", 2, "d")])
    told = scores(model, "w")
    groups = csr_matrix(np.array([[1, 0], [0, 1], [0, 1], [0, 0]], dtype=np.float32))
    (found,) = model.chances_of_groups(
        np.flatnonzero(model.users == "w"), model.group_chances(groups)
    )
    sums = np.array([told["a"], told["b"] + told["c"]])
    assert found == pytest.approx(sums / sums.sum(), rel=1e-6)


def test_the_number_of_cores_changes_nothing(monkeypatch):
    from nightshelf.candidates import fingerprint, similarity

    shop = checkerboard.interactions(60, 60)
    whole = fingerprint(Markov(MarkovParams(successors=5)).fit(shop).arrays())
    monkeypatch.setattr(similarity, "cores", lambda: 1)
    assert fingerprint(Markov(MarkovParams(successors=5)).fit(shop).arrays()) == whole


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("lags", 0, "at least 1"),
        ("decay", 0.0, "above 0, at most 1"),
        ("visit_power", 1.5, "0 to 1"),
        ("confidence", 0.0, "above 0"),
    ],
)
def test_a_wrong_setting_is_refused(key, value, rule):
    with pytest.raises(SettingsError, match=f"{key} = {value}: must be {rule}"):
        MarkovParams(**{key: value})
