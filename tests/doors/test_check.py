"""What a door writes, raises and leaves behind, whatever the rules are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import duckdb
import pytest

from expectations import SHELVES
from expectations.declare import literal
from nightshelf.doors import DoorContext, check
from nightshelf.doors import run as doors_run
from nightshelf.errors import DoorBroken, DoorClosed, StorageError, WarehouseLocked
from nightshelf.settings.rules import Rules

HOSTILE = "<script>alert('1')</script>\x1b[31m\nNext: all is well\u202e{batch} :x"


def _found(attempt, door):
    return json.loads((attempt.doors / f"{door}.json").read_text())


def _rule(found, name):
    return next(rule for rule in found["rules"] if rule["name"] == name)


def _volume(attempt) -> tuple:
    """The judged day, its events, and what is usual, as the door's JSON shows them."""
    listed = _rule(_found(attempt, "raw"), "days_have_their_usual_volume")["listed"]
    (figures,) = (row for row in listed if row["measure"] == "volume")
    return figures["day"], figures["observed"], figures["usual"]


def test_a_missing_column_breaks_the_door_and_does_not_close_it(attempt, context, spoil):
    spoil("ALTER TABLE features.feat_user DROP COLUMN n_active_days_28d")
    with pytest.raises(DoorBroken, match="feat_user_windows_are_nested on features.feat_user"):
        check("features", attempt, context)
    broken = [r for r in _found(attempt, "features")["rules"] if not r["success"]]
    assert [(r["name"], r["outcome"]) for r in broken] == [
        ("feat_user_windows_are_nested", "broken")
    ]
    assert "n_active_days_28d" in broken[0]["error"]


def test_a_missing_column_breaks_a_column_expectation_too(attempt, context, spoil):
    spoil("ALTER TABLE features.feat_item DROP COLUMN repeat_share")
    with pytest.raises(DoorBroken, match="feat_item_repeat_share_is_a_share"):
        check("features", attempt, context)


def test_a_missing_table_breaks_the_door(attempt, context, spoil):
    spoil("DROP TABLE marts.dim_users")
    with pytest.raises(DoorBroken, match="dim_users_is_not_empty on marts.dim_users raised"):
        check("features", attempt, context)


def test_a_raw_view_whose_parquet_is_gone_breaks_the_door(attempt, context, spoil, tmp_path):
    file = tmp_path / "day.parquet"
    spoil(
        f"COPY landed.events TO '{file}' (FORMAT parquet); "
        f"CREATE OR REPLACE VIEW raw.events AS SELECT * FROM read_parquet('{file}')"
    )
    check("raw", attempt, context)
    file.unlink()
    with pytest.raises(DoorBroken, match="events_is_not_empty"):
        check("raw", attempt, context)


def test_a_previous_night_without_files_breaks_the_door(attempt, context, tmp_path):
    with pytest.raises(DoorBroken, match="No files found"):
        check("shelves", attempt, replace(context, previous=tmp_path))


def test_a_broken_door_also_names_what_the_data_broke(attempt, context, spoil):
    spoil(
        "ALTER TABLE features.feat_item DROP COLUMN repeat_share; "
        "UPDATE features.feat_user SET repeat_share = 2"
    )
    with pytest.raises(DoorBroken, match="also refused: feat_user_repeat_share_is_a_share"):
        check("features", attempt, context)


def test_all_failing_rules_are_named_with_table_count_samples_reason_and_step(
    attempt, context, spoil
):
    spoil(
        "UPDATE recommendations.rec_popular SET propensity = 0; "
        "UPDATE recommendations.rec_popular SET score = 'nan' WHERE rank = 2"
    )
    with pytest.raises(DoorClosed) as closed:
        check("shelves", attempt, context)
    message = str(closed.value)
    assert "Door shelves, night 2026-05-31, is closed by 2 of 39 rules." in message
    assert "scores_are_finite on recommendations.rec_*: 1 row refused" in message
    assert "propensities_are_probabilities on recommendations.rec_*: 4 rows refused" in message
    assert message.count("shelf='rec_popular'") == 4  # one, and three of four
    assert "why: Whoever learns from the shown lists" in message
    assert "do: Look at the model of the named shelf" in message


