import numpy as np
import pytest

from nightshelf.candidates import MODELS, UserKnn, UserKnnParams, fingerprint
from nightshelf.candidates.teachers import teachers
from nightshelf.dataset import Interactions
from tests.support import checkerboard

PLAIN = {"half_life_days": 0.0, "neighbour_half_life_days": 0.0, "own_weight": 0.5}
ONCE = np.log(2)
"""What taking something once weighs, when it does not decay."""


def shop(rows, as_of=100):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def fitted(data, **changes):
    return UserKnn(UserKnnParams(**{**PLAIN, **changes})).fit(data)


def scores(model, user):
    found = model.recommend([user], 99)
    items = model.items[found.item_codes].tolist()
    return dict(zip(items, found.scores.tolist(), strict=True))


BASKETS = shop(
    [
        (user, item, 1)
        for user, items in {"u": "ab", "v": "abc", "w": "ad", "x": "e"}.items()
        for item in items
    ]
)
# From u: cosine to v is 2 / √6, to w 1 / 2, to x 0.
TO_V, TO_W = 2 / 6**0.5, 0.5


def test_neighbours_speak_by_their_cosine():
    found = scores(fitted(BASKETS, own_weight=0.0), "u")
    share = TO_V / (TO_V + TO_W)
    expected = {"a": ONCE, "b": share * ONCE, "c": share * ONCE, "d": (1 - share) * ONCE}
    assert found == pytest.approx(expected)


def test_own_history_is_mixed_in_by_its_weight():
    found = scores(fitted(BASKETS, own_weight=0.25), "u")
    share = TO_V / (TO_V + TO_W)
    assert found["a"] == pytest.approx(ONCE)
    assert found["b"] == pytest.approx((0.25 + 0.75 * share) * ONCE)
    assert found["c"] == pytest.approx(0.75 * share * ONCE)


def test_own_history_alone_is_left_at_weight_one():
    assert scores(fitted(BASKETS, own_weight=1.0), "u") == pytest.approx({"a": ONCE, "b": ONCE})


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_neighbours_are_found_for_those_who_are_asked_about_among_all(similarity):
    data = checkerboard.interactions()
    params = UserKnnParams(**{**PLAIN, "similarity": similarity})
    whole, alone = UserKnn(params).fit(data), UserKnn(params).fit(data, [data.users[1]])
    assert np.diff(alone.neighbours.indptr).nonzero()[0].tolist() == [1]
    assert (alone.neighbours[1] != whole.neighbours[1]).nnz == 0


def test_who_is_like_nobody_has_the_own_history():
    assert scores(fitted(BASKETS), "x") == pytest.approx({"e": 0.5 * ONCE})


def test_only_the_nearest_speak():
    assert set(scores(fitted(BASKETS, neighbours=1), "u")) == {"a", "b", "c"}


def test_what_neighbours_took_lately_counts_more():
    data = shop([("u", "a", 99), ("v", "a", 99), ("v", "old", 86), ("v", "older", 72)])
    found = scores(fitted(data, own_weight=0.0, neighbour_half_life_days=14.0), "u")
    assert found["old"] == pytest.approx(np.log(1 + 0.5))
    assert found["older"] == pytest.approx(np.log(1 + 0.25))


def test_own_history_has_a_half_life_of_its_own():
    data = shop([("u", "a", 90), ("u", "b", 80)])
    found = scores(fitted(data, own_weight=1.0, half_life_days=10.0), "u")
    assert found == pytest.approx({"a": np.log(1.5), "b": np.log(1.25)})


def random_shop():
    generator = np.random.default_rng(3)
    users, items = np.nonzero(generator.random((30, 50)) < 0.2)
    days = generator.integers(0, 100, len(users))
    names = [(f"{u:02d}", f"{i:02d}", d) for u, i, d in zip(users, items, days, strict=True)]
    return shop(names)


def compared(model):
    """Users × users: their weights, each row's sum 1."""
    return model.neighbours.toarray()


def test_pearson_is_numpys_correlation_where_above_0():
    data = random_shop()
    found = fitted(data, similarity="pearson", own_weight=0.0, half_life_days=40.0)
    expected = np.corrcoef(data.matrix(40.0, log=True).toarray().astype(np.float64))
    np.fill_diagonal(expected, 0)
    # A correlation above 0 needs a shared item, as nothing is below 0.
    expected[expected < 0] = 0
    expected /= expected.sum(axis=1, keepdims=True)
    assert compared(found) == pytest.approx(expected, abs=1e-5)


def test_items_that_nobody_took_change_no_correlation():
    data = random_shop()
    wide = data.over(data.users, np.array(sorted([*data.items, "aa", "zz"]), dtype=object))
    narrow, wide = (fitted(d, similarity="pearson") for d in (data, wide))
    assert compared(wide).tolist() == compared(narrow).tolist()
    assert scores(wide, "07") == scores(narrow, "07")


def test_tfidf_equals_a_dense_computation():
    data = random_shop()
    found = fitted(data, weighting="tfidf", own_weight=0.0)
    dense = data.matrix(log=True).toarray().astype(np.float64)
    dense *= np.log(len(dense) / (1 + (dense > 0).sum(axis=0)))
    dense /= np.sqrt((dense**2).sum(axis=1, keepdims=True))
    expected = dense @ dense.T
    np.fill_diagonal(expected, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    assert compared(found) == pytest.approx(expected, abs=1e-5)


def test_who_takes_everything_alike_correlates_with_nobody():
    rows = [("all", item, 1) for item in "abc"] + [("u", "a", 1), ("v", "a", 1), ("v", "b", 1)]
    model = fitted(shop(rows), similarity="pearson")
    assert scores(model, "all") == pytest.approx(dict.fromkeys("abc", 0.5 * ONCE))
    assert compared(model)[0].tolist() == [0, 0, 0]


def test_what_too_many_take_makes_nobody_alike_but_is_offered():
    rows = [(user, "bread", 1) for user in "uvw"] + [("u", "a", 1), ("v", "a", 1), ("v", "b", 1)]
    model = fitted(shop(rows), max_users_per_item=2)
    assert scores(model, "w") == pytest.approx({"bread": 0.5 * ONCE})
    assert scores(model, "u") == pytest.approx({"a": ONCE, "bread": ONCE, "b": 0.5 * ONCE})


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_neighbours_of_all_are_sought_among_the_most_users(similarity):
    data = random_shop()
    some = teachers(data.users, data.matrix(), 12)
    whole = compared(fitted(data, similarity=similarity, own_weight=0.0))
    found = compared(fitted(data, similarity=similarity, own_weight=0.0, max_users=12))
    expected = np.zeros_like(whole)
    expected[:, some] = whole[:, some]
    assert found == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-6)


@pytest.mark.parametrize("rows", [[], [("u", "i", 17_000)]], ids=["empty", "one row"])
def test_pearson_in_a_tiny_shop_ends_well(rows):
    model = fitted(checkerboard.from_rows(rows), similarity="pearson")
    assert len(model.recommend(model.users, 3)) == len(rows)


def test_pearson_saved_and_loaded_is_the_same():
    model = fitted(random_shop(), similarity="pearson")
    again = MODELS["user_knn"].from_arrays(model.arrays(), model.params)
    assert fingerprint(again.arrays()) == fingerprint(model.arrays())
    assert scores(again, "07") == scores(model, "07")
