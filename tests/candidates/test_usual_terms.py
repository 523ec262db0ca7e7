"""Products with usual terms: the same to the bit, however they are worked out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nightshelf.candidates.usual_terms import UsualTerms

WEIGHTS = np.array([0, 0, 0.1, 0.3, 0.7], dtype=np.float32)


@st.composite
def shops(draw) -> tuple[csr_matrix, csr_matrix]:
    """Items × terms, of which many have the same, and profiles."""
    n_kinds, n_terms = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = generator.choice(WEIGHTS, (n_kinds, n_terms))
    items = kinds[generator.integers(0, n_kinds, draw(st.integers(1, 30)))]
    profiles = generator.random((3, n_terms), dtype=np.float32)
    return csr_matrix(items), csr_matrix(profiles)


@given(shops())
def test_what_a_profile_shares_with_items_is_added_up_term_by_term(shop):
    items, profiles = shop
    usual = UsualTerms.of(items)
    asked = usual.asked(profiles)
    expected = np.zeros((3, items.shape[0]), dtype=np.float32)
    for term in np.flatnonzero(usual.codes):
        own = profiles.toarray()[:, [term]]
        expected += own * items.toarray()[:, term]
    assert usual.shared(asked).tobytes() == expected.tobytes()
    at, places = np.divmod(np.arange(expected.size), items.shape[0])
    assert usual.shared_at(asked, at, places).tobytes() == expected.tobytes()


@given(shops())
def test_items_of_a_set_have_the_same_terms_and_items_of_a_kind_the_same_weights(shop):
    items, _ = shop
    usual = UsualTerms.of(items)
    usually = items.toarray()[:, usual.codes]
    for group, rows in ((usual.set_of, usually > 0), (usual.kind_of, usually)):
        same = (rows[:, None] == rows[None]).all(axis=2)
        assert ((group[:, None] == group[None]) == same).all()
    assert usual.kind_of[usual.first_of].tolist() == list(range(len(usual.first_of)))


def test_the_items_of_a_shop_with_few_different_ones_are_of_few_kinds():
    items = csr_matrix(np.repeat(np.float32([[0.5, 0.2], [0.5, 0.3]]), 50, axis=0))
    usual = UsualTerms.of(items)
    assert (usual.n_sets, len(usual.first_of)) == (1, 2)
