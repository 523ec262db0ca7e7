import numpy as np
import pytest

from nightshelf.candidates import Rp3beta, Rp3betaParams
from nightshelf.dataset import Interactions

PLAIN = {
    "beta": 0.0,
    "backers": 0,
    "normalise": False,
    "half_life_days": 0.0,
    "min_buyers": 1,
}
"""Bare P3: the walk as it is."""


def shop(rows, as_of=100):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def fitted(data, **changes):
    return Rp3beta(Rp3betaParams(**{**PLAIN, **changes})).fit(data)


def walks(model):
    return model.walks.toarray()


def scores(model, user):
    found = model.recommend([user], 99)
    items = model.items[found.item_codes].tolist()
    return dict(zip(items, found.scores.tolist(), strict=True))


CHAIN = shop([("u", "a", 1), ("u", "b", 1), ("v", "b", 1), ("v", "c", 1)])
"""Two users with b between them; b has two buyers, a and c one each."""


def test_walks_by_hand():
    expected = np.array([[0.5, 0.5, 0], [0.25, 0.5, 0.25], [0, 0.5, 0.5]])
    assert walks(fitted(CHAIN)) == pytest.approx(expected)


def test_a_users_scores_are_probabilities():
    found = scores(fitted(CHAIN), "u")
    assert found == pytest.approx({"b": 0.5, "a": 0.375, "c": 0.125})


def test_alpha_is_a_power_of_each_step():
    # Steps from users are 1/4 each; back from b they are 1/4, from a and c 1.
    expected = np.array([[1 / 4, 1 / 4, 0], [1 / 16, 1 / 8, 1 / 16], [0, 1 / 4, 1 / 4]])
    assert walks(fitted(CHAIN, alpha=2.0)) == pytest.approx(expected)
    assert scores(fitted(CHAIN, alpha=2.0), "u")["c"] == pytest.approx(1 / 4 * 1 / 16)


def test_beta_divides_by_buyers():
    expected = np.array([[0.5, 0.25, 0], [0.25, 0.25, 0.25], [0, 0.25, 0.5]])
    assert walks(fitted(CHAIN, beta=1.0)) == pytest.approx(expected)


def test_without_returns_no_walk_ends_where_it_began():
    expected = np.array([[0, 0.5, 0], [0.25, 0, 0.25], [0, 0.5, 0]])
    assert walks(fitted(CHAIN, returns=False)) == pytest.approx(expected)


def test_normalised_walks_from_an_item_sum_to_one():
    found = walks(fitted(CHAIN, returns=False, normalise=True))
    assert found == pytest.approx(np.array([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]]))


def test_an_item_keeps_its_likeliest_ends():
    found = walks(fitted(CHAIN, neighbours=1))
    assert np.count_nonzero(found, axis=1).tolist() == [1, 1, 1]
    assert found[1, 1] == pytest.approx(0.5)


def test_a_candidate_keeps_its_likeliest_beginnings_of_the_normalised():
    data = shop([("u", "a", 1), ("u", "b", 1), ("v", "b", 1), ("v", "c", 1), ("v", "d", 1)])
    whole = walks(fitted(data, returns=False, normalise=True))
    found = walks(fitted(data, returns=False, normalise=True, backers=1))
    assert np.count_nonzero(found, axis=0).max() == 1
    assert found.max(axis=0) == pytest.approx(whole.max(axis=0))


def test_fresh_edges_are_likelier():
    data = shop([("u", "a", 99), ("v", "a", 90), ("u", "new", 99), ("v", "old", 99)])
    even, fresh = (walks(fitted(data, half_life_days=h))[0] for h in (0.0, 3.0))
    assert even[1] == pytest.approx(even[2])
    # From a, back to u or v by log(1 + 2^(-age / 3)), and on from each by the same.
    one, ten = np.log1p(2 ** (-1 / 3)), np.log1p(2 ** (-10 / 3))
    assert fresh[1] == pytest.approx(one / (one + ten) * 0.5)
    assert fresh[2] == pytest.approx(ten / (one + ten) * one / (one + ten))


def test_an_item_with_too_few_buyers_is_not_on_the_way():
    users = [f"u{n}" for n in range(300)]
    rows = [(user, item, 1) for user in users for item in ("a", "b")] + [("u0", "c", 1)]
    model = fitted(shop(rows), min_buyers=2)
    assert scores(model, "u0") == pytest.approx({"a": 0.5, "b": 0.5})


def test_where_no_walk_leads_is_not_offered():
    data = shop([("u", "a", 1), ("v", "b", 1)])
    assert scores(fitted(data), "u") == pytest.approx({"a": 1.0})


def test_edges_that_decayed_to_nothing_lead_nowhere():
    data = Interactions.from_arrays(["u", "u"], ["a", "b"], [0, 0], None, 100_000)
    assert len(fitted(data, half_life_days=1.0).recommend(["u"], 5)) == 0
