from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from nightshelf.ranking.pool import VIEWS
from nightshelf.ranking.proposals import Proposals, ProposalsWriter, write_proposals
from nightshelf.ranking.propose import propose, propose_parts

K = 7


@pytest.fixture(scope="module")
def proposals(models, asked):
    return propose(models, *asked, K)


def arrays(proposals):
    """The bytes of each column."""
    found = {f"score {name}": values for name, values in proposals.scores.items()}
    for view, ranks in proposals.ranks.items():
        found |= {f"rank {view} {name}": values for name, values in ranks.items()}
    found |= {"users": proposals.user_codes, "items": proposals.item_codes}
    return {name: values.tobytes() for name, values in found.items()}


@pytest.mark.parametrize("size", [1, 40, 10_000])
def test_parts_of_the_users_make_the_file_of_all_of_them(size, models, asked, proposals, tmp_path):
    with ProposalsWriter(tmp_path / "serve.parquet") as file:
        for part in propose_parts(models, *asked, K, size):
            file.add(part)
    whole = Proposals.read(tmp_path / "serve.parquet")
    assert arrays(whole) == arrays(proposals)
    assert whole.users.tolist() == list(proposals.users)
    assert whole.items.tolist() == proposals.items.tolist()
    assert file.rows == len(whole)


def test_a_view_has_the_rows_that_a_source_proposed_for_it(proposals):
    for view in VIEWS:
        pool, rows = proposals.of(view), proposals.rows_of(view)
        proposed = np.any([ranks > 0 for ranks in proposals.ranks[view].values()], axis=0)
        assert rows.tolist() == np.flatnonzero(proposed).tolist()
        assert 0 < len(pool) < len(proposals)
        assert pool.item_codes.tolist() == proposals.item_codes[rows].tolist()
        assert pool.ranks["ials"].tolist() == proposals.ranks[view]["ials"][rows].tolist()


def test_one_users_rows_keep_their_codes(proposals, tmp_path):
    write_proposals(tmp_path / "serve.parquet", proposals)
    user = proposals.users[7]
    found = Proposals.read(tmp_path / "serve.parquet", user)
    assert set(found.user_codes.tolist()) == {7}
    assert len(found) == (proposals.user_codes == 7).sum()


@pytest.mark.parametrize("rows", [1, 100, 10**6])
def test_a_file_read_in_blocks_is_whole_with_every_user_whole(proposals, tmp_path, rows):
    write_proposals(tmp_path / "serve.parquet", proposals)
    blocks = list(Proposals.blocks(tmp_path / "serve.parquet", rows))
    assert (len(blocks) == 1) == (rows > len(proposals))
    for earlier, later in pairwise(blocks):
        assert not {*earlier.users} & {*later.users}
    for block in blocks:
        end = block.first + len(block.users)
        assert block.users.tolist() == proposals.users[block.first : end].tolist()
    users = np.concatenate([block.user_codes + block.first for block in blocks])
    assert users.tolist() == proposals.user_codes.tolist()
    for name, values in proposals.scores.items():
        read = [block.scores[name] for block in blocks]
        assert np.concatenate(read).tobytes() == values.tobytes()


def test_of_a_file_no_more_is_held_than_the_blocks_at_hand(tmp_path):
    """What was read of it before is let go."""
    n, parts, generator = 20_000, 40, np.random.default_rng(1)
    users, items = np.array([f"u{u}" for u in range(n)], object), np.array(["i"], object)
    codes = np.arange(n, dtype=np.int32)
    ranks = {"all": {"own": np.ones(n, dtype=np.int16)}}
    with ProposalsWriter(tmp_path / "serve.parquet") as file:
        for _ in range(parts):
            scores = {name: generator.random(n, dtype=np.float32) for name in "abcd"}
            file.add(Proposals(users, items, codes, 0 * codes, scores, ranks))
    before, held = pa.total_allocated_bytes(), []
    for _ in Proposals.blocks(tmp_path / "serve.parquet", n):
        held.append(pa.total_allocated_bytes())
    size = (tmp_path / "serve.parquet").stat().st_size
    assert size > 8_000_000
    assert max(held) - before < size / 2


def test_nobody_s_file_has_no_blocks(models, shop, tmp_path):
    with ProposalsWriter(tmp_path / "serve.parquet") as file:
        for part in propose_parts(models, [], shop.bought()[:0], K):
            file.add(part)
    assert list(Proposals.blocks(tmp_path / "serve.parquet", 10)) == []
