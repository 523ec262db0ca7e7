"""Which night's segments tonight's go on from: an earlier one, and a whole one."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pytest

from nightshelf.audience.last_night import FILE, last_segments
from nightshelf.paths import Attempt, Home
from nightshelf.storage import sha256_of, write_json

NIGHT = date(2017, 12, 1)


@pytest.fixture
def attempt(tmp_path) -> Attempt:
    return Home(tmp_path).shop("tea").attempt(NIGHT, 2)


def publish(attempt: Attempt, days_back: int, name: str, segment: int = 3, number: int = 1) -> None:
    night = NIGHT - timedelta(days=days_back)
    folder = attempt.shop.nights / night.isoformat() / str(number)
    folder.mkdir(parents=True)
    duckdb.execute(
        f"copy (select date '{night}' as night, 'u' as user_id, {segment}::integer as segment,"
        f" '{name}' as name) to '{folder / FILE}' (format parquet)"
    )
    tables = {FILE: {"rows": 1, "sha256": sha256_of(folder / FILE)}}
    manifest = {"night": night.isoformat(), "tables": tables, "audience": {"highest_segment": 7}}
    write_json(folder / "manifest.json", manifest)


def test_a_first_night_goes_on_from_nothing(attempt):
    assert last_segments(attempt) == (None, "no earlier night has segments")


def test_the_newest_earlier_night_counts_and_never_this_night_s_other_attempt_or_a_later_one(
    attempt,
):
    for days_back, name in ((9, "old"), (2, "often"), (0, "today"), (-3, "later")):
        publish(attempt, days_back, name)
    found, told = last_segments(attempt)
    assert told == "numbers and names go on from night 2017-11-29"
    assert (found.names, found.highest, list(found.users)) == ({3: "often"}, 7, ["u"])


def test_a_night_whose_file_was_touched_is_passed_over(attempt):
    publish(attempt, 9, "old")
    publish(attempt, 2, "often")
    path = attempt.shop.nights / "2017-11-29" / "1" / FILE
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert last_segments(attempt)[0].names == {3: "old"}


def test_a_night_from_before_there_were_segments_is_passed_over(attempt):
    publish(attempt, 9, "old")
    folder = attempt.shop.nights / "2017-11-30" / "1"
    folder.mkdir(parents=True)
    write_json(folder / "manifest.json", {"night": "2017-11-30", "tables": {}})
    assert last_segments(attempt)[0].names == {3: "old"}
