"""What is proposed is what asking each source by itself, and laying the answers over each other, would give."""

import numpy as np
import pytest

from nightshelf.ranking.pool import VIEWS
from nightshelf.ranking.propose import propose

K = 7


@pytest.fixture(scope="module")
def pools(models, asked):
    return propose(models, *asked, K).by_view()


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
    again = propose(models, *asked, K, block).by_view()
    for view in VIEWS:
        same(pools[view], again[view])


def test_nobody_asked_is_an_empty_pool(models, shop):
    pools = propose(models, [], shop.bought()[:0], K).by_view()
    assert {view: len(pool) for view, pool in pools.items()} == dict.fromkeys(VIEWS, 0)
