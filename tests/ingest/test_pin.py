"""What a night reads: the parts that the ledger names when it begins, less what was restated."""

from datetime import date
from zoneinfo import ZoneInfo

import duckdb
import pytest

from nightshelf.errors import InputError
from nightshelf.night import Night
from nightshelf.pinned.inputs import newest_night, pin
from nightshelf.steps import refuse_none_before_now
from tests.support.landing import GOOD, MAP, Landing

UTC = ZoneInfo("UTC")
NIGHT = Night(date(2015, 5, 3), UTC)


def on(day: str, item: str = "tea") -> str:
    return GOOD.replace("2015-05-01", day).replace("tea", item)


def pinned(landing, what: str, number: int = 1) -> list[tuple]:
    attempt = landing.home.attempt(NIGHT.date, number)
    attempt.root.mkdir(parents=True, exist_ok=True)
    if not attempt.database.exists():
        pin(attempt, NIGHT)
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute(what).fetchall()


def test_a_restated_row_is_not_visible(landing):
    landing.put("a.csv", [on("2015-05-01"), on("2015-05-02", "pot")])
    landing.ingest()
    assert pinned(landing, "select item_id from raw.events order by 1", 1) == [("pot",), ("tea",)]
    landing.put("a.csv", [on("2015-05-01", "cup")])
    landing.ingest()
    assert pinned(landing, "select item_id from raw.events", 2) == [("cup",)]
    assert pinned(landing, "select name, accepted from raw.files", 2) == [("orders/a.csv", 1)]


def test_folders_above_the_home_that_look_like_columns_are_none(tmp_path):
    landing = Landing(tmp_path / "item_id=5" / "day=2020-01-01")
    landing.put("a.csv", [on("2015-05-01"), on("2015-05-02", "pot")])
    landing.ingest()
    found = pinned(landing, "select item_id, occurred_on from raw.events_by_day order by 1")
    assert found == [("pot", date(2015, 5, 2)), ("tea", date(2015, 5, 1))]


def test_a_night_that_has_begun_does_not_see_files_that_land_later(landing):
    landing.put("a.csv", [on("2015-05-01")])
    landing.ingest()
    assert len(pinned(landing, "from raw.events")) == 1
    landing.put("b.csv", [on("2015-05-01", "pot")])
    landing.ingest()
    assert len(pinned(landing, "from raw.events")) == 1
    assert len(pinned(landing, "from raw.events", 2)) == 2


def test_a_days_fingerprint_changes_when_a_file_touches_or_leaves_it(landing):
    landing.put("a.csv", [on("2015-05-01")])
    landing.put("b.csv", [on("2015-05-02")])
    landing.ingest()
    first = dict(pinned(landing, "select occurred_on, fingerprint from raw.days", 1))
    landing.put("late.csv", [on("2015-05-01", "pot")])
    landing.ingest()
    second = dict(pinned(landing, "select occurred_on, fingerprint from raw.days", 2))
    assert [day.day for day in first if first[day] != second[day]] == [1]
    landing.put("b.csv", [on("2015-05-01", "cup")])
    landing.ingest()
    third = dict(pinned(landing, "select occurred_on, fingerprint from raw.days", 3))
    assert second[date(2015, 5, 2)] != third.get(date(2015, 5, 2))


def test_logs_that_do_not_reach_the_night_are_told_with_their_span(landing):
    landing.put("a.csv", [on("2015-05-03"), on("2015-05-09")])
    landing.ingest()
    told = "No events before 2015-05-03; the logs at hand cover 2015-05-03 to 2015-05-09."
    with pytest.raises(InputError, match=told):
        pinned(landing, "select 1")


