from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from nightshelf.candidates import inner_products
from nightshelf.candidates import top_k as top_k_module
from nightshelf.candidates.inner_products import Items, best_products, products_at
from nightshelf.candidates.top_k import (
    LEAST,
    NO,
    NOTHING,
    best_keys,
    gathered,
    packed,
    reaching,
    scores_in,
    top_k,
)


@pytest.mark.parametrize("n_columns", [3, 1500, 5000])
@pytest.mark.parametrize("levels", [2, 50, 10**6])
def test_top_k_equals_sorting_everything(n_columns, levels):
    generator = np.random.default_rng(n_columns + levels)
    scores = generator.integers(-levels, levels, (20, n_columns)).astype(np.float32)
    scores[generator.random(scores.shape) < 0.6] = NO
    scores[0] = NO
    rows, columns, values, ranks = top_k(scores, 100)
    for row in range(20):
        order = [c for c in np.lexsort((np.arange(n_columns), -scores[row])) if scores[row, c] > NO]
        assert columns[rows == row].tolist() == order[:100]
        assert values[rows == row].tolist() == scores[row, order[:100]].tolist()
        assert ranks[rows == row].tolist() == list(range(1, len(order[:100]) + 1))


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(floats, st.integers(0, 2**32 - 1)), max_size=30))
def test_keys_sort_by_falling_score_and_then_by_column(pairs):
    scores = np.array([score for score, _ in pairs], dtype=np.float32)
    columns = np.array([column for _, column in pairs], dtype=np.int64)
    keys = packed(scores, columns)
    assert np.array_equal(scores_in(keys), scores)
    by_key = np.argsort(keys, kind="stable")
    by_hand = sorted(range(len(pairs)), key=lambda n: (-scores[n], columns[n]))
    assert by_key.tolist() == by_hand
    assert (keys < NOTHING).all()


def test_minus_zero_ties_with_zero():
    found = top_k(np.array([[-0.0, 0.0, -0.0]], dtype=np.float32), 3)
    assert found[1].tolist() == [0, 1, 2]


def test_a_row_of_ties_is_cut_to_the_lowest_columns():
    scores = np.zeros((2, 4000), dtype=np.float32)
    scores[1, 7] = 1
    rows, columns, _, _ = top_k(scores, 3)
    assert rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert columns.tolist() == [0, 1, 2, 7, 0, 1]


def test_a_long_row_does_not_widen_the_others():
    keys = np.arange(1000, dtype=np.uint64)[::-1].copy()
    rows = np.repeat([0, 1], [998, 2])
    found = best_keys(rows, keys, 100, 2)
    assert found[:3].tolist() == [[2, 3], [0, 1], [NOTHING, NOTHING]]
    assert (found[2:] == NOTHING).all()


@given(
    st.lists(st.lists(st.integers(-3, 3), max_size=40), min_size=1, max_size=6), st.integers(1, 5)
)
def test_the_best_of_entries_are_among_those_that_may_be(lists, k):
    counts = np.array([len(own) for own in lists])
    rows, scores = (
        np.repeat(np.arange(len(lists)), counts),
        np.float32([s for own in lists for s in own]),
    )
    keys = packed(scores, np.arange(len(scores)))
    with patch.object(top_k_module, "NARROW", 0):
        at = reaching(rows, scores, counts, k)
    assert np.array_equal(
        best_keys(rows[at], keys[at], len(lists), k)[:, :k], best_keys(rows, keys, len(lists), k)
    )


whole = st.integers(-3, 3).map(np.float32)
"""Sums of products of these are exact in float32, and tie often."""


@st.composite
def questions(draw):
    """Users, items, codes of more items than have factors, nested exclusions, k, floor."""
    n_users, n_items = draw(st.integers(0, 9)), draw(st.integers(0, 30))
    width = draw(st.integers(1, 3))
    users, items = (
        draw(arrays(np.float32, (n, width), elements=whole)) for n in (n_users, n_items)
    )
    n_codes = n_items + draw(st.integers(0, 3))
    codes = np.sort(draw(st.permutations(range(n_codes)))[:n_items]).astype(np.int32)
    some = draw(arrays(np.bool_, (n_users, n_codes), elements=st.booleans()))
    more = some | draw(arrays(np.bool_, (n_users, n_codes), elements=st.booleans()))
    floor = draw(st.sampled_from([LEAST, np.float32(1)]))
    return users, items, codes, some, more, draw(st.integers(0, 40)), floor


