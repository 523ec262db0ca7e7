import numpy as np
import pytest

from nightshelf.candidates import Ease, EaseParams, ease
from nightshelf.dataset import Interactions
from nightshelf.errors import ModelError

PLAIN = {"half_life_days": 0.0, "min_buyers": 1}
ONCE = np.log(2)


def shop(rows, as_of=100):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def fitted(data, **changes):
    return Ease(EaseParams(**{**PLAIN, **changes})).fit(data)


PAIR = shop([("u", "a", 1), ("u", "b", 1), ("v", "a", 1)])


def test_weights_by_hand():
    # In units of ONCE²: [[2, 1], [1, 1]] + I, whose inverse is [[2, -1], [-1, 3]] / 5.
    model = fitted(PAIR, regularization=ONCE**2)
    assert model.weights == pytest.approx(np.array([[0, 1 / 3], [1 / 2, 0]]), abs=1e-6)
    found = model.recommend(["v"], 5)
    assert model.items[found.item_codes].tolist() == ["b"]
    assert found.scores == pytest.approx([ONCE / 3])


def random_shop(n_users=60, n_items=40):
    generator = np.random.default_rng(5)
    users, items = np.nonzero(generator.random((n_users, n_items)) < 0.25)
    days = generator.integers(0, 100, len(users))
    names = [(f"{u:02d}", f"{i:02d}", d) for u, i, d in zip(users, items, days, strict=True)]
    return shop(names)


@pytest.mark.parametrize("tile", [1024, 16, 7])
def test_each_item_is_regressed_on_the_others(tile, monkeypatch):
    monkeypatch.setattr(ease, "TILE", tile)
    data = random_shop()
    model = fitted(data, regularization=3.0, half_life_days=50.0)
    values = data.matrix(50.0, log=True).toarray().astype(np.float64)
    for item in range(values.shape[1]):
        others = np.delete(values, item, axis=1)
        ridge = others.T @ others + 3.0 * np.eye(others.shape[1])
        expected = np.linalg.solve(ridge, others.T @ values[:, item])
        assert np.delete(model.weights[:, item], item) == pytest.approx(expected, abs=1e-5)
        assert model.weights[item, item] == 0


def test_scores_are_the_users_row_times_the_weights():
    data = random_shop()
    model = fitted(data, regularization=3.0)
    found = model.recommend(data.users, 99)
    expected = data.matrix(log=True).toarray() @ model.weights
    assert found.scores == pytest.approx(expected[found.users, found.item_codes], abs=1e-5)
    assert len(found) == (expected > 0).sum()


def test_only_what_is_bought_most_takes_part():
    rows = [
        (f"u{n}", item, 1)
        for item, buyers in {"a": 3, "b": 1, "c": 2, "d": 2}.items()
        for n in range(buyers)
    ]
    model = fitted(shop(rows), max_items=2)
    # c and d are bought alike: the first by code is in.
    assert model.items[model.active].tolist() == ["a", "c"]


def test_what_is_bought_lately_counts_as_more():
    rows = [(user, "old", 1) for user in "uvw"] + [(user, "new", 99) for user in "uv"]
    assert fitted(shop(rows), max_items=1, half_life_days=30.0).active.tolist() == [0]
    assert fitted(shop(rows), max_items=1).active.tolist() == [1]


def test_who_took_none_of_its_items_gets_nothing():
    rows = [(f"u{n}", item, 1) for n in range(3) for item in "ab"] + [("x", "c", 1)]
    assert len(fitted(shop(rows), max_items=2).recommend(["x"], 5)) == 0


def test_a_matrix_without_an_inverse_names_the_setting():
    rows = [(f"u{n:03d}", item, 1) for n in range(200) for item in "abc"]
    with pytest.raises(ModelError, match=r"3 × 3 matrix(.|\n)*raise regularization in \[ease\]"):
        fitted(shop(rows), regularization=1e-30)


def test_weights_whose_products_no_float_holds_say_nothing_and_break_nothing():
    """sparse_dot_topn ends the process over a product that is 0."""
    rng = np.random.default_rng(0)
    there = rng.random((40, 39)) < 0.4
    weights = np.where(rng.random(39) < 0.5, 1e-25, 1.0)
    users, items = np.nonzero(there)
    found = Interactions.from_arrays(
        [f"u{u}" for u in users], [f"i{i:02d}" for i in items],
        np.where(weights[items] < 1, 16_000, 17_499), None, 17_500,
    )  # fmt: skip
    model = Ease(EaseParams(half_life_days=0.5, min_buyers=1)).fit(found)
    assert set(model.items[model.active]) == {f"i{i:02d}" for i in np.flatnonzero(weights == 1)}