def test_the_newest_night_is_the_midnight_nearest_to_the_newest_event(landing):
    landing.put("a.csv", [on("2015-05-01"), GOOD.replace("10:00:00", "23:59:00")])
    landing.ingest()
    assert newest_night(landing.home, UTC) == date(2015, 5, 2)
    landing.put("b.csv", [GOOD.replace("05-01 10:00:00", "05-02 03:00:00")])
    landing.ingest()
    assert newest_night(landing.home, UTC) == date(2015, 5, 2)
    assert newest_night(landing.home, ZoneInfo("Pacific/Kiritimati")) == date(2015, 5, 3)


def test_after_a_log_of_dates_the_night_is_the_one_that_ends_its_newest_date(landing):
    dates = [GOOD.replace("05-01 10:00:00", day) for day in ("04-30", "05-01")]
    landing.put("a.csv", dates)
    landing.ingest()
    assert newest_night(landing.home, UTC) == date(2015, 5, 2)
    landing.put("b.csv", [GOOD.replace("05-01 10:00:00", "05-02 00:00:00"), GOOD])
    landing.ingest()
    assert newest_night(landing.home, UTC) == date(2015, 5, 2)


def test_restated_events_and_events_from_the_future_do_not_name_the_night(landing):
    landing.put("a.csv", [on("2015-05-08")])
    landing.put("b.csv", [GOOD.replace("10:00:00", "20:00:00"), on("2099-01-01")])
    landing.ingest()
    landing.put("a.csv", [on("2015-04-30")])
    landing.ingest()
    assert newest_night(landing.home, UTC) == date(2015, 5, 2)


def test_what_a_replaced_catalogue_named_is_remembered(tmp_path):
    items = {"name": "items", "adapter": "column_map", "path": "items.csv", "kind": "items"}
    landing = Landing(tmp_path, [MAP, items | {"columns": {"item_id": "sku", "title": "name"}}])
    landing.put("a.csv", [GOOD])
    for names in (("tea", "pot"), ("tea", "cup")):
        lines = "".join(f"{name},{name}\n" for name in names)
        (landing.folder / "items.csv").write_text(f"sku,name\n{lines}")
        landing.ingest()
    once = pinned(landing, "select item_id from raw.items_once order by 1")
    assert once == [("pot",), ("tea",)]
    assert pinned(landing, "select item_id from raw.items order by 1") == [("cup",), ("tea",)]


def test_events_that_all_lie_in_the_clock_s_future_are_told_with_their_days(landing):
    landing.put("a.csv", [on("2099-01-01"), on("2099-01-03")])
    landing.ingest()
    with pytest.raises(InputError, match="All events lie after .* 2099-01-01 to 2099-01-03"):
        refuse_none_before_now(landing.home)


def test_a_shop_without_events_has_no_newest_night(landing):
    landing.put("a.csv", ["never,tea,ann,1,1,sale"])
    landing.ingest()
    assert newest_night(landing.home, UTC) is None
    refuse_none_before_now(landing.home)


def test_sessions_stand_for_visitors_while_no_event_before_the_night_names_one(tmp_path):
    """A login on the night itself changes nothing that the night is told."""
    from tests.support.landing import MAP, Landing

    columns = {k: v for k, v in MAP["columns"].items() if k != "user_id"}
    landing = Landing(
        tmp_path, [MAP | {"columns": columns | {"session_id": "who", "user_id": "note"}}]
    )
    head = "when,sku,who,n,price,kind,note\n"
    landing.put("a.csv", head + on("2015-05-01") + ",\n")
    landing.ingest()
    facts, days = (
        "from raw.facts",
        "select fingerprint from raw.days where occurred_on < '2015-05-03'",
    )
    assert pinned(landing, facts, 1) == [(True,)]
    landing.put("b.csv", head + on("2015-05-03") + ",ann\n")
    landing.ingest()
    assert pinned(landing, facts, 2) == [(True,)]
    assert pinned(landing, days, 2) == pinned(landing, days, 1)
    landing.put("c.csv", head + on("2015-05-02") + ",ann\n")
    landing.ingest()
    assert pinned(landing, facts, 3) == [(False,)]
    assert not set(pinned(landing, days, 3)) & set(pinned(landing, days, 1))
