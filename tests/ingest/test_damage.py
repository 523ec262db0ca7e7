"""Accepted rows whose Parquet was lost, cut or changed since it was written."""

import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from nightshelf.errors import InputError, StorageError
from nightshelf.ingest.damage import damaged, refuse_damaged
from nightshelf.ingest.replay import replay
from nightshelf.night import Night
from nightshelf.pinned.inputs import newest_night, pin
from nightshelf.progress import Progress
from tests.support.landing import GOOD, HEADER, MAP, Landing

UTC = ZoneInfo("UTC")
NIGHT = Night(date(2015, 5, 3), UTC)
DAYS = ("2015-05-01", "2015-05-02")


@pytest.fixture
def landing(tmp_path) -> Landing:
    """Two files of a day each, in one chunk: twenty rows and two."""
    landing = Landing(tmp_path)
    for name, day, n in (("a.csv", DAYS[0], 20), ("b.csv", DAYS[1], 2)):
        row = GOOD.replace(DAYS[0], day)
        landing.put(name, [row.replace("ann", f"user {i}") for i in range(n)])
    landing.ingest()
    return landing


def part_of(landing: Landing, day: str) -> Path:
    (part,) = (p for p in landing.ledger.parts() if p.occurred_on == day)
    return landing.home.raw / part.path


def pinned(landing: Landing) -> None:
    attempt = landing.home.attempt(NIGHT.date, 1)
    attempt.root.mkdir(parents=True, exist_ok=True)
    pin(attempt, NIGHT)


def gone(part: Path, other: Path) -> None:
    part.unlink()


def emptied(part: Path, other: Path) -> None:
    part.write_bytes(b"")


def fewer(part: Path, other: Path) -> None:
    rows = f"(from read_parquet('{part}', hive_partitioning = false) limit 5)"
    duckdb.execute(f"copy {rows} to '{part}.new' (format parquet)")
    Path(f"{part}.new").replace(part)


def of_another_day(part: Path, other: Path) -> None:
    shutil.copy(other, part)


DAMAGES = [gone, emptied, fewer, of_another_day]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_taken_again_while_its_file_lies_in_landing(landing, capsys, damage):
    before = landing.events()
    damage(part_of(landing, DAYS[0]), part_of(landing, DAYS[1]))
    taken = landing.ingest()
    assert (taken.files, taken.restated) == (2, ())
    assert landing.events() == before
    assert "accepted rows of orders/a.csv, orders/b.csv were damaged" in capsys.readouterr().out
    assert landing.ingest().unchanged == 2
    pinned(landing)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_and_nowhere_else_stops_the_night_until_the_file_is_back(landing, damage):
    before = landing.events()
    file = landing.folder / "orders" / "a.csv"
    kept = file.rename(landing.folder / "a.csv")
    damage(part_of(landing, DAYS[0]), part_of(landing, DAYS[1]))
    landing.ingest()
    with pytest.raises(StorageError, match="Accepted rows of orders/a.csv are damaged, in 1 Parq"):
        pinned(landing)
    assert part_of(landing, DAYS[1]).exists()
    kept.rename(file)
    landing.ingest()
    assert landing.events() == before


def test_a_part_of_restated_rows_alone_may_be_lost(landing):
    """The other file of the chunk is gone from landing, and its rows are whole."""
    (landing.folder / "orders" / "b.csv").unlink()
    landing.put("a.csv", [GOOD])
    part_of(landing, DAYS[0]).unlink()
    landing.ingest()
    pinned(landing)
    assert len(landing.events()) == 1 + 2


def test_another_content_is_no_ground_to_forget_what_its_name_held(landing):
    """It may be refused, and the rows of before would be gone."""
    landing.put("a.csv", f'{HEADER}\n"2015')
    part_of(landing, DAYS[1]).unlink()
    with pytest.raises(InputError, match="the file was cut"):
        landing.ingest()
    assert part_of(landing, DAYS[0]).exists()
    assert len(landing.ledger.files()) == 2


def test_a_file_that_its_source_does_not_find_any_more_is_not_forgotten(landing, tmp_path):
    part_of(landing, DAYS[0]).unlink()
    narrowed = Landing(tmp_path, [MAP | {"path": "orders/b*"}])
    narrowed.ingest()
    assert len(narrowed.ledger.files()) == 2


def test_a_flipped_bit_of_a_part_is_found_by_its_sha256(landing):
    part = part_of(landing, DAYS[0])
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert not damaged(landing.home, landing.ledger.parts())
    with pytest.raises(StorageError, match="another content than was written"):
        refuse_damaged(landing.home, landing.ledger, closely=True)


def test_a_part_that_cannot_be_read_is_told_and_no_traceback(landing):
    part = part_of(landing, DAYS[1])
    part.write_bytes(bytes(part.stat().st_size))
    told = "Accepted rows of orders/b.csv are damaged"
    with pytest.raises(StorageError, match=told):
        pinned(landing)
    with pytest.raises(StorageError, match=told):
        newest_night(landing.home, UTC)


def test_a_replay_carries_nothing_over_from_a_damaged_part(landing):
    shutil.rmtree(landing.folder)
    part_of(landing, DAYS[0]).unlink()
    with pytest.raises(StorageError, match="are damaged"):
        replay(landing.shop, landing.folder, landing.home, Progress("replay"))


@pytest.fixture
def of_version_3(landing) -> Landing:
    with closing(sqlite3.connect(landing.home.ledger)) as db:
        db.executescript("""
            alter table parts drop column size; alter table parts drop column sha256;
            pragma user_version = 3""")
    return landing


def test_parts_of_a_ledger_of_before_are_sealed_by_the_next_ingest(of_version_3):
    before = of_version_3.events()
    assert {p.sha256 for p in of_version_3.ledger.parts()} == {None}
    assert of_version_3.ingest().unchanged == 2
    assert all(p.size and p.sha256 for p in of_version_3.ledger.parts())
    refuse_damaged(of_version_3.home, of_version_3.ledger, closely=True)
    assert of_version_3.events() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_parts_of_a_ledger_of_before_are_not_sealed_without_their_rows(of_version_3, damage):
    before = of_version_3.events()
    damage(part_of(of_version_3, DAYS[0]), part_of(of_version_3, DAYS[1]))
    assert of_version_3.ingest().files == 2
    assert of_version_3.events() == before
