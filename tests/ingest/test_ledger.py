"""The ledger itself: what becomes of a shop whose ledger is lost, cut short or of another version."""

import sqlite3
from contextlib import closing

import pytest

from nightshelf.errors import StorageError
from nightshelf.ingest.ledger import Ledger
from tests.support.landing import GOOD

GONE = "is gone or empty, though rows were taken"


@pytest.fixture(params=["gone", "empty"])
def without_ledger(request, landing):
    """Two files were taken, and one of them cleared away; then the ledger was lost."""
    landing.put("a.csv", [GOOD])
    landing.put("b.csv", [GOOD.replace("tea", "pot"), "never,tea,ann,1,1,sale"])
    landing.ingest()
    (landing.folder / "orders" / "a.csv").unlink()
    if request.param == "gone":
        landing.home.ledger.unlink()
    else:
        landing.home.ledger.write_bytes(b"")
    return landing


def on_the_disk(landing) -> list:
    folders = (landing.home.raw, landing.home.quarantine)
    return sorted(path for folder in folders for path in folder.rglob("*.parquet"))


def test_a_lost_ledger_is_told_and_takes_no_row_with_it(without_ledger):
    before = on_the_disk(without_ledger)
    for _ in range(2):
        with pytest.raises(StorageError, match=GONE):
            without_ledger.ingest()
    assert on_the_disk(without_ledger) == before
    assert len(before) == 1 + 1  # the accepted rows of both files, and what was refused


def test_who_only_reads_begins_no_ledger_beside_rows(without_ledger):
    with pytest.raises(StorageError, match=GONE):
        Ledger(without_ledger.home.ledger)
    with pytest.raises(StorageError, match=GONE):
        without_ledger.ingest()


def test_quarantined_rows_alone_are_not_swept_either(landing):
    landing.put("a.csv", ["never,tea,ann,1,1,sale"])
    landing.ingest()
    landing.home.ledger.unlink()
    with pytest.raises(StorageError, match=GONE):
        landing.ingest()
    assert landing.quarantine("reason") == [("bad_time",)]


def test_a_ledger_is_begun_whole_or_not_at_all(landing, monkeypatch):
    """Killed between its tables, it is begun anew, and is no ledger of another version."""
    monkeypatch.setattr("nightshelf.ingest.ledger.SCHEMA", _cut_in_the_middle())
    with pytest.raises(sqlite3.OperationalError):
        Ledger(landing.home.ledger)
    monkeypatch.undo()
    assert Ledger(landing.home.ledger).files() == []


def _cut_in_the_middle() -> str:
    from nightshelf.ingest.ledger import SCHEMA

    return SCHEMA[: SCHEMA.index("create table if not exists parts")] + "killed here"


def test_a_ledger_of_another_version_is_refused(landing):
    landing.put("a.csv", [GOOD])
    landing.ingest()
    with closing(sqlite3.connect(landing.home.ledger)) as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(StorageError, match="is of version 99; this Nightshelf writes"):
        landing.ingest()
    assert len(on_the_disk(landing)) == 1


@pytest.mark.parametrize(
    ("table", "asked"), [("files", "source = 's' and name = 'n'"), ("parts", "chunk = 'c'")]
)
def test_a_file_s_name_and_a_chunk_s_parts_are_looked_up_by_an_index(tmp_path, table, asked):
    path = tmp_path / "ledger.sqlite"
    Ledger(path)
    with closing(sqlite3.connect(path)) as db:
        plan = db.execute(f"explain query plan select * from {table} where {asked}").fetchall()
    assert "USING INDEX" in plan[0][3]
