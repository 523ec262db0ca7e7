"""Equal tables are equal bytes, however many threads write them."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from nightshelf.paths import Home
from nightshelf.publishing.publish import publish
from tests.faults.conftest import NIGHT
from tests.support.published import shelve

ROW_GROUP = 122_880
"""DuckDB's: a table of several is cut in several places."""


@pytest.mark.parametrize("rows", [ROW_GROUP, ROW_GROUP + 1, 3 * ROW_GROUP + 77])
def test_tables_of_several_row_groups_are_the_same_bytes_by_one_thread_and_by_more(
    tmp_path, monkeypatch, rows
):
    found = {}
    for threads in (1, 2, 5):
        attempt = shelve(Home(tmp_path / str(threads)).shop("shop").attempt(NIGHT, 1))
        with duckdb.connect(str(attempt.database)) as db:
            db.execute(_shuffled(rows, seed=threads))
        monkeypatch.setenv("NIGHTSHELF_THREADS", str(threads))
        written = publish(attempt, {}).path / "rec_for_you.parquet"
        found[threads] = hashlib.sha256(written.read_bytes()).hexdigest()
    assert len(set(found.values())) == 1


def _shuffled(rows: int, seed: int) -> str:
    """`rows` rows of the shelf's schema that lie in another order for each seed."""
    return f"""
        create or replace table recommendations.rec_for_you as
        select any_shelf.* replace ('u' || i as context_id, (i % 7)::integer as rank, i / 3 as score)
        from (from recommendations.rec_for_you limit 1) as any_shelf
        cross join range({rows}) as rows(i)
        order by hash(i + {seed})"""
