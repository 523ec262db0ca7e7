"""A shop, every source fitted on it, and who is asked about."""

import numpy as np
import pytest

from nightshelf.candidates import MODELS
from tests.candidates.test_laws import make, random_shop
from tests.support.furnished import furnished, typed

STRANGERS = ["nobody knows me"]


@pytest.fixture(scope="package")
def shop():
    return furnished(typed(random_shop(n_users=150, n_items=400, n_rows=3000)))


@pytest.fixture(scope="package")
def models(shop):
    return {name: make(name).fit(shop) for name in MODELS}


@pytest.fixture(scope="package")
def asked(shop):
    """Users in an order of their own, one unknown among them, and what they bought."""
    order = np.random.default_rng(2).permutation(len(shop.users))
    bought = shop.bought()[order]
    bought.resize(len(order) + 1, bought.shape[1])
    return [*shop.users[order], *STRANGERS], bought
