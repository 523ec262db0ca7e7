"""What is scored of a few columns alone is what scoring all of them says, to the bit."""

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshelf.candidates import MODELS, markov, segment, sparse, usual_terms
from nightshelf.candidates.best import best_among
from nightshelf.candidates.reached import ReachingModel
from nightshelf.candidates.top_k import ABOVE_ZERO
from nightshelf.dataset import Interactions
from tests.support import checkerboard
from tests.support.furnished import furnished, typed

REACHING = [name for name, model in MODELS.items() if issubclass(model, ReachingModel)]
OTHERWISE = {
    "content": [{}, {"similarity": "jaccard"}],
    "popular_in_segment": [{}, {"segments": 3}],
}


@st.composite
def shops(draw):
    """Forty users or fewer, with and without a catalogue; a short history for most of them."""
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    n_rows, n_items = draw(st.integers(1, 150)), draw(st.integers(1, 60))
    users = [f"u{int(40 * u):02d}" for u in generator.random(n_rows) ** 2]
    items = [f"i{int(n_items * i):02d}" for i in generator.random(n_rows) ** 2]
    days = generator.integers(checkerboard.AS_OF - 40, checkerboard.AS_OF, n_rows)
    rows = Interactions.from_arrays(users, items, days, None, checkerboard.AS_OF)
    return furnished(typed(rows)) if draw(st.booleans()) else rows


@pytest.mark.parametrize("name", REACHING)
@given(data=st.data(), first=st.integers(0, 4), k=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_reached_is_as_good_as_whole(name, data, first, k):
    shop = data.draw(shops())
    model = MODELS[name](
        MODELS[name].Params(**data.draw(st.sampled_from(OTHERWISE.get(name, [{}]))))
    )
    everybody = np.arange(len(shop.users))
    with ExitStack() as stack:
        for module in (markov, segment):
            stack.enter_context(patch.object(module, "FIRST", first))
        stack.enter_context(patch.object(usual_terms, "FEW_SETS", 1.0))
        stack.enter_context(patch.object(sparse, "DENSE_SHARE", 0))
        reached = model.fit(shop)._scored(everybody)
        excludes = [None, shop.bought()]
        found = model._best(reached, excludes, k, everybody)
    columns, whole = model._columns(), reached.whole(everybody)
    expected = best_among(columns, whole.copy(), excludes, k, everybody, ABOVE_ZERO)
    for one, other in zip(found, expected, strict=True):
        for column in ("users", "item_codes", "scores", "ranks"):
            assert np.array_equal(getattr(one, column), getattr(other, column)), column
    at, places = (of.ravel() for of in np.indices(whole.shape))
    assert np.array_equal(reached.of(at, places), whole.ravel())


@pytest.mark.parametrize("name", REACHING)
def test_most_users_of_a_wide_shop_need_no_whole_row(name):
    generator = np.random.default_rng(1)
    n, wide = 4000, 3000
    users = [f"u{u:03d}" for u in generator.integers(0, 500, n)]
    items = [f"i{int(wide * i):04d}" for i in generator.random(n) ** 2]
    days = generator.integers(checkerboard.AS_OF - 40, checkerboard.AS_OF, n)
    shop = furnished(typed(Interactions.from_arrays(users, items, days, None, checkerboard.AS_OF)))
    model, asked = MODELS[name]().fit(shop), []
    scored = model._scored(np.arange(200))
    watched = type(scored)(*(getattr(scored, f) for f in ("columns", "scores", "rest", "of")),
                           lambda at: asked.extend(at) or scored.whole(at))  # fmt: skip
    model._best(watched, [None, shop.bought()[:200]], 10, np.arange(200))
    assert len(asked) < 40
