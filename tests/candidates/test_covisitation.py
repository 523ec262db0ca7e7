import numpy as np
import pytest

from nightshelf.candidates import Covisitation, CovisitationParams
from nightshelf.candidates.covisitation import stages
from nightshelf.errors import SettingsError
from tests.support import checkerboard
from tests.support.typed import typed_shop

AS_OF = 1000
FOREVER = 1e12
PLAIN = {
    "window_days": 3,
    "days": AS_OF,
    "gap_half_life_days": FOREVER,
    "half_life_days": FOREVER,
    "profile_half_life_days": FOREVER,
    "popularity_power": 0.0,
    "visit_power": 0.0,
    "shrinkage": 0.0,
    "min_buyers": 1,
    "looked_looked": 1.0,
    "looked_wanted": 1.0,
    "looked_bought": 1.0,
    "wanted_wanted": 1.0,
    "wanted_bought": 1.0,
    "bought_bought": 1.0,
}
"""Pairs are counted as they are: what an item leads to, per event of it."""


def fitted(rows, **changes):
    return Covisitation(CovisitationParams(**{**PLAIN, **changes})).fit(typed_shop(rows, AS_OF))


def votes(model):
    """(stage number, item, candidate) → strength."""
    found, n = model.votes.tocoo(), len(model.items)
    return {
        (int(row // n), model.items[row % n], model.items[column]): pytest.approx(float(value))
        for row, column, value in zip(found.row, found.col, found.data, strict=True)
    }


def purchases(*rows):
    return [(user, item, "purchase", day) for user, item, day in rows]


def test_pairs_are_counted_forward_in_time_and_both_ways_on_one_day():
    # u: a and b together, c two days after; v: a alone. a leads to b and c once in two purchases.
    model = fitted(purchases(("u", "a", 10), ("u", "b", 10), ("u", "c", 12), ("v", "a", 10)))
    assert votes(model) == {
        (0, "a", "b"): 0.5,
        (0, "a", "c"): 0.5,
        (0, "b", "a"): 1.0,
        (0, "b", "c"): 1.0,
    }


def test_a_pair_further_apart_than_the_window_does_not_count():
    rows = purchases(("u", "a", 10), ("u", "b", 13), ("u", "c", 14))
    assert set(votes(fitted(rows))) == {(0, "a", "b"), (0, "b", "c")}


def test_a_pair_counts_less_with_its_gap_and_its_age():
    rows = purchases(("u", "a", AS_OF - 6), ("u", "b", AS_OF - 4), ("v", "a", AS_OF - 4))
    assert votes(fitted(rows, gap_half_life_days=2.0)) == {(0, "a", "b"): 0.25}
    # Age 4 halves the pair; of a's two purchases the older, of age 6, counts 2^-1.5.
    found = votes(fitted(rows, half_life_days=4.0))
    assert found == {(0, "a", "b"): 0.5 / (0.5 + 2**-1.5)}


def test_the_powers_hold_down_the_popular_and_the_large_baskets():
    rows = purchases(("u", "a", 10), ("u", "b", 10), *((f"v{n}", "b", 10) for n in range(3)))
    # The pair 1, over a's frequency 1 and b's frequency 4, each to the power 1/2.
    assert votes(fitted(rows, popularity_power=0.5))[0, "a", "b"] == 0.5
    assert votes(fitted(rows, popularity_power=0.5, shrinkage=5.0))[0, "a", "b"] == (
        1 / (6 * 9) ** 0.5
    )
    assert votes(fitted(rows, visit_power=1.0))[0, "a", "b"] == 0.5


def test_views_lead_to_purchases():
    rows = [(f"u{n}", "pot", "view", 990) for n in range(4)]
    rows += [(f"u{n}", "lid", "purchase", 991) for n in range(3)]
    rows += [("new", "pot", "view", 999)]
    model = fitted(rows, bought_bought=0.0, looked_bought=2.0)
    assert votes(model) == {(0, "pot", "lid"): 2 * 3 / 5}
    found = model.recommend(["new"], 5)
    assert model.items[found.item_codes].tolist() == ["lid"]
    assert found.scores == pytest.approx([2 * 3 / 5 * np.log(2)])


def test_each_kind_of_pair_has_its_weight():
    rows = [("u", "a", "view", 10), ("u", "b", "view", 11), ("u", "c", "cart_add", 12)]
    rows += [("u", "d", "purchase", 12), ("u", "e", "purchase", 13)]
    weights = {"looked_looked": 1.0, "looked_wanted": 2.0, "looked_bought": 4.0}
    found = votes(fitted(rows, wanted_bought=8.0, bought_bought=16.0, **weights))
    assert found[0, "a", "b"] == 1
    assert found[0, "a", "c"] == 2
    assert found[0, "a", "d"] == found[0, "b", "d"] == found[0, "b", "e"] == 4
    assert found[1, "c", "d"] == found[1, "c", "e"] == 8
    assert found[2, "d", "e"] == 16
    assert {candidate for _, _, candidate in found} == {"b", "c", "d", "e"}


def test_an_item_does_not_lead_to_itself():
    rows = [("u", "a", "view", 10), ("u", "a", "purchase", 11), ("u", "a", "purchase", 12)]
    assert votes(fitted(rows)) == {}


def test_events_that_are_no_steps_are_left_out():
    rows = [("u", item, kind, 10) for item, kind in
            (("a", "view"), ("b", "search"), ("c", "wishlist_add"), ("d", "cart_remove"))]  # fmt: skip
    found = stages(typed_shop(rows, AS_OF))
    assert {stage: len(steps.users) for stage, steps in found.items()} == {"looked": 2, "wanted": 1}


def test_two_kinds_of_one_stage_on_one_day_are_one_step():
    rows = [("u", "a", "cart_add", 10), ("u", "a", "wishlist_add", 10), ("u", "b", "view", 9)]
    assert len(stages(typed_shop(rows, AS_OF))["wanted"].users) == 1


def test_a_robots_day_leads_nowhere_and_the_robot_still_has_a_list():
    robot = [("robot", f"i{n}", 999) for n in range(5)]
    model = fitted(purchases(*robot, ("u", "i1", 10), ("u", "i2", 11)), max_items_per_day=4)
    assert votes(model) == {(0, "i1", "i2"): 1.0}
    assert model.items[model.recommend(["robot"], 5).item_codes].tolist() == ["i2"]


def test_only_the_strongest_neighbours_and_the_strongest_votes_are_kept():
    rows = purchases(*(("u", item, 10) for item in "abc"), ("v", "a", 10), ("v", "c", 10))
    model = fitted(rows, neighbours=1, recent_items=1, profile_half_life_days=10.0)
    assert votes(model)[0, "a", "c"] == 1.0
    assert (0, "a", "b") not in votes(model)
    assert np.diff(model.profile.indptr).tolist() == [1, 1]


def test_old_pairs_are_not_learnt_from():
    rows = purchases(("u", "a", AS_OF - 20), ("u", "b", AS_OF - 20), ("u", "c", AS_OF - 1))
    assert votes(fitted(rows, days=10)) == {}


def test_pairs_equal_a_count_by_hand_over_a_random_shop():
    generator = np.random.default_rng(3)
    kinds = ("view", "cart_add", "purchase")
    rows = {
        (f"u{generator.integers(6)}", f"i{generator.integers(9)}", kinds[generator.integers(3)],
         900 + int(generator.integers(12)))
        for _ in range(150)
    }  # fmt: skip
    found = votes(fitted(sorted(rows), neighbours=9))
    stage = {"view": 0, "cart_add": 1, "purchase": 2}
    wanted = {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}
    expected = {}
    for one, a, x, day in rows:
        for other, b, y, later in rows:
            here = one == other and a != b and 0 <= later - day <= 3
            if here and (stage[x], stage[y]) in wanted:
                key = (stage[x], a, b)
                expected[key] = expected.get(key, 0) + 1
    times = {(stage[x], a): sum(r[1:3] == (a, x) for r in rows) for _, a, x, _ in rows}
    assert found == {key: count / times[key[:2]] for key, count in expected.items()}


def test_the_held_back_item_comes_first_among_new_ones():
    shop = checkerboard.interactions()
    model = Covisitation(CovisitationParams(min_buyers=1)).fit(shop)
    found = model.recommend(shop.users, 1, shop.bought())
    expected = [checkerboard.item_id(checkerboard.held_back(u)) for u in range(len(shop.users))]
    assert model.items[found.item_codes].tolist() == expected


def test_a_shop_of_views_alone_is_served():
    rows = [("u", "a", "view", 998), ("u", "b", "view", 999), ("v", "a", "view", 999)]
    data = typed_shop(rows, AS_OF, target="view")
    model = Covisitation(CovisitationParams(**PLAIN)).fit(data)
    assert model.items[model.recommend(["v"], 5).item_codes].tolist() == ["b"]


@pytest.mark.parametrize("key", ["neighbours", "recent_items", "days", "min_buyers"])
def test_a_wrong_setting_is_refused(key):
    with pytest.raises(SettingsError, match=f"{key} = 0: must be (at least|from) 1"):
        CovisitationParams(**{key: 0})


def test_the_number_of_cores_changes_nothing(monkeypatch):
    from nightshelf.candidates import fingerprint, similarity

    shop = checkerboard.interactions(60, 60)
    params = CovisitationParams(min_buyers=1, neighbours=5)
    whole = fingerprint(Covisitation(params).fit(shop).arrays())
    monkeypatch.setattr(similarity, "cores", lambda: 1)
    assert fingerprint(Covisitation(params).fit(shop).arrays()) == whole
