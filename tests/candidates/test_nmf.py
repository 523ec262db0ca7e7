import numpy as np
import pytest

from nightshelf.candidates import Nmf, NmfParams
from nightshelf.dataset import Interactions
from tests.support import checkerboard


def test_a_shop_of_two_parts_is_rebuilt():
    # Even and odd users, each with all items of their colour: two parts, nothing else.
    rows = [(f"u{u}", f"i{i}", 99) for u in range(8) for i in range(6) if u % 2 == i % 2]
    shop = Interactions.from_arrays(*zip(*rows, strict=True), None, 100)
    model = Nmf(NmfParams(factors=2, min_buyers=1, half_life_days=0.0)).fit(shop)
    rebuilt = model.user_factors @ model.item_factors.T
    assert rebuilt == pytest.approx(shop.matrix(log=True).toarray(), abs=1e-3)
    found = model.recommend(["u0"], 6)
    assert model.items[found.item_codes].tolist() == ["i0", "i2", "i4"]


def test_no_factor_is_negative():
    model = Nmf(NmfParams(factors=5, min_buyers=1)).fit(checkerboard.interactions())
    assert min(model.user_factors.min(), model.item_factors.min()) == 0
    assert np.isfinite(model.user_factors).all()


def test_users_beyond_the_most_are_found_beside_the_items_of_the_others():
    # All users of one colour have one row, so that those who did not teach have what those who did have.
    rows = [(f"u{u:02}", f"i{i}", 99) for u in range(12) for i in range(6) if u % 2 == i % 2]
    shop = Interactions.from_arrays(*zip(*rows, strict=True), None, 100)
    params = NmfParams(factors=2, min_buyers=1, half_life_days=0.0, max_users=5)
    model = Nmf(params).fit(shop)
    assert model.user_factors @ model.item_factors.T == pytest.approx(
        shop.matrix(log=True).toarray(), abs=1e-3
    )
    asked = Nmf(params).fit(shop, ["u03"])
    assert np.flatnonzero(asked.user_factors.any(axis=1)).tolist() == [3]
    assert asked.user_factors[3] == pytest.approx(model.user_factors[3], abs=1e-6)


def test_fewer_teachers_than_factors_and_nobody_asked_end_well():
    shop = checkerboard.interactions()
    params = NmfParams(factors=5, min_buyers=1, max_users=2)
    model = Nmf(params).fit(shop)
    assert model.user_factors.shape[1] == 2
    assert len(model.recommend(model.users, 3))
    nobody = Nmf(params).fit(shop, ["stranger"])
    assert not nobody.user_factors.any()
    assert not len(nobody.recommend(["stranger"], 3))
