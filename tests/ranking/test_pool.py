import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.ranking.features import with_sources
from nightshelf.ranking.pool import Pool


def plain_best_rows(pool: Pool, scores: np.ndarray, k: int) -> list[int]:
    best = []
    for user in range(len(pool.users)):
        rows = np.flatnonzero(pool.user_codes == user).tolist()
        best += sorted(rows, key=lambda row: (-scores[row], pool.item_codes[row]))[:k]
    return best


@given(seed=st.integers(0, 10**6), n=st.integers(0, 80), k=st.integers(1, 9))
def test_the_best_rows_are_those_of_a_plain_sort_whatever_ties(seed, n, k):
    """In a pool of any order; some users have no row, and some scores rank nothing at all."""
    generator = np.random.default_rng(seed)
    keys = generator.permutation(8 * 30)[:n]
    users, items = (codes.astype(np.int32) for codes in np.divmod(keys, 30))
    scores = generator.choice([-np.inf, -1.0, 0.0, 0.5, 0.5 + 1e-12, 2.0], n)
    ids = [np.array([str(i) for i in range(m)], dtype=object) for m in (9, 30)]
    pool = Pool(*ids, users, items, {}, {})
    assert pool.best_rows(scores, k).tolist() == plain_best_rows(pool, scores, k)


def test_a_score_that_is_no_number_ranks_last():
    codes = np.arange(3, dtype=np.int32)
    pool = Pool(np.array(["u"]), np.array(["a", "b", "c"]), 0 * codes, codes, {}, {})
    for k in (1, 2, 3):
        assert pool.best_rows(np.array([np.nan, 1.0, np.nan]), k).tolist() == [1, 0, 2][:k]


@given(seed=st.integers(0, 10**6), n=st.integers(0, 80))
def test_what_a_source_says_is_in_units_of_its_greatest_for_the_user_and_of_its_place(seed, n):
    """By user, as a pool is; some users have no row, and of some a source says nothing."""
    generator = np.random.default_rng(seed)
    keys = np.sort(generator.permutation(8 * 30)[:n])
    users, items = (codes.astype(np.int32) for codes in np.divmod(keys, 30))
    scores = generator.choice([-3.0, 0.0, 0.0, 0.5, 2.0], n).astype(np.float32)
    ranks = generator.integers(0, 40, n).astype(np.int16)
    ids = [np.array([str(i) for i in range(m)], dtype=object) for m in (9, 30)]
    pool = Pool(*ids, users, items, {"s": scores}, {"s": ranks})
    tables = generator.random((n + 5, 2)).astype(np.float32)
    rows = np.sort(generator.permutation(n + 5)[:n])
    sizes = [max(abs(scores[users == user]), default=0) for user in users]
    said = scores / np.array([size or 1 for size in sizes], dtype=np.float32)
    near = np.array([1 / np.log2(1 + rank) if rank else 0 for rank in ranks.astype(np.float32)])
    found = with_sources(tables, pool, pool.best, rows)
    assert found[:, :2].tolist() == tables[rows].tolist()
    assert found[:, 2].tolist() == said.tolist()
    assert np.allclose(found[:, 3], near)
