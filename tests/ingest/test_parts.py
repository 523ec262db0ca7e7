"""How accepted events lie on the disk: by UTC day, and not in more pieces than it takes to read them fast."""

from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pytest

from nightshelf.ingest import readers, run, taking
from tests.support.core_seconds import core_seconds

FIRST = date(2015, 5, 1)


@pytest.fixture
def in_pieces(monkeypatch):
    """Written every ten rows."""
    monkeypatch.setattr(taking, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(readers, "SLICE_ROWS", 10)


def out_of_order(n_rows: int, n_days: int) -> list[str]:
    """Each row is of another day than the one before."""
    days = (FIRST + timedelta(days=n % n_days) for n in range(n_rows))
    return [f"{day} 10:00:00,tea,v{n},1,1.50,sale" for n, day in enumerate(days)]


def test_a_log_out_of_order_has_one_part_a_day(landing, in_pieces):
    landing.put("year.csv", out_of_order(100, 5))
    landing.ingest()
    parts = landing.ledger.parts()
    assert [p.occurred_on for p in parts] == [str(FIRST + timedelta(days=n)) for n in range(5)]
    assert [p.rows for p in parts] == [20] * 5
    assert len(set(landing.events("row_number"))) == 100


def test_parts_with_enough_rows_are_left_as_they_were_written(landing, in_pieces, monkeypatch):
    monkeypatch.setattr(taking, "THIN_ROWS", 2)
    landing.put("year.csv", out_of_order(100, 5))
    landing.ingest()
    assert len(landing.ledger.parts()) == 50


def test_what_was_merged_leaves_nothing_behind(landing, in_pieces):
    landing.put("year.csv", out_of_order(100, 5))
    landing.ingest()
    named = {landing.home.raw / p.path for p in landing.ledger.parts()}
    assert set(landing.home.raw.rglob("*.parquet")) == named
    assert all(any(folder.iterdir()) for folder in landing.home.raw.rglob("*") if folder.is_dir())


def test_many_tiny_files_are_taken_a_few_hundred_at_a_time(landing, monkeypatch):
    monkeypatch.setattr(run, "MOST_FILES", 3)
    for n in range(7):
        landing.put(f"{n}.csv", out_of_order(1, 1))
    landing.ingest()
    chunks = Counter(file.chunk for file in landing.ledger.files())
    assert sorted(chunks.values()) == [1, 3, 3]


def test_ten_times_the_tiny_files_are_gathered_in_ten_times_the_seconds():
    batch = pa.record_batch({column: ["tea"] for column in "abcdefgh"})

    def gathered(n_batches: int) -> int:
        return sum(table.num_rows for table in readers._gathered([batch] * n_batches))

    assert gathered(1_000) == 1_000
    few, many = core_seconds(lambda: gathered(100), lambda: gathered(1_000), rounds=2)
    assert many < 30 * few
