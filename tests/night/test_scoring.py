"""What is scored does not depend on how many candidates are ranked at a time."""

import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from nightshelf.learning import scoring
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import progress


@pytest.mark.parametrize("rows", [1, 97])
def test_blocks_of_candidates_change_no_score(night, monkeypatch, rows):
    first = night.run.attempt
    attempt = replace(first, number=90 + rows)
    shutil.copytree(first.root, attempt.root)
    monkeypatch.setattr(scoring, "BLOCK_ROWS", rows)
    with progress("scores") as shown:
        n_rows = scoring.score_night(night.run.shop, night.run.night, attempt, shown)
    again = {p: pq.read_table(attempt.scores / f"{p}.parquet") for p in PLACEMENT_VIEWS}
    shutil.rmtree(attempt.root)
    assert sum(map(len, again.values())) == n_rows
    for placement, table in again.items():
        assert table.equals(pq.read_table(first.scores / f"{placement}.parquet"))