def test_the_step_of_a_single_failing_rule_is_said_once(attempt, context, spoil):
    spoil("UPDATE recommendations.rec_popular SET propensity = 0")
    with pytest.raises(DoorClosed) as closed:
        check("shelves", attempt, context)
    assert str(closed.value).count(closed.value.next_step) == 1
    assert "    do: " not in str(closed.value)


def test_the_message_names_both_dates_of_logs_that_stop_early(attempt, context, spoil):
    spoil("UPDATE landed.events SET occurred_at = occurred_at - INTERVAL 5 DAY")
    with pytest.raises(DoorClosed, match="newest_event=2026-05-25 23:00:00, as_of=2026-05-30 22"):
        check("raw", attempt, context)


def test_rules_on_a_missing_shelf_are_skipped_and_not_raised(attempt, context, spoil):
    spoil("DROP TABLE recommendations.rec_for_you")
    with pytest.raises(DoorClosed, match="shelves_have_the_published_columns"):
        check("shelves", attempt, context)
    rules = _found(attempt, "shelves")["rules"]
    outcomes = {r["outcome"] for r in rules if r["table"].startswith("recommendations")}
    assert outcomes == {"failed", "skipped"}


def test_a_shop_may_leave_a_shelf_out(attempt, context, spoil):
    spoil("DROP TABLE recommendations.rec_for_you; DROP TABLE recommendations.rec_discover")
    fewer = tuple(s for s in SHELVES if s not in ("rec_for_you", "rec_discover"))
    assert check("shelves", attempt, replace(context, shelves=fewer)).success


def test_a_sale_that_ends_takes_its_lists_along(attempt, context, spoil):
    spoil("DELETE FROM recommendations.rec_on_sale WHERE context_id > 'u10'")
    assert check("shelves", attempt, context).success


@pytest.fixture
def before(context, tmp_path):
    """A context whose last night's shelf is what the SQL makes of `before`, as it was published."""

    def made(shelf: str, sql: str) -> DoorContext:
        folder = tmp_path / "previous"
        shutil.copytree(context.previous, folder)
        published = literal(str(context.previous / f"{shelf}.parquet"))
        with duckdb.connect() as db:
            db.execute(f"CREATE TABLE before AS FROM read_parquet({published}); {sql}")
            db.execute(
                f"COPY before TO {literal(str(folder / f'{shelf}.parquet'))} (FORMAT parquet)"
            )
        return replace(context, previous=folder)

    return made


def test_bestsellers_that_stood_in_for_pairs_go_when_the_pairs_suffice(attempt, before, spoil):
    context = before(
        "rec_cart",
        "UPDATE before SET source = CASE WHEN rank = 1 THEN 'rules' ELSE 'category' END WHERE context_id > 'i2'",
    )
    spoil("DELETE FROM recommendations.rec_cart WHERE context_id > 'i2'")
    assert check("shelves", attempt, context).success
    spoil("UPDATE recommendations.rec_cart SET source = 'category' WHERE rank = 4")
    with pytest.raises(DoorClosed, match="shelves_serve_as_many_as_last_night"):
        check("shelves", attempt, context)


def test_a_region_with_too_few_newcomers_takes_its_list_along(attempt, before):
    context = before(
        "rec_cold_start",
        "INSERT INTO before SELECT before.* REPLACE ('region' AS context_type, 'r' || n AS context_id)"
        " FROM before, range(9) AS regions(n)",
    )
    assert check("shelves", attempt, context).success


@pytest.mark.parametrize("gone, opens", [(1, True), (2, False)])
def test_of_a_few_categories_one_may_sell_out(attempt, before, spoil, gone, opens):
    lists = "SELECT shelf.* REPLACE ('category' AS context_type, 'c' || n AS context_id)"
    of_one = "(SELECT * FROM {} WHERE context_id = (SELECT min(context_id) FROM {})) AS shelf"
    context = before(
        "rec_popular",
        f"CREATE TABLE few AS {lists} FROM {of_one.format('before', 'before')}, range(3) AS c(n);"
        " DELETE FROM before; INSERT INTO before FROM few",
    )
    shelf = "recommendations.rec_popular"
    spoil(
        f"CREATE TABLE few AS {lists} FROM {of_one.format(shelf, shelf)}, range({3 - gone}) AS c(n);"
        f" DELETE FROM {shelf}; INSERT INTO {shelf} FROM few; DROP TABLE few"
    )
    if opens:
        assert check("shelves", attempt, context).success
    else:
        with pytest.raises(DoorClosed, match="shelves_serve_as_many_as_last_night"):
            check("shelves", attempt, context)


