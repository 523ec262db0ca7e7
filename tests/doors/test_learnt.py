"""What a band is learnt from, which days are judged, and what a shop may say about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest

from expectations import raw
from expectations.learnt import HOURS, MEASURES, RULES, VOLUME
from nightshelf.doors import DoorContext, profile
from nightshelf.doors.profile.clock import days_of_change, shown_time
from tests.support.clickstream import Clickstream, make
from tests.support.rules import broken

SHOP = Clickstream(seed=7, events_per_day=600, days=70)
CONTEXT = DoorContext(night=SHOP.night, as_of_utc=SHOP.as_of, now_utc=SHOP.as_of)


@pytest.fixture(scope="module")
def whole():
    with duckdb.connect() as db:
        make(db, SHOP)
        yield db


@pytest.fixture
def shop(whole):
    """The shop's connection; what a test does to it is undone."""
    whole.execute("BEGIN")
    yield whole
    whole.execute("ROLLBACK")


def bands(db, measure: str, context: DoorContext = CONTEXT) -> list[dict]:
    """The judged figures of a measure, newest day first."""
    profile.measure(db, context)
    found = db.execute(
        "SELECT * FROM raw.day_bands WHERE measure = ? ORDER BY day DESC, key", [measure]
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def stops(db, context: DoorContext = CONTEXT) -> list[str]:
    profile.measure(db, context)
    return broken(db, raw.rules(context))


def lose(db, day: int, of_ten: int) -> None:
    db.execute(
        f"DELETE FROM landed.events WHERE days_before = {day} AND row_number % 10 < {of_ten}"
    )


def test_every_measure_belongs_to_a_rule_and_every_rule_has_one():
    assert {m.rule for m in MEASURES} == set(RULES)


def test_a_figure_that_holds_is_shown_with_its_band(shop):
    (volume,) = bands(shop, "volume")
    assert volume["day"] == date(2026, 5, 30)
    assert volume["low"] < volume["observed"]
    assert volume["high"] is None
    assert (volume["learnt_from"], volume["verdict"]) == (55, "within")


def test_more_than_usual_is_no_fault(shop):
    for n in (1, 2):
        shop.execute(
            f"INSERT INTO landed.events BY NAME SELECT * REPLACE (event_id || '{n}' AS event_id,"
            f" occurred_at + INTERVAL {n} SECOND AS occurred_at, session_id || '{n}' AS session_id,"
            f" anonymous_id || '{n}' AS anonymous_id, order_id || '{n}' AS order_id,"
            " 'f-new' AS file_id)"
            " FROM landed.events WHERE days_before = 1 AND file_id <> 'f-new'"
        )
    assert stops(shop) == []


def test_fewer_than_fourteen_days_teach_nothing_and_the_figures_say_so(shop):
    shop.execute("DELETE FROM landed.events WHERE days_before > 14")
    lose(shop, 1, 7)
    (volume,) = bands(shop, "events_per_visitor")
    assert (volume["low"], volume["learnt_from"]) == (None, 13)
    assert volume["verdict"] == "too few days to learn from, 14 wanted"


def test_a_fifth_of_the_usual_day_is_refused_before_anything_is_learnt(shop):
    shop.execute("DELETE FROM landed.events WHERE days_before > 10")
    lose(shop, 1, 7)
    assert stops(shop) == []
    shop.execute("DELETE FROM landed.events WHERE days_before = 1 AND row_number > 60")
    assert stops(shop) == [VOLUME]


def test_a_day_named_quiet_may_be_as_small_and_short_as_it_likes(shop):
    shop.execute("DELETE FROM landed.events WHERE days_before = 1 AND hour(occurred_at) > 11")
    assert HOURS in stops(shop)
    assert stops(shop, replace(CONTEXT, quiet_days=("05-30",))) == []


def test_a_change_that_is_meant_is_learnt_anew_from_its_day(shop):
    shop.execute("UPDATE landed.events SET price = price * 100 WHERE days_before <= 20")
    shop.execute("UPDATE landed.events SET price = price / 100 WHERE days_before = 1")
    level = next(b for b in bands(shop, "price_level") if b["key"] == "view")
    assert level["verdict"] == "within"
    context = replace(CONTEXT, learn_from=date(2026, 5, 11))
    level = next(b for b in bands(shop, "price_level", context) if b["key"] == "view")
    assert (level["verdict"], level["learnt_from"]) == ("below", 19)


def test_late_days_that_new_files_brought_are_judged_and_not_learnt_from(shop):
    lose(shop, 3, 8)
    assert stops(shop) == []  # day 3 was there last night
    context = replace(CONTEXT, new_files=("f-1", "f-3", "f-50"))
    volumes = bands(shop, "volume", context)
    assert [v["day"].day for v in volumes] == [30, 28]
    assert [v["verdict"] for v in volumes] == ["within", "below"]
    assert volumes[0]["learnt_from"] == 54


def test_a_late_trickle_does_not_make_a_day_new(shop):
    shop.execute(
        "UPDATE landed.events SET file_id = 'late' WHERE days_before = 5 AND row_number <= 20"
    )
    context = replace(CONTEXT, new_files=("f-1", "late"))
    assert len(bands(shop, "volume", context)) == 1


@pytest.mark.parametrize(
    "odd",
    [
        "occurred_at = TIMESTAMP '2056-01-01'",
        "occurred_at = TIMESTAMP '1994-01-01'",
        "price = -1",
        "quantity = 4006381333931",
    ],
)
def test_in_a_log_of_three_hundred_lines_a_few_may_be_odd(odd, shop):
    shop.execute("DELETE FROM landed.events WHERE days_before > 3 OR row_number % 6 > 0")
    shop.execute(f"UPDATE landed.events SET {odd} WHERE days_before = 3 AND row_number <= 24")
    assert stops(shop) == []


def test_rows_set_aside_are_no_fault(shop):
    shop.execute(
        "UPDATE raw.files SET quarantined = 9000, set_aside = 9000, rows_read = 9000 + accepted"
    )
    assert stops(shop) == []
    shop.execute("UPDATE raw.files SET set_aside = 0")
    assert "few_rows_are_quarantined" in stops(shop)


def test_one_refused_file_among_good_ones_is_named_while_it_is_new(shop):
    shop.execute("UPDATE raw.files SET accepted = 0, quarantined = rows_read WHERE file_id = 'f-9'")
    assert stops(shop) == ["no_new_file_is_mostly_quarantined"]
    assert stops(shop, replace(CONTEXT, new_files=("f-1",))) == []


def test_a_shop_that_knows_visitors_only_passes(shop):
    shop.execute("UPDATE landed.events SET user_id = NULL")
    assert stops(shop) == []


def test_a_shop_that_knows_sessions_only_passes(shop):
    shop.execute("UPDATE landed.events SET user_id = NULL, anonymous_id = NULL")
    profile.measure(shop, CONTEXT)
    assert "most_events_know_their_user" in broken(shop, raw.rules(CONTEXT))
    shop.execute("UPDATE raw.facts SET sessions_are_visitors = true")
    assert stops(shop) == []


def test_a_shop_without_a_catalogue_passes(shop):
    shop.execute("DELETE FROM landed.items; DELETE FROM raw.files WHERE kind = 'items'")
    assert stops(shop) == []


@pytest.mark.parametrize(
    ("utc", "shown"),
    [
        ("2026-03-29 00:59:59", "2026-03-29 01:59:59"),
        ("2026-03-29 01:00:00", "2026-03-29 03:00:00"),
        ("2026-05-30 21:59:59", "2026-05-30 23:59:59"),
    ],
)
def test_days_are_the_shop_s_own_on_both_sides_of_a_clock_change(utc, shown):
    as_of = datetime(2026, 5, 30, 22, tzinfo=UTC)
    berlin = replace(CONTEXT, as_of_utc=as_of, zone=ZoneInfo("Europe/Berlin"))
    shown_as = shown_time(berlin, 65, f"TIMESTAMP '{utc}'")
    found = duckdb.execute(f"SELECT {shown_as}").fetchone()
    assert str(found[0]) == shown
    assert days_of_change(berlin, 65) == [63]
