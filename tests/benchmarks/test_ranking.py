"""Features joined by codes are those of the plain join, and ranking in blocks is ranking all at once."""

from dataclasses import replace

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import ranking as bench
from nightshelf.ranking import features
from nightshelf.ranking.proposals import Proposals
from tests.support.core_seconds import core_seconds

FEATURE_TABLES = ("item", "catalogue", "user", "user_item", "user_category", "user_brand")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ranking")
    bench.made_up(path, 1_000, 2_000)
    return path


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), lost=st.sampled_from([0, 30, 70]), nulls=st.booleans())
def test_features_equal_the_plain_join_s_to_the_last_bit(tmp_path_factory, seed, lost, nulls):
    """Of tables that lack `lost` % of their rows, and some values; other nights' rows say nothing."""
    path = tmp_path_factory.mktemp("made_up")
    pool = bench._pool(12, 40)
    pool = pool.rows(np.sort(np.random.default_rng(seed).permutation(len(pool))[:300]))
    bench.write_pool(path / "pool.parquet", pool)
    with duckdb.connect() as db:
        sizes = {"users": 12, "items": 40, "pool": path / "pool.parquet"}
        db.execute(bench.TABLES.format(night=bench.NIGHT, **sizes))
        for table in FEATURE_TABLES:
            name = f"features.feat_{table}"
            db.execute(f"delete from {name} as t where hash(t::varchar, {seed}) % 100 < {lost}")
        if nulls:
            db.execute("update features.feat_user set mean_price = null, mean_gap_days = null")
            db.execute("update features.feat_item set price = 0, mean_gap_days = null")
            db.execute("update features.feat_catalogue set brand = null where item_id < 'SKU2'")
        names = ", ".join(f"f{n}" for n in range(len(features.names([]))))
        db.execute(bench.JOINED.format(columns=bench.plain_columns(), pool=path))
        plain = db.execute(f"select {names} from joined order by pool_row").fetchnumpy()
        for table in FEATURE_TABLES:
            name = f"features.feat_{table}"
            db.execute(f"insert into {name} select * replace (as_of + 1 as as_of) from {name}")
        matrix = features.attach(db, pool, bench.NIGHT)
    expected = np.column_stack([np.ma.getdata(column) for column in plain.values()])
    assert matrix[:, : expected.shape[1]].tobytes() == expected.tobytes()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 300))
def test_some_rows_features_are_those_that_they_have_among_all(folder, seed, n):
    """Also the sources' scores, which are held against the user's best among all rows."""
    generator = np.random.default_rng(seed)
    pool = Proposals.read(folder / "pool.parquet").of("all").rows(slice(0, 600))
    scores = generator.normal(size=(2, len(pool))).astype(np.float32)
    ranks = generator.integers(0, 60, (2, len(pool))).astype(np.int16)
    pool = replace(
        pool, scores=dict(zip("ab", scores, strict=True)), ranks=dict(zip("ab", ranks, strict=True))
    )
    some = np.sort(generator.permutation(len(pool))[:n])
    with duckdb.connect(str(folder / "night.duckdb"), read_only=True) as db:
        whole = features.attach(db, pool, bench.NIGHT)
        assert features.attach(db, pool, bench.NIGHT, some).tobytes() == whole[some].tobytes()
        block = slice(seed % 600, seed % 600 + n)
        assert features.attach(db, pool, bench.NIGHT, block).tobytes() == whole[block].tobytes()


def test_a_feature_table_that_repeats_a_key_is_found(folder):
    pool = Proposals.read(folder / "pool.parquet").of("all").rows(np.arange(50))
    with duckdb.connect() as db:
        db.execute(f"attach '{folder / 'night.duckdb'}' as night (read_only)")
        db.execute("create schema features")
        for table in FEATURE_TABLES:
            db.execute(f"create table features.feat_{table} as from night.features.feat_{table}")
        db.execute("insert into features.feat_user from features.feat_user")
        with pytest.raises(AssertionError, match="50 candidates became 100 rows"):
            features.attach(db, pool, bench.NIGHT)


def test_ranking_in_blocks_is_the_plain_recipe_at_no_more_than_its_cost(folder, monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")
    monkeypatch.setattr(bench, "BLOCK_ROWS", 30_000)
    settings = {"cores": 1, "memory": "1GB"}
    ours, plain = (
        bench.CONTENDERS[n](folder, settings) for n in ("nightshelf", "join, then predict")
    )
    assert ours() == plain()
    took, peer = core_seconds(ours, plain)
    assert took < peer
