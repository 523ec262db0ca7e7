import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_matrix

from nightshelf.candidates.sparse import strongest

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