@given(questions())
def test_blocked_products_equal_sorting_everything(question):
    users, items, codes, some, more, k, floor = question
    with patch.multiple(inner_products, TILE=4, BLOCK=8):
        found = best_products(
            users, Items(items, codes), [None, csr_matrix(some), csr_matrix(more)], k, floor
        )
    for cut_out, (rows, columns, scores, ranks) in zip(
        (np.zeros_like(some), some, more), found, strict=True
    ):
        table = np.where(cut_out[:, codes], NO, users @ items.T)
        table[table < floor] = NO
        expected = top_k(table, k)
        assert rows.tolist() == expected[0].tolist()
        assert columns.tolist() == codes[expected[1]].tolist()
        assert scores.tolist() == expected[2].tolist()
        assert ranks.tolist() == expected[3].tolist()


class OtherBlas:
    """numpy, whose matrix products are rounded another way: each by as much as theory lets it be."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def __getattr__(self, name):
        return getattr(np, name)

    def matmul(self, users, block, out):
        lengths = np.linalg.norm(users, axis=1)[:, None] * np.linalg.norm(block, axis=0)
        most = users.shape[1] * 2.0**-24 * lengths
        out[:] = users @ block + most * self.generator.choice([-1, 1], out.shape)


@pytest.mark.parametrize("blas", [np, OtherBlas(1), OtherBlas(2)])
def test_the_best_products_are_those_of_pairs_however_a_matrix_product_rounds(blas):
    generator = np.random.default_rng(8)
    users, items = (generator.standard_normal((n, 48)).astype(np.float32) for n in (300, 2500))
    items *= generator.lognormal(size=(2500, 1)).astype(np.float32)
    items[::3] = items[0] * np.float32(1.0000001)  # ties, and what one rounding more makes of them
    codes = np.arange(2500, dtype=np.int32)
    exclude = csr_matrix(generator.random((300, 2500)) < 0.1)
    ordered = Items(items, codes)
    with patch.object(inner_products, "np", blas):
        rows, columns, scores, _ = best_products(users, ordered, [exclude], 70, LEAST)[0]
    assert scores.tobytes() == products_at(users, ordered, rows, columns).tobytes()
    at, places = (grid.ravel() for grid in np.mgrid[:300, :2500])
    table = products_at(users, ordered, at, places).reshape(300, 2500)
    assert table == pytest.approx(users @ items.T, abs=1e-3)
    table[exclude.toarray()] = NO
    expected = top_k(table, 70)
    assert (rows.tolist(), columns.tolist()) == (expected[0].tolist(), expected[1].tolist())


@pytest.mark.parametrize("width", [1, 7, 33, 64])
def test_a_product_is_the_same_wherever_its_pair_stands(width):
    generator = np.random.default_rng(3)
    users, factors = (generator.standard_normal((n, width)).astype(np.float32) for n in (40, 90))
    items = Items(factors, np.arange(90, dtype=np.int32))
    at, places = generator.integers(0, 40, 500), generator.integers(0, 90, 500)
    together = products_at(users, items, at, places)
    alone = [products_at(users, items, at[i : i + 1], places[i : i + 1])[0] for i in range(500)]
    assert together.tolist() == [float(one) for one in alone]


def test_items_too_short_to_be_among_the_best_are_not_multiplied():
    factors = np.ones((100, 2), dtype=np.float32)
    factors[10:] = 0.01
    with patch.object(inner_products, "BLOCK", 10):
        items = Items(factors, np.arange(100))
        for block in items.blocks[1:]:
            block[:] = 1000  # would come first, had it been looked at
        found = best_products(np.ones((3, 2), np.float32), items, [None], 5, LEAST)[0]
    assert found[1].tolist() == [0, 1, 2, 3, 4] * 3


def test_what_is_gathered_row_by_row_is_what_indexing_gives():
    generator = np.random.default_rng(3)
    table = generator.random((5, 40), dtype=np.float32)
    places = generator.integers(0, 40, 300)
    assert gathered(table, places).tobytes() == table[:, places].tobytes()
    assert gathered(table[:0], places).shape == (0, 300)
