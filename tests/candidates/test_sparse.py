from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_matrix, issparse

from nightshelf.candidates import sparse
from nightshelf.candidates.sparse import (
    columns_of,
    dense_product,
    distinct,
    product,
    strongest,
    values_at,
)

few = st.integers(0, 3).map(np.float32)
"""Ties are many, and nothing is stored for 0."""


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=few),
    st.integers(1, 5),
)
def test_the_strongest_are_those_that_sorting_each_row_puts_first(table, n):
    expected = np.zeros_like(table)
    for row, values in enumerate(table):
        best = np.lexsort((np.arange(len(values)), -values))[:n]
        expected[row, best] = values[best]
    assert (strongest(csr_matrix(table), n).toarray() == expected).all()


@given(st.lists(st.integers(-9, 9)))
def test_distinct_is_numpy_s_unique(keys):
    keys = np.array(keys, dtype=np.int64)
    assert distinct(keys).tolist() == np.unique(keys).tolist()


@given(arrays(np.float32, (3, 6), elements=few), arrays(np.float32, (2, 6), elements=few))
def test_columns_are_those_that_hold_anything_in_either(one, other):
    found = columns_of(csr_matrix(one), csr_matrix(other))
    assert found.tolist() == np.flatnonzero(np.vstack([one, other]).any(axis=0)).tolist()


any_size = st.floats(-8, 8, width=32).filter(lambda x: x == 0 or abs(x) > 0.01)
"""Sums of these round by the order in which they are added."""


@st.composite
def factors_of_a_product(draw):
    n, middle, columns = (draw(st.integers(0, 6)) for _ in range(3))
    tables = (arrays(np.float32, s, elements=any_size) for s in ((n, middle), (middle, columns)))
    return tuple(csr_matrix(draw(table)) for table in tables)


@given(factors_of_a_product(), st.integers(1, 12))
def test_a_dense_product_is_the_sparse_one_to_the_bit(factors, terms_at_once):
    left, right = factors
    with patch.object(sparse, "TERMS_AT_ONCE", terms_at_once):
        found = dense_product(left, right)
    assert found.tobytes() == (left @ right).toarray().tobytes()


@given(factors_of_a_product())
def test_a_product_is_the_same_dense_or_of_entries(factors):
    left, right = factors
    with patch.object(sparse, "DENSE_SHARE", 0):
        entries = product(left, right)
    dense = dense_product(left, right)
    assert issparse(entries) == (dense.size > 0)
    assert np.array_equal(csr_matrix(entries).toarray(), dense)
    if issparse(entries):
        rows, columns = (at.ravel() for at in np.indices(dense.shape))
        assert np.array_equal(values_at(entries, rows, columns), dense.ravel())
