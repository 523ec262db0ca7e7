import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from nightshelf.candidates.best import best_among, best_entries
from nightshelf.candidates.top_k import LEAST, NO

whole = st.integers(-3, 3).map(np.float32)
"""They tie often."""


@st.composite
def scored_columns(draw):
    """Scores of some of the items, exclusions that each hold the one before, k, floor."""
    n_rows, n_items = draw(st.integers(0, 5)), draw(st.integers(0, 12))
    columns = np.flatnonzero(draw(arrays(np.bool_, n_items, elements=st.booleans())))
    scores = draw(arrays(np.float32, (n_rows, len(columns)), elements=whole | st.just(NO)))
    some, more, most = (
        draw(arrays(np.bool_, (n_rows, n_items), elements=st.booleans())) for _ in range(3)
    )
    nested = [None, csr_matrix(some), csr_matrix(some | more), csr_matrix(some | more | most)]
    excludes = draw(st.sampled_from([nested, nested[1:], nested[:1], nested[::3]]))
    return columns, scores, excludes, draw(st.integers(0, 5)), draw(st.sampled_from([LEAST, 1.0]))


@pytest.mark.parametrize("of_entries", [False, True])
@given(question=scored_columns())
def test_the_best_under_nested_exclusions_are_those_that_sorting_each_puts_first(
    of_entries, question
):
    columns, scores, excludes, k, floor = question
    before, asked = scores.copy(), np.arange(len(scores)) * 10
    if of_entries:
        there = scores > NO
        owners, places = np.nonzero(there)
        entries = csr_matrix((scores[there], (owners, places)), scores.shape)
        answers = best_entries(columns, entries, excludes, k, asked, np.float32(floor))
    else:
        answers = best_among(columns, scores, excludes, k, asked, np.float32(floor))
    assert np.array_equal(scores, before)
    for exclude, found in zip(excludes, answers, strict=True):
        hidden = np.zeros(scores.shape, bool) if exclude is None else exclude.toarray()[:, columns]
        expected = [
            (10 * row, columns[place], scores[row, place], rank)
            for row in range(len(scores))
            for rank, place in enumerate(
                [
                    place
                    for place in np.lexsort((columns, -scores[row]))
                    if scores[row, place] >= floor and not hidden[row, place]
                ][:k],
                1,
            )
        ]
        table = zip(found.users, found.item_codes, found.scores, found.ranks, strict=True)
        assert list(table) == expected
