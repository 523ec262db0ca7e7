"""A made-up log is what its module says of it, and lies as ingest would have laid it."""

import duckdb
import pytest

from benchmarks.big_log import BigLog
from nightshelf.columns import EVENTS, PROVENANCE
from nightshelf.ingest.ledger import Ledger

LOG = BigLog(60_000, days=20)


def rows(folder):
    return duckdb.sql(
        f"from read_parquet('{LOG.home(folder).raw}/events/*/*/*/*.parquet', hive_partitioning = false)"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("log")
    LOG.write(made)
    return made


def test_it_has_the_columns_that_ingest_writes(folder):
    types = dict(zip(rows(folder).columns, map(str, rows(folder).types), strict=True))
    assert types == EVENTS | PROVENANCE


def test_one_seed_is_one_log_and_another_is_another(folder, tmp_path):
    LOG.write(tmp_path / "again")
    BigLog(60_000, days=20, seed=8).write(tmp_path / "other")
    same = rows(folder).aggregate("bit_xor(hash(event_id, occurred_at, item_id, row_number))")
    for name, expected in (("again", True), ("other", False)):
        told = rows(tmp_path / name).aggregate(same.columns[0].replace('"', ""))
        assert (told.fetchall() == same.fetchall()) is expected


def test_two_in_a_hundred_lines_are_copies_and_one_is_anonymous(folder):
    ((n, ids, anonymous),) = (
        rows(folder).aggregate("count(*), count(distinct event_id), avg((user_id is null)::int)")
    ).fetchall()
    assert n == pytest.approx(LOG.events * 1.02, rel=0.05)
    assert 1 - ids / n == pytest.approx(0.02, abs=0.003)
    assert anonymous == pytest.approx(0.01, abs=0.006)


def test_items_follow_zipf_and_lines_arrive_out_of_order(folder):
    shares = rows(folder).aggregate("item_id, count(*) / 61_200 as share").order("share desc")
    first, second, *_ = (share for _, share in shares.fetchall())
    # Of 1,000 items by a uniform logarithm: ln 2 / ln 1000, and ln 1.5 / ln 1000.
    assert first == pytest.approx(0.100, abs=0.01)
    assert second == pytest.approx(0.059, abs=0.01)
    late = rows(folder).query(
        "lines",
        "select avg((occurred_at < before)::int) from"
        " (select occurred_at, lag(occurred_at) over (order by row_number) as before from lines)",
    )
    ((share,),) = late.fetchall()
    assert 0.1 < share < 0.5


def test_the_ledger_names_every_part_and_the_next_day_restates_the_days_before(tmp_path):
    LOG.write(tmp_path)
    ledger = Ledger(LOG.home(tmp_path).ledger)
    before = ledger.days()
    LOG.write_next_day(tmp_path)
    assert not ledger.lost_chunks()
    assert {p.path for p in ledger.parts()} == {
        p.relative_to(LOG.home(tmp_path).raw).as_posix()
        for p in LOG.home(tmp_path).raw.rglob("*.parquet")
    }
    touched = [day for day, files in ledger.days().items() if before.get(day) != files]
    assert LOG.night.isoformat() in touched
    assert len(touched) > 2
