import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_matrix

from nightshelf.candidates.sparse import columns_of, distinct, strongest

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
