import numpy as np
import pytest

from nightshelf.candidates import (
    ItemKnn,
    ItemKnnParams,
    OwnHistory,
    OwnHistoryParams,
    Popularity,
    PopularityParams,
    Svd,
    SvdParams,
)
from nightshelf.dataset import Interactions
from tests.support import checkerboard


def shop(rows, as_of=100):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def offered(model, user, k=10):
    found = model.recommend([user], k)
    return model.items[found.item_codes].tolist()


def test_own_history_puts_the_often_and_recent_first():
    model = OwnHistory().fit(shop([("u", "a", 10), ("u", "b", 99), ("u", "c", 99), ("u", "c", 98)]))
    assert offered(model, "u") == ["c", "b", "a"]


def test_own_history_breaks_a_tie_by_the_last_day():
    # Two events at age 61 weigh as much as one at age 1, with a half-life of 60 days.
    users, items, days = ["u"] * 2, ["a", "b"], [39, 99]
    model = OwnHistory(OwnHistoryParams(half_life_days=60.0, strength=0.0))
    model.fit(Interactions.from_arrays(users, items, days, [2, 1], 100))
    found = model.recommend(["u"], 2)
    assert found.scores[0] == found.scores[1]
    assert model.items[found.item_codes].tolist() == ["b", "a"]


def test_popularity_counts_people_not_purchases():
    rows = [("u", "a", day) for day in range(90, 99)] + [("v", "b", 95), ("w", "b", 95)]
    assert offered(Popularity().fit(shop(rows)), "anybody") == ["b", "a"]


def test_popularity_sees_its_window_only():
    old = [(user, "old", 71) for user in "uvw"]
    edge = [("u", "edge", 72)]
    assert offered(Popularity(PopularityParams(28)).fit(shop(old + edge)), "x") == ["edge"]


def test_popularity_falls_back_on_all_history():
    rows = [("u", "a", 1), ("v", "b", 1), ("w", "b", 1)]
    assert offered(Popularity(PopularityParams(28)).fit(shop(rows)), "x") == ["b", "a"]


def test_cosine_of_a_known_pair():
    # a: u v w, b: u v, c: w. cos(a, b) = 2 / sqrt(6), cos(a, c) = 1 / sqrt(3).
    rows = [
        ("u", "a", 1),
        ("v", "a", 1),
        ("w", "a", 1),
        ("u", "b", 1),
        ("v", "b", 1),
        ("w", "c", 1),
    ]
    params = ItemKnnParams(weighting="none", shrinkage=0.0, min_buyers=1)
    found = ItemKnn(params).fit(shop(rows)).similar_items(2)
    assert found.users.tolist() == [0, 0, 1, 2]
    assert found.item_codes.tolist() == [1, 2, 0, 0]
    assert found.ranks.tolist() == [1, 2, 1, 1]
    assert found.scores == pytest.approx([2 / 6**0.5, 1 / 3**0.5, 2 / 6**0.5, 1 / 3**0.5])


def test_neighbours_equal_a_dense_computation():
    generator = np.random.default_rng(0)
    users, items = np.nonzero(generator.random((40, 60)) < 0.2)
    params = ItemKnnParams(neighbours=59, shrinkage=3.0, min_buyers=1)
    data = shop([(f"{u:02d}", f"{i:02d}", 1) for u, i in zip(users, items, strict=True)])
    found = ItemKnn(params).fit(data).similarity.toarray()
    dense = data.bought().toarray().astype(float)
    weighted = dense * np.log(dense.shape[1] / (1 + dense.sum(axis=1)))[:, None]
    lengths = np.sqrt((weighted**2).sum(axis=0) + 3.0)
    expected = weighted.T @ weighted / np.outer(lengths, lengths)
    np.fill_diagonal(expected, 0)
    assert found == pytest.approx(expected, abs=1e-6)


def test_shrinkage_lowers_the_similarity_of_rare_items():
    rows = [("u", "a", 1), ("u", "b", 1)]
    scores = [
        ItemKnn(ItemKnnParams(weighting="none", shrinkage=s, min_buyers=1))
        .fit(shop(rows))
        .similar_items(1)
        .scores[0]
        for s in (0.0, 1.0)
    ]
    assert scores == pytest.approx([1.0, 0.5])


def test_an_item_with_too_few_buyers_is_nobodys_neighbour():
    # Below 200 users the setting yields: one buyer is enough.
    users = [f"u{n}" for n in range(200)]
    rows = [(user, item, 1) for user in users for item in ("a", "b")] + [("u0", "c", 1)]
    model = ItemKnn(ItemKnnParams(min_buyers=2, weighting="none")).fit(shop(rows))
    assert set(model.items[model.similar_items(5).item_codes]) == {"a", "b"}


def test_who_takes_everything_links_nothing():
    rows = [("robot", f"i{n}", 1) for n in range(9)] + [("u", "i1", 1), ("u", "i2", 1)]
    params = ItemKnnParams(min_buyers=1, weighting="none", max_items_per_user=5)
    found = ItemKnn(params).fit(shop(rows)).similar_items(9)
    assert sorted(found.users.tolist()) == [1, 2]


def test_similarity_sees_its_days_only():
    rows = [("u", "a", 1), ("u", "b", 1), ("v", "b", 99), ("v", "c", 99)]
    params = ItemKnnParams(min_buyers=1, weighting="none", similarity_days=10)
    model = ItemKnn(params).fit(shop(rows))
    assert model.items[model.similar_items(9).users].tolist() == ["b", "c"]


def test_svd_of_full_width_rebuilds_the_matrix():
    data = checkerboard.interactions()
    model = Svd(SvdParams(factors=24, min_buyers=1, half_life_days=0.0)).fit(data)
    rebuilt = model.user_factors @ model.item_factors.T
    assert rebuilt == pytest.approx(data.matrix(log=True).toarray(), abs=1e-5)


def test_svd_vectors_have_a_fixed_sign():
    model = Svd(SvdParams(factors=3, min_buyers=1)).fit(checkerboard.interactions())
    largest = np.abs(model.item_factors).argmax(axis=0)
    assert (model.item_factors[largest, range(model.item_factors.shape[1])] > 0).all()
