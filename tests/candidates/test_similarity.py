"""The nearest, beside a dense computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nightshelf.candidates import similarity
from nightshelf.candidates.similarity import each_column_cut, nearest, spread
from nightshelf.candidates.weighting import rarity, saturated, unit_columns, unit_rows


def vectors(seed, n=40, m=25, density=0.3):
    """Values that do not tie."""
    generator = np.random.default_rng(seed)
    dense = generator.random((n, m)) * (generator.random((n, m)) < density)
    return csr_matrix(dense.astype(np.float32))


def halved(rows, columns, products):
    """A rescoring that needs the right row and column numbers."""
    return (products / (1 + (rows > columns))).astype(np.float32)


def by_sorting(left, k, rescored, itself):
    """Dense scores, with 0 where the nearest leave off."""
    scores = (left @ left.T).toarray()
    if rescored:
        rows, columns = np.indices(scores.shape)
        scores = halved(rows, columns, scores)
    if not itself:
        np.fill_diagonal(scores, 0)
    for row in scores:
        row[np.argsort(-row, kind="stable")[k:]] = 0
    return scores


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), k=st.integers(1, 45), rescored=st.booleans(), itself=st.booleans())
def test_the_nearest_equal_a_dense_computation(seed, k, rescored, itself):
    left = vectors(seed)
    found = nearest(left, left.T.tocsr(), k, halved if rescored else None, itself)
    assert found.toarray() == pytest.approx(by_sorting(left, k, rescored, itself), abs=1e-6)
    for start, end in zip(found.indptr[:-1], found.indptr[1:], strict=True):
        assert (np.diff(found.data[start:end]) <= 0).all()


@pytest.mark.parametrize("rescore", [None, halved])
def test_blocks_and_cores_change_nothing(rescore, monkeypatch):
    left = vectors(1)
    whole = nearest(left, left.T.tocsr(), 7, rescore)
    monkeypatch.setattr(similarity, "PRODUCTS_AT_ONCE", 90)
    monkeypatch.setattr(similarity, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(similarity, "cores", lambda: 1)
    assert len(list(similarity._blocks(left, left.T.tocsr(), whole=rescore is not None))) > 9
    parts = nearest(left, left.T.tocsr(), 7, rescore)
    for part in ("indptr", "indices", "data"):
        assert getattr(whole, part).tobytes() == getattr(parts, part).tobytes()


@pytest.mark.parametrize("rescore", [None, halved])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 3)])
def test_of_nothing_nothing_is_near(shape, rescore):
    empty = csr_matrix(shape, dtype=np.float32)
    assert nearest(empty, empty.T.tocsr(), 5, rescore).nnz == 0


def test_each_column_keeps_its_largest():
    square = csr_matrix(np.array([[1, 5, 0], [2, 4, 0], [3, 6, 9]], dtype=np.float32))
    assert each_column_cut(square, 2).toarray().tolist() == [[0, 5, 0], [2, 0, 0], [3, 6, 9]]


def test_spread_puts_a_square_where_its_codes_are():
    square = csr_matrix(np.array([[0, 7], [8, 0]], dtype=np.float32))
    found = spread(square, np.array([1, 3]), 4).toarray()
    assert found[1, 3] == 7 and found[3, 1] == 8 and found.sum() == 15


def test_what_everybody_takes_still_counts_a_little():
    assert rarity(np.array([0, 3, 9, 10]), of=10) == pytest.approx(
        [np.log(10), np.log(2.5), 1e-3, 1e-3]
    )


def test_saturation_by_hand():
    # Lengths 3 and 2, mean 2.5; with b = 1 the norms are 1.2 and 0.8, with b = 0 both are 1.
    counts = csr_matrix(np.array([[2.0, 1.0], [1.0, 1.0]]))
    assert saturated(counts, k1=1.0, b=0.0).toarray() == pytest.approx(
        np.array([[4 / 3, 1], [1, 1]])
    )
    assert saturated(counts, k1=1.0, b=1.0).toarray() == pytest.approx(
        np.array([[4 / 3.2, 2 / 1.8], [2 / 2.2, 2 / 1.8]])
    )
    assert saturated(counts, k1=0.0, b=1.0).toarray() == pytest.approx(np.ones((2, 2)))


def test_units_have_length_one_and_less_when_shrunk():
    values = csr_matrix(np.array([[3.0, 0, 0], [4.0, 2.0, 0]]))
    columns = unit_columns(values).toarray()
    assert columns == pytest.approx(np.array([[0.6, 0, 0], [0.8, 1, 0]]))
    assert unit_columns(values, 11.0).toarray()[:, 0] == pytest.approx([0.5, 4 / 6])
    assert unit_rows(values).toarray() == pytest.approx(
        np.array([[1, 0, 0], [0.894427, 0.447214, 0]])
    )
