from contextlib import contextmanager

import duckdb
import numpy as np
import pytest

from benchmarks import ranking as bench
from nightshelf.ranking import by_user, features
from nightshelf.ranking.proposals import Proposals


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("made_up")
    bench.made_up(path, 300, 500)
    return path


@contextmanager
def laid_out(folder):
    with (
        duckdb.connect(str(folder / "night.duckdb"), read_only=True) as db,
        by_user.laid_out(db, folder / "pool.parquet", bench.NIGHT, folder / "spill"),
    ):
        yield db


@pytest.mark.parametrize("rows", [700, 10**6])
def test_what_is_laid_out_by_user_is_what_the_feature_tables_say(folder, rows):
    file = folder / "pool.parquet"
    with laid_out(folder) as db:
        for block in Proposals.blocks(file, rows):
            with db.cursor() as own:
                found = by_user.of_tables(own, block)
            expected = features.of_tables(db, block.of(bench.VIEW), bench.NIGHT)
            assert np.array_equal(found, expected)
            assert found.any(axis=0).sum() > 25
    assert not list((folder / "spill").glob("by_user*"))


def test_what_a_killed_step_left_is_written_anew(folder):
    (folder / "spill").mkdir(exist_ok=True)
    (folder / "spill" / "by_user.duckdb").write_text("half a page")
    with laid_out(folder) as db:
        assert db.execute("select count(*) from by_user.u").fetchone() == (300,)


@pytest.mark.parametrize(
    "user, pair, expected", [(None, None, 0), (3, 3, 1), (3, 9, 0), (3, None, 0)]
)
def test_who_never_took_anything_has_no_item_in_a_last_basket(user, pair, expected):
    sql = features.FAMILIES["user and item"]["pair_in_last_basket"]
    found = duckdb.execute(
        f"select coalesce({sql}, 0) from (select ?::integer as days_since_last) as u,"
        " (select ?::integer as days_since_last) as ui",
        [user, pair],
    ).fetchall()
    assert found == [(expected,)]
