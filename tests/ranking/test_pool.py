"""The pool is what asking each source by itself, and laying the answers over each other, would give."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.candidates import MODELS
from nightshelf.ranking.pool import VIEWS, Pool, PoolWriter, propose, propose_parts
from tests.candidates.test_laws import make, random_shop
from tests.support.furnished import furnished, typed

K = 7
STRANGERS = ["nobody knows me"]


@pytest.fixture(scope="module")
def shop():
    return furnished(typed(random_shop(n_users=150, n_items=400, n_rows=3000)))


@pytest.fixture(scope="module")
def models(shop):
    return {name: make(name).fit(shop) for name in MODELS}


@pytest.fixture(scope="module")
def asked(shop):
    """Users in an order of their own, one unknown among them, and what they bought."""
    order = np.random.default_rng(2).permutation(len(shop.users))
    bought = shop.bought()[order]
    bought.resize(len(order) + 1, bought.shape[1])
    return [*shop.users[order], *STRANGERS], bought


@pytest.fixture(scope="module")
def pools(models, asked):
    return propose(models, *asked, K)


def same(one, other):
    assert one.user_codes.tobytes() == other.user_codes.tobytes()
    assert one.item_codes.tobytes() == other.item_codes.tobytes()
    for part in ("scores", "ranks"):
        ours, theirs = getattr(one, part), getattr(other, part)
        assert {n: v.tobytes() for n, v in ours.items()} == {
            n: v.tobytes() for n, v in theirs.items()
        }


@pytest.mark.parametrize("view", VIEWS)
def test_each_source_stands_in_the_pool_with_its_own_list(view, models, asked, pools):
    users, bought = asked
    for name, model in models.items():
        alone = model.recommend(users, K, bought if view == "new" else None)
        assert pools[view].source_lists(name, K).tolist() == alone.lists(len(users), K).tolist()


@pytest.mark.parametrize("view", VIEWS)
def test_the_pool_holds_the_union_of_all_lists_once_and_in_order(view, models, asked, pools):
    users, bought = asked
    wanted = set()
    for model in models.values():
        found = model.recommend(users, K, bought if view == "new" else None)
        wanted |= set(zip(found.users.tolist(), found.item_codes.tolist(), strict=True))
    pool = pools[view]
    rows = list(zip(pool.user_codes.tolist(), pool.item_codes.tolist(), strict=True))
    assert rows == sorted(wanted)


@pytest.mark.parametrize("view", VIEWS)
def test_every_source_scores_every_row_whoever_proposed_it(view, models, asked, pools):
    users, _ = asked
    pool = pools[view]
    for name, model in models.items():
        opinion = model.opinion(users)(np.arange(len(users)))
        expected = opinion.of(pool.user_codes, pool.item_codes)
        assert pool.scores[name].tobytes() == expected.tobytes()
        # Asked for everything, a source lists each item that it scores, bought or not.
        everything = model.recommend(users, len(pool.items))
        scored = np.zeros((len(users), len(pool.items)), dtype=np.float32)
        scored[everything.users, everything.item_codes] = everything.scores
        assert (scored[pool.user_codes, pool.item_codes] == expected).all()


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_the_size_of_a_block_changes_nothing(block, models, asked, pools):
    again = propose(models, *asked, K, block)
    for view in VIEWS:
        same(pools[view], again[view])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [1, 40, 10_000])
def test_parts_of_the_users_make_the_pool_of_all_of_them(
    view, size, models, asked, pools, tmp_path
):
    with PoolWriter(tmp_path / "pool.parquet") as file:
        for part in propose_parts(models, *asked, K, size):
            file.add(part[view])
    whole = Pool.read(tmp_path / "pool.parquet")
    same(whole, pools[view])
    assert whole.users.tolist() == list(pools[view].users)
    assert whole.items.tolist() == pools[view].items.tolist()
    assert file.rows == len(whole)


def pairs(pool):
    """(user id, item id) of each row."""
    return list(zip(*pool.table().to_pydict().values(), strict=True))


@pytest.mark.parametrize("rows", [1, 100, 10**6])
def test_a_pool_read_in_blocks_is_the_pool_with_every_user_whole(pools, tmp_path, rows):
    whole = pools[VIEWS[0]]
    whole.write(tmp_path / "pool.parquet")
    blocks = list(Pool.blocks(tmp_path / "pool.parquet", rows))
    assert (len(blocks) == 1) == (rows > len(whole))
    for earlier, later in pairwise(blocks):
        assert not {*earlier.users} & {*later.users}
    assert [pair for block in blocks for pair in pairs(block)] == pairs(whole)
    for part in ("scores", "ranks"):
        for name, values in getattr(whole, part).items():
            read = [getattr(block, part)[name] for block in blocks]
            assert np.concatenate(read).tobytes() == values.tobytes()


def test_an_empty_pool_has_no_blocks(models, shop, tmp_path):
    with PoolWriter(tmp_path / "pool.parquet") as file:
        for part in propose_parts(models, [], shop.bought()[:0], K):
            file.add(part["all"])
    assert list(Pool.blocks(tmp_path / "pool.parquet", 10)) == []


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


def test_nobody_asked_is_an_empty_pool(models, shop):
    pools = propose(models, [], shop.bought()[:0], K)
    assert {view: len(pool) for view, pool in pools.items()} == dict.fromkeys(VIEWS, 0)