ONE_LEADS = "UPDATE recommendations.rec_for_you SET item_id = 'i13' WHERE rank = 1"
"""i13 is on nobody's list, so that no list names it twice."""


def test_where_popular_items_serve_one_may_lead_for_everybody(attempt, context, spoil):
    spoil(f"{ONE_LEADS}; INSERT INTO landed.items BY NAME SELECT 'i13' AS item_id;"
          " INSERT INTO marts.dim_items BY NAME SELECT 'i13' AS item_id")  # fmt: skip
    with pytest.raises(DoorClosed, match="no_single_item_leads_for_everybody"):
        check("shelves", attempt, context)
    assert check("shelves", attempt, replace(context, is_personal=False)).success


def test_where_popular_items_serve_a_day_without_events_leaves_the_lists_as_they_were(
    attempt, context, spoil
):
    spoil("UPDATE recommendations.rec_for_you SET score = 0.99 * score")
    with pytest.raises(DoorClosed, match="shelves_are_not_last_nights"):
        check("shelves", attempt, context)
    assert check("shelves", attempt, replace(context, is_personal=False)).success


def test_what_most_users_took_before_may_lead_for_everybody(attempt, context, spoil):
    spoil(f"{ONE_LEADS}; INSERT INTO landed.items BY NAME SELECT 'i13' AS item_id;"
          " INSERT INTO marts.dim_items BY NAME SELECT 'i13' AS item_id")  # fmt: skip
    with pytest.raises(DoorClosed) as raised:
        check("shelves", attempt, context)
    assert "no_single_item_leads_for_everybody" in str(raised.value)
    spoil("""INSERT INTO marts.fct_interactions BY NAME
        SELECT context_id AS user_id, item_id, 'view' AS event_type, DATE '2026-05-01' AS interaction_date,
            1 AS n_events
        FROM recommendations.rec_for_you WHERE rank = 1""")
    assert "no_single_item_leads_for_everybody" not in closed_by(attempt, context)


def closed_by(attempt, context) -> str:
    """What the door of the shelves says; "" where it is open."""
    try:
        check("shelves", attempt, context)
    except DoorClosed as shut:
        return str(shut)
    return ""


def test_of_a_handful_of_items_one_may_lead_for_everybody(attempt, context, spoil):
    spoil("""
        DELETE FROM recommendations.rec_for_you WHERE rank > 1;
        UPDATE recommendations.rec_for_you SET item_id = 'i0'""")
    first_night = replace(context, previous=None, rules=Rules())
    assert check("shelves", attempt, first_night).success


def test_a_first_night_has_nothing_to_be_compared_with(attempt, context):
    result = check("shelves", attempt, replace(context, previous=None))
    assert not [rule for rule in result.rules if "last_night" in rule.name]


def test_an_event_at_midnight_belongs_to_the_day_it_begins(attempt, context, spoil):
    # 48 events a day; the one at as_of - 24 h is yesterday's first, the one at as_of tomorrow's.
    check("raw", attempt, context)
    assert _volume(attempt) == ("2026-05-30", 48, 48)
    spoil("DELETE FROM landed.events WHERE occurred_at = TIMESTAMP '2026-05-29 22:00:00'")
    check("raw", attempt, context)
    assert _volume(attempt) == ("2026-05-30", 47, 48)


def test_a_day_without_events_is_left_to_the_rule_on_lag(attempt, context, spoil):
    spoil("DELETE FROM landed.events WHERE occurred_at >= TIMESTAMP '2026-05-29 22:00:00'")
    assert check("raw", attempt, context).success


def test_a_rule_that_holds_shows_what_it_measured(attempt, context):
    check("shelves", attempt, context)
    found = _found(attempt, "shelves")
    assert found["success"]
    observed = _rule(found, "for_you_serves_the_users")["observed"]
    assert (observed["users"], observed["served"]) == (24, 24)


