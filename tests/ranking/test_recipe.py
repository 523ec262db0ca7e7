"""A shelf's rows say which source put them where they stand."""

import numpy as np

from nightshelf.ranking.pool import Pool
from nightshelf.ranking.recipe import RANKER, Recipe

RANKS = {
    "own_history": np.array([1, 2, 0], dtype=np.int16),
    "popularity": np.array([2, 1, 3], dtype=np.int16),
    "svd": np.array([0, 0, 1], dtype=np.int16),
}


def pool() -> Pool:
    ids = (np.array(["u"], dtype=object), np.array(["a", "b", "c"], dtype=object))
    codes = (np.zeros(3, dtype=np.int32), np.arange(3, dtype=np.int32))
    return Pool(*ids, *codes, {n: r.astype(np.float32) for n, r in RANKS.items()}, RANKS)


def test_one_source_s_list_is_its_own_and_goes_on_with_the_popular():
    assert list(Recipe("all", "own_history").sources(pool())) == [
        "own_history",
        "own_history",
        "popularity",
    ]


def test_popular_items_say_so_even_where_another_source_ranks_them_higher():
    assert set(Recipe("all", "popularity").sources(pool())) == {"popularity"}


def test_the_ranker_s_rows_name_the_source_that_ranked_them_highest():
    assert list(Recipe("all", RANKER).sources(pool())) == ["own_history", "popularity", "svd"]
