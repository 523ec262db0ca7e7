"""Candidates are ranked some users after the others: how many at a time changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from nightshelf import scoring, trained
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.ranking import features
from nightshelf.ranking.pool import Pool, PoolWriter
from nightshelf.warehouse import connect


def in_parts(pool: Pool, n_users: int, path) -> list[Pool]:
    """As training leaves them."""
    with PoolWriter(path) as file:
        for first in range(0, len(pool.users), n_users):
            rows = (pool.user_codes >= first) & (pool.user_codes < first + n_users)
            file.add(
                Pool(
                    pool.users[first : first + n_users],
                    pool.items,
                    (pool.user_codes[rows] - first).astype(np.int32),
                    pool.item_codes[rows],
                    {name: values[rows] for name, values in pool.scores.items()},
                    {name: values[rows] for name, values in pool.ranks.items()},
                )
            )
    return list(Pool.read_parts(path))


@pytest.mark.parametrize("placement", PLACEMENT_VIEWS)
def test_features_scores_and_lists_of_parts_are_those_of_the_whole(night, tmp_path, placement):
    run = night.run
    view = PLACEMENT_VIEWS[placement]
    whole = trained.pool(run.attempt, "serve", view)
    recipe = scoring.read_recipes(run.attempt)[placement]
    parts = in_parts(whole, 7, tmp_path / "pool.parquet")
    assert len(parts) > 3
    with connect(run.attempt.database) as db:
        matrix, *others = (
            features.attach(db, pool, run.night.as_of("serve")) for pool in (whole, *parts)
        )
    assert np.vstack(others).tobytes() == matrix.tobytes()
    kept = [
        scoring._scored(pool, recipe, some, run.shop, placement)
        for pool, some in zip(parts, others, strict=True)
    ]
    expected = scoring._scored(whole, recipe, matrix, run.shop, placement).to_pylist()
    assert [row for table in kept for row in table.to_pylist()] == expected
