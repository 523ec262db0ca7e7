"""Same inputs, same bytes; and what comes after the night changes nothing."""

import pytest

from nightshelf.steps import stage_records

pytestmark = pytest.mark.long

COUNTS_OF_LINES = ("rpt_events.parquet", "rpt_cleaning.parquet")
"""Reports on every line that landed, and on shares of them: later lines are counted as such."""


def test_order_of_landing_clock_threads_and_command_line_change_no_byte(night, stepwise):
    assert stepwise.sha256 == night.sha256


def test_events_on_and_after_the_night_change_no_shelf(night, second):
    assert second.run.attempt.number == 2
    assert {n: s for n, s in second.sha256.items() if n not in COUNTS_OF_LINES} == {
        n: s for n, s in night.sha256.items() if n not in COUNTS_OF_LINES
    }


def test_the_report_counts_them_though(night, second):
    before, after = night.report(), second.report()
    added = second.log.ends["n_after_night"] - night.log.ends["n_after_night"]
    assert added > 200
    assert after == before | {
        "n_raw": before["n_raw"] + added,
        "n_after_night": before["n_after_night"] + added,
    }


def test_readers_see_the_second_attempt(second):
    assert second.readers_saw == 2


def test_the_second_attempt_says_what_it_did(second):
    told = {r["stage"]: r["told"] for r in stage_records(second.run.attempt)}
    assert told["publish"] == "attempt 2; readers see it now"
    assert told["ingest"].startswith("1 new files, 97 known, 256 rows accepted, 0 quarantined")
