"""How much of a restated file's history may go before the first door closes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest

from expectations import DoorContext, restated
from nightshelf.night import Night
from nightshelf.pinned.inputs import pin
from nightshelf.pinned.restated import RESTATED, pin_restated
from tests.support.landing import GOOD, Landing
from tests.support.rules import broken

READ_ON = date(2026, 5, 30)
CONTEXT = DoorContext(night=date(2026, 5, 31), as_of_utc=datetime(2026, 5, 31, tzinfo=UTC))
REFUSED = ["restated_files_keep_their_events"]


def judged(*files: tuple[int, int], log: int, context: DoorContext = CONTEXT) -> list[str]:
    """The rules that are broken by files of (events before, of these kept) in a log of so many."""
    columns = ", ".join(f"{name} {kind}" for name, kind in RESTATED.items())
    with duckdb.connect() as db:
        db.execute(f"create schema raw; create table raw.restated ({columns})")
        for n, (before, kept) in enumerate(files):
            row = (f"{n}.csv", "orders", READ_ON, log, before, kept, kept, 9, 9)
            db.execute(f"insert into raw.restated values ({', '.join('?' * len(row))})", row)
        return broken(db, restated.rules(context))


@pytest.mark.parametrize(
    ("files", "log", "told"),
    [
        ([], 8232, []),
        ([(8232, 8232)], 8232, []),
        ([(8232, 6600)], 8232, []),
        ([(8232, 6585)], 8232, REFUSED),  # a fifth of the log
        ([(1000, 501)], 10_000, []),
        ([(1000, 500)], 10_000, REFUSED),  # half of a file
        ([(1000, 0)], 1_000_000, []),  # too little to tell the log by
        ([(1000, 750)] * 8, 10_000, REFUSED),  # a fifth of the log, from eight files
        ([(1000, 760)] * 8, 10_000, []),
        ([(4, 0)], 10, []),  # four events are chance
        ([(5, 0)], 10, REFUSED),
    ],
)
def test_half_of_a_file_or_a_fifth_of_the_log_may_not_go(files, log, told):
    assert judged(*files, log=log) == told


def test_a_change_that_is_meant_passes_until_it_was_published():
    meant = replace(CONTEXT, learn_from=CONTEXT.night)
    assert judged((8232, 0), log=8232, context=meant) == []
    assert judged((8232, 0), log=8232, context=replace(meant, learn_from=READ_ON)) == []
    before = replace(meant, learn_from=date(2026, 5, 29))
    assert judged((8232, 0), log=8232, context=before) == REFUSED


NIGHT = Night(date(2015, 5, 4), ZoneInfo("UTC"))


@pytest.fixture
def landing(tmp_path) -> Landing:
    return Landing(tmp_path)


def rows(*days_and_numbers: tuple[int, int]) -> list[str]:
    days = (GOOD.replace("05-01", f"05-{day:02}") for day, n in days_and_numbers for _ in range(n))
    return [row.replace("ann", f"user {n}") for n, row in enumerate(days)]


def pinned(landing: Landing, number: int) -> list[tuple]:
    attempt = landing.home.attempt(NIGHT.date, number)
    attempt.root.mkdir(parents=True)
    pin(attempt, NIGHT)
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute("from raw.restated").fetchall()


def publish(landing: Landing) -> None:
    """What the ledger names now was read by the night of 3 May."""
    folder = landing.home.nights / "2015-05-03" / "1"
    folder.mkdir(parents=True)
    inputs = {f"{f.source}:{f.name}": f.sha256 for f in landing.ledger.files()}
    (folder / "manifest.json").write_text(json.dumps({"inputs": inputs, "tables": {}}))
    landing.home.current.symlink_to("2015-05-03/1")


def test_what_is_left_of_a_file_is_counted_day_by_day(landing):
    landing.put("a.csv", rows((1, 6), (2, 4)))
    landing.put("b.csv", rows((1, 3)))
    landing.ingest()
    assert pinned(landing, 1) == []
    publish(landing)
    assert pinned(landing, 2) == []
    landing.put("a.csv", rows((2, 1)))  # a content that no night has read
    landing.ingest()
    landing.put("a.csv", rows((2, 2), (3, 20)))
    landing.ingest()
    told = ("orders/a.csv", "orders", date(2015, 5, 3), 13, 10, 22, 2, 2, 1)
    assert pinned(landing, 3) == [told]


def test_a_restated_file_is_told_with_its_rows_before_and_now(landing, capsys):
    landing.put("a.csv", rows((1, 6)))
    landing.ingest()
    landing.put("a.csv", rows((1, 3)))
    landing.ingest()
    told = "Restated: orders/a.csv of 'orders' replaces its earlier content: 6 accepted rows before, 3 now."
    assert told in capsys.readouterr().out


def test_a_published_night_that_cannot_be_read_is_no_measure(landing):
    landing.put("a.csv", rows((1, 6)))
    landing.ingest()
    publish(landing)
    (landing.home.nights / "2015-05-03" / "1" / "manifest.json").write_text("cut")
    with duckdb.connect() as db:
        db.execute("create schema raw")
        pin_restated(db, landing.ledger, landing.home)
        assert db.execute("from raw.restated").fetchall() == []