def test_values_from_strangers_are_escaped_everywhere(attempt, context, spoil):
    spoil(f"UPDATE recommendations.rec_popular SET item_id = {literal(HOSTILE)} WHERE rank = 1")
    with pytest.raises(DoorClosed) as closed:
        check("shelves", attempt, context)
    page = (attempt.doors / "shelves.html").read_text()
    assert "\x1b" not in str(closed.value) + page
    assert "\u202e" not in str(closed.value) + page
    assert r"\x1b[31m\nNext: all is well" in str(closed.value)
    assert "<script" not in page
    assert (
        _rule(_found(attempt, "shelves"), "offered_items_are_known")["samples"][0]["item_id"]
        == HOSTILE
    )


def test_the_page_needs_no_other_host(attempt, context):
    check("shelves", attempt, context)
    page = (attempt.doors / "shelves.html").read_text()
    assert not re.findall(r"https?:|src=|@import|url\(", page)
    assert "for_you_serves_the_users" in page


@pytest.mark.parametrize("fault", ["SELECT 1", "DELETE FROM recommendations.rec_popular"])
def test_another_process_can_write_at_once_after_the_door(attempt, context, spoil, fault):
    spoil(fault)
    try:
        check("shelves", attempt, context)
    except DoorClosed as closed:
        kept = closed  # its traceback holds the frames alive, as a caller's log would
        assert kept
    write = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE t (a INT)')"
    subprocess.run([sys.executable, "-c", write, str(attempt.database)], check=True)
    spoil("DROP TABLE t")


def test_the_door_changes_nothing_in_the_database(attempt, context):
    before = attempt.database.read_bytes()
    check("shelves", attempt, context)
    assert attempt.database.read_bytes() == before


def test_a_writer_in_this_process_is_named(attempt, context):
    with (
        duckdb.connect(str(attempt.database)),
        pytest.raises(WarehouseLocked, match="this very process"),
    ):
        check("raw", attempt, context)


def test_a_writer_in_another_process_is_named(attempt, context):
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(attempt.database)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-3) as writer:
        writer.stdout.readline()
        with pytest.raises(WarehouseLocked, match=f"PID {writer.pid}"):
            check("raw", attempt, context)
        writer.communicate(b"\n")


def test_a_missing_database_is_no_verdict(attempt, context):
    attempt.database.unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        check("raw", attempt, context)


def test_progress_is_told_before_each_rule(attempt, context):
    lines = []
    result = check("raw", attempt, context, lines.append)
    assert lines[0] == f"door raw 1/{len(result.rules)}: events_have_their_columns"
    assert len(lines) == len(result.rules)


def test_nothing_is_printed_or_logged_and_no_analytics_are_sent(attempt, context, capfd, caplog):
    with caplog.at_level("DEBUG"):
        check("raw", attempt, context)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"


def test_literals_survive_format_and_quotes():
    text = "o'clock {batch} 12:30 ::x"
    sql = f"SELECT {literal(text)}".format(batch="never")
    assert duckdb.execute(sql).fetchall() == [(text,)]
    assert literal(datetime(2026, 5, 30, 22)) == "TIMESTAMP '2026-05-30 22:00:00'"


def test_a_door_keeps_to_the_memory_of_a_night(attempt, monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_MEMORY", "300MB")
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")
    asked = ("memory_limit", "threads", "temp_directory")
    sql = "select " + ", ".join(f"current_setting('{name}')" for name in asked)
    with (
        doors_run._batches(attempt, None) as batches,
        batches._source.get_engine().connect() as connection,
    ):
        (found,) = connection.exec_driver_sql(sql).fetchall()
    assert tuple(found) == ("286.1 MiB", 1, str(attempt.database.parent / "spill"))


def test_a_shelf_that_the_shop_file_shortened_is_held_against_as_much_of_last_nights(
    attempt, context, spoil
):
    spoil("DELETE FROM recommendations.rec_similar_items WHERE rank > 1")
    with pytest.raises(DoorClosed, match="shelves_are_as_long_as_last_night"):
        check("shelves", attempt, context)
    check("shelves", attempt, replace(context, lengths={"rec_similar_items": 1}))
