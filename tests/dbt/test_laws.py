"""Laws of history and of time, on logs that nobody thought of. NIGHTSHELF_EXAMPLES asks for more."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dbt.bench import BY_DATE, HISTORY, NIGHTLY, Bench, built

EXAMPLES = int(os.environ.get("NIGHTSHELF_EXAMPLES", "15"))
FIRST = datetime(2017, 11, 1)
KEPT = (*HISTORY, "int_events_deduplicated")
PROVENANCE = ("file_id", "source_row", "element", "day_fingerprint")
law = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Quarters of an hour on four days, so that midnights, gaps of 30 minutes and ties are common.
instants = st.builds(
    lambda day, quarter: FIRST + timedelta(days=day, minutes=15 * quarter),
    st.integers(0, 3),
    st.sampled_from([0, 1, 2, 3, 40, 41, 43, 44, 93, 94, 95]),
)
users = st.none() | st.sampled_from(["u", "w"])
shopping = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from("abcdefgh"),
        "event_type": st.sampled_from(["purchase", "purchase", "refund", "view", "login"]),
        "occurred_at": instants,
        "user_id": users,
        "anonymous_id": st.none() | st.sampled_from(["v", "x"]),
        "session_id": st.none() | st.just("s"),
        "item_id": st.sampled_from("ij"),
        "order_id": st.none() | st.sampled_from("op"),
        "quantity": st.integers(1, 3),
    }
).filter(lambda e: e["user_id"] or e["anonymous_id"] or e["session_id"])
events = st.lists(shopping, max_size=12)
files = st.dictionaries(st.sampled_from(["f", "g", "h"]), events, max_size=2)
"""What lands before one night: new files, and files with other content than before."""


@law
@given(nights=st.lists(files, min_size=1, max_size=4))
def test_history_by_nights_is_history_at_once_and_only_touched_days_are_built(
    project, tmp_path, nights
):
    by_nights, log, before = Bench(project), {}, {}
    for landed in nights:
        log |= landed
        by_nights.land(log)
        now = dict(
            by_nights.db.execute("select occurred_on, fingerprint from night.raw.days").fetchall()
        )
        done = by_nights.build_history()
        changed = {day for day, files in now.items() if before.get(day) != files}
        assert done["int_copies_found"] == changed
        assert done["int_session_parts"] == changed
        before = now
    at_once = Bench(project)
    at_once.land(dict(sorted(log.items(), reverse=True)))
    at_once.build_history()
    for model in KEPT:
        found = by_nights.parquet(model, tmp_path / "found")
        assert found == at_once.parquet(model, tmp_path / "at_once"), model


# Of one device, near the midnights of `zones`: visits over midnight, logins, refunds and robots are common.
close = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from("abcdefgh"),
        "event_type": st.sampled_from(["purchase", "purchase", "refund", "view", "login"]),
        "occurred_at": st.builds(
            lambda day, quarter: FIRST + timedelta(days=day, minutes=15 * quarter),
            st.integers(0, 2),
            st.sampled_from([0, 40, 41, 43, 44, 95]),
        ),
        "user_id": st.none() | st.just("u"),
        "anonymous_id": st.just("v"),
        "item_id": st.sampled_from("iij"),
        "order_id": st.none() | st.just("o"),
        "quantity": st.sampled_from([1, 1, 2]),
    }
)
close_files = st.dictionaries(
    st.sampled_from("fghk"), st.lists(close, max_size=4), min_size=1, max_size=2
)
zones = st.sampled_from(["UTC", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Honolulu"])
"""Their midnights lie among the instants above."""
shifts = st.sampled_from([timedelta(0), timedelta(days=-215)])
"""The second puts the log on 2017-03-31 to 04-03, when New Zealand has a date of 25 hours."""
last_dates = st.sampled_from([0, 1, 2, 3, 3, 4])
"""How many dates after the first a night lies: before, amid and after the log."""


def bench_in(project, zone: str) -> Bench:
    """A shop in that zone, where two looks in a minute make a robot."""
    in_zone = {"at time zone 'UTC')::date": f"at time zone '{zone}')::date"}
    return Bench(project, in_zone | {"least(2000, 60)": "least(2000, 1)", "> 60": "> 1"})


def shifted(log: dict, shift: timedelta) -> dict:
    return {
        name: [e | {"occurred_at": e["occurred_at"] + shift} for e in lines]
        for name, lines in log.items()
    }


@pytest.mark.long
@law
@given(
    nights=st.lists(
        st.tuples(close_files, last_dates, st.just("") | st.sampled_from(NIGHTLY)),
        min_size=1,
        max_size=3,
    ),
    last=st.tuples(close_files, last_dates),
    zone=zones,
    shift=shifts,
)
def test_dates_built_by_nights_in_any_order_and_killed_anywhere_are_dates_built_at_once(
    project, tmp_path, nights, last, zone, shift
):
    by_nights, log = bench_in(project, zone), {}
    for landed, days, until in [*nights, (*last, "")]:
        log |= shifted(landed, shift)
        night = (FIRST + shift + timedelta(days=days)).date()
        by_nights.land(log)
        by_nights.build_history()
        by_nights.build_night(night, until)
    at_once = bench_in(project, zone)
    at_once.land(dict(sorted(log.items(), reverse=True)))
    at_once.build_history()
    at_once.build_night(night)
    for model in (*BY_DATE, "fct_sessions", "fct_interactions"):
        found = by_nights.parquet(model, tmp_path / "found")
        assert found == at_once.parquet(model, tmp_path / "at_once"), model
    assert by_nights.build_night(night) == {model: set() for model in BY_DATE}


def at(day: int, clock: str, event_type: str = "view", **columns) -> dict:
    hour, minute = map(int, clock.split(":"))
    when = FIRST + timedelta(days=day, hours=hour, minutes=minute)
    names = {
        "event_id": f"{day} {clock} {event_type}",
        "anonymous_id": "v",
        "item_id": "i",
        "quantity": 1,
    }
    return names | {"event_type": event_type, "occurred_at": when} | columns


LATE = {
    "nothing": ([at(0, "10:00")], [], set(), set()),
    "a day": ([at(0, "10:00")], [at(2, "10:00")], {2}, {2}),
    "the rest of a visit": ([at(0, "23:50"), at(1, "09:00")], [at(2, "00:10"), at(1, "00:10")], {0, 1, 2}, {1, 2}),
    "a visit's beginning": ([at(1, "00:10"), at(2, "09:00")], [at(0, "23:50")], {0, 1}, {0}),
    "a refund": ([at(0, "10:00", "purchase", user_id="u"), at(1, "10:00", "purchase", user_id="u")],
                 [at(2, "10:00", "refund", user_id="u", quantity=2)], {2}, {0, 1, 2}),
    "a login": ([at(0, "10:00", "purchase"), at(1, "10:00", user_id="w", anonymous_id=None)],
                [at(2, "10:00", "login", user_id="u")], {2}, {0, 2}),
    "a robot's looks": ([at(0, "23:50"), at(1, "00:10")],
                        [at(1, "00:10", event_id="again"), at(1, "00:10", event_id="and again")], {0, 1}, {1}),
}  # fmt: skip
"""What lands late → (log before, late lines, dates of sessions and of interactions that are built)."""


@pytest.mark.long
@pytest.mark.parametrize("late", LATE)
def test_what_comes_late_builds_the_dates_that_it_reaches_and_no_others(project, tmp_path, late):
    before, after, sessions, interactions = LATE[late]
    by_nights, at_once = bench_in(project, "UTC"), bench_in(project, "UTC")
    by_nights.land({"f": before})
    by_nights.build_history()
    by_nights.build_night()
    for bench in (by_nights, at_once):
        bench.land({"f": before, "late": after})
        bench.build_history()
    done = by_nights.build_night()
    at_once.build_night()
    dates = {model: {(day - FIRST.date()).days for day in days} for model, days in done.items()}
    assert dates["int_sessions_by_date"] == sessions
    assert dates["int_interactions_by_date"] == interactions
    for model in (*BY_DATE, "fct_sessions", "fct_interactions"):
        found = by_nights.parquet(model, tmp_path / "found")
        assert found == at_once.parquet(model, tmp_path / "at_once"), model


def test_no_plan_reads_a_file_of_a_day_that_is_not_built(project, tmp_path):
    log = {"f": [at(day, "10:00", "purchase", user_id="u", item_id=f"i{day}") for day in range(5)]}
    bench = bench_in(project, "UTC")
    bench.land(log)
    bench.build_history()
    bench.build_night()
    # The refund's own day, and of the interactions that of what it takes back.
    refund = at(5, "10:00", "refund", user_id="u", item_id="i1")
    bench.land(log | {"late": [refund, at(5, "10:00")]})
    bench.lay(tmp_path)
    planned = {}
    for model in (*HISTORY, *NIGHTLY):
        if model in (*HISTORY, *BY_DATE):
            planned[model] = bench.files_planned(model)
        bench.build(model)
    assert planned == {
        "int_copies_found": {1},
        "int_session_parts": {1},
        "int_robots_found": {1},
        "int_sessions_by_date": set(),
        "int_interactions_by_date": {2},
    }


@law
@given(log=events, cuts=st.lists(st.integers(0, 2), min_size=15, max_size=15))
def test_how_the_log_is_cut_into_files_and_what_is_repeated_change_no_event(
    project, tmp_path, log, cuts
):
    # Each of the first three has a rival: the same id and instant, another content.
    log = [*log, *(e | {"item_id": "k", "quantity": 9} for e in log[:3])]
    cut = list(zip(log, cuts, strict=False))
    split = {name: [e for e, n in cut if n == number] for number, name in enumerate("fgh")}
    split["again"] = log[1::2]
    of_files, whole = Bench(project), Bench(project)
    of_files.land(split)
    whole.land({"all": list(reversed(log))})
    for bench in (of_files, whole):
        bench.build_history()
    for model in ("int_events_deduplicated", "int_session_parts"):
        without = [c for c in PROVENANCE if c in of_files.nodes[model]["columns"]]
        found = of_files.parquet(model, tmp_path / "found", without)
        assert found == whole.parquet(model, tmp_path / "whole", without), model


def kept(log: list[dict]) -> list[dict]:
    """Of each day's copies, the one whose content comes first."""
    content = ("occurred_at", "event_type", "user_id", "anonymous_id", "item_id", "quantity")
    found: dict[tuple, dict] = {}
    for event in sorted(log, key=lambda e: [(e.get(c) is None, e.get(c)) for c in content]):
        found.setdefault((event["occurred_at"].date(), event["event_id"]), event)
    return list(found.values())


def parts(log: list[dict], zone: str) -> list[tuple]:
    """What each UTC day and date of the shop holds of each visitor's sessions, event by event."""
    named = [
        (e["occurred_at"].date(), e["anonymous_id"] or e["user_id"] or e["session_id"], e["session_id"] or "", e)
        for e in log
    ]  # fmt: skip
    found: dict[tuple, list[list[dict]]] = {}
    for day, visitor, session, event in sorted(named, key=lambda n: n[3]["occurred_at"]):
        at = event["occurred_at"].replace(tzinfo=UTC)
        event = event | {"date": at.astimezone(ZoneInfo(zone)).date()}
        runs = found.setdefault((day, visitor, session), [])
        last = runs[-1][-1] if runs else None
        if (
            last
            and event["occurred_at"] - last["occurred_at"] <= GAP
            and event["date"] == last["date"]
        ):
            runs[-1].append(event)
        else:
            runs.append([event])
    return sorted(
        (day, visitor, session, run[0]["occurred_at"], run[-1]["occurred_at"], run[0]["date"], len(run),
         len({e["item_id"] for e in run if e["item_id"]}), sum(e["event_type"] == "purchase" for e in run),
         sum(not e["user_id"] and e["anonymous_id"] is not None for e in run))
        for (day, visitor, session), runs in found.items() for run in runs
    )  # fmt: skip


@law
@given(log=events)
def test_copies_and_parts_of_sessions_are_those_of_a_plain_reading(project, log):
    bench = built(project, {"f": log})
    once = bench.rows("int_events_deduplicated", "occurred_on, event_id, item_id, quantity")
    assert once == sorted(
        (e["occurred_at"].date(), e["event_id"], e["item_id"], e["quantity"]) for e in kept(log)
    )
    found = bench.rows(
        "int_session_parts",
        "occurred_on, visitor_id, session_id, started_at, ended_at, event_date, n_events, n_items, n_purchases,"
        " n_anonymous",
    )
    assert found == parts(kept(log), "UTC")


ZONES = ("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "America/Santiago",
         "Atlantic/Azores", "Pacific/Chatham")  # fmt: skip
"""Among them: clocks put back over midnight and onto it, half and quarter hours."""


@law
@given(
    zone=st.sampled_from(ZONES),
    moments=st.lists(st.datetimes(datetime(2013, 1, 1), datetime(2030, 1, 1)), min_size=1),
    changes=st.lists(st.integers(0, 400 * 24 * 12), max_size=20),
)
def test_a_date_is_the_calendar_s_whatever_the_zone(project, zone, moments, changes):
    log = [{"event_id": str(n), "occurred_at": at} for n, at in enumerate(moments)]
    log += [
        {"event_id": f"c{n}", "occurred_at": datetime(2024, 1, 1) + timedelta(minutes=5 * n)}
        for n in changes
    ]
    bench = Bench(project)
    bench.land({"f": log})
    in_utc = "at time zone 'UTC')::date"
    sql = project.compiled["stg_events"]
    assert in_utc in sql
    here = sql.replace(in_utc, f"at time zone '{zone}')::date")
    wrong = bench.db.execute(
        f"select occurred_at, event_date from ({here})"
        " where event_date is distinct from ((occurred_at at time zone 'UTC') at time zone ?)::date",
        [zone],
    ).fetchall()
    assert wrong == []


def seen(bench: Bench, as_of: date) -> list[tuple]:
    """What a feature as of the date sees, by the macro's rule."""
    day = f"date '{as_of}'"
    return bench.rows(
        "fct_interactions",
        "user_id, item_id, event_type, interaction_date, n_events, quantity",
        f"interaction_date < {day} and coalesce(cancelled_on >= {day}, true)"
        f" and coalesce(joined_on < {day}, true) and coalesce(left_on >= {day}, true)",
    )


def unique_ids(log: list[dict]) -> list[dict]:
    return [e | {"event_id": str(n)} for n, e in enumerate(log)]


@pytest.mark.long
@law
@given(log=events, days=st.integers(1, 4))
def test_what_comes_later_changes_nothing_of_what_was_known(project, log, days):
    log = unique_ids(log)
    as_of = (FIRST + timedelta(days=days)).date()
    earlier = [e for e in log if e["occurred_at"].date() < as_of]
    assert seen(built(project, {"f": log}), as_of) == seen(built(project, {"f": earlier}), as_of)


@law
@given(log=events, days=st.integers(1, 4))
def test_as_of_any_date_a_day_is_seen_once_and_no_event_is_lost(project, log, days):
    log = unique_ids(log)
    as_of = (FIRST + timedelta(days=days)).date()
    bench = built(project, {"f": log})
    keys = [row[:4] for row in seen(bench, as_of)]
    assert len(keys) == len(set(keys))
    purchases = [
        e for e in log if e["event_type"] == "purchase" and e["occurred_at"].date() < as_of
    ]
    owned = sum(1 for e in purchases if e["user_id"] or e["anonymous_id"])
    day = f"date '{as_of}'"
    ((n_events,),) = bench.rows(
        "fct_interactions", "coalesce(sum(n_events), 0)::integer",
        f"interaction_date < {day} and coalesce(joined_on < {day}, true) and coalesce(left_on >= {day}, true)",
    )  # fmt: skip
    assert n_events == owned


def taken_back(log: list[dict]) -> dict[str, date]:
    """Event → the date on which its last piece went; the refunds played through, step by step."""
    gone = {}
    left = {e["event_id"]: e["quantity"] for e in log if e["event_type"] == "purchase"}
    refunds = [e for e in log if e["event_type"] == "refund"]
    for refund in sorted(refunds, key=lambda e: (e["occurred_at"], e["event_id"])):
        wanted = refund["quantity"]
        for purchase in from_top(log, refund):
            event = purchase["event_id"]
            taken = min(left[event], wanted)
            wanted -= taken
            if taken and taken == left[event]:
                gone[event] = refund["occurred_at"].date()
            left[event] -= taken
    return gone


def from_top(log: list[dict], refund: dict) -> list[dict]:
    """The purchases that a refund may take from: of the order that it names those of its whole date. Of purchases
    of one instant, the first by id lies on top."""

    def is_of_order(e: dict) -> bool:
        return e["order_id"] is not None and e["order_id"] == refund["order_id"]

    def is_earlier(e: dict) -> bool:
        is_of_date = e["occurred_at"].date() == refund["occurred_at"].date()
        return e["occurred_at"] <= refund["occurred_at"] or (is_of_order(e) and is_of_date)

    stack = [e for e in log if e["event_type"] == "purchase" and is_earlier(e)]
    stack = [
        e for e in stack if (e["user_id"], e["item_id"]) == (refund["user_id"], refund["item_id"])
    ]
    stack.sort(key=lambda e: e["event_id"])
    stack.sort(key=lambda e: e["occurred_at"], reverse=True)
    return sorted(stack, key=is_of_order, reverse=True)


known = events.map(
    lambda log: [e | {"event_id": f"{n:02d}", "user_id": "u"} for n, e in enumerate(log)]
)


@law
@given(log=known)
def test_refunds_take_from_a_stack(project, log):
    bench = built(project, {"f": log})
    assert dict(bench.rows("int_purchases_cancelled", "event_id, cancelled_on")) == taken_back(log)


GAP = timedelta(minutes=30)


def holder(event: dict, log: list[dict], as_of: date) -> str:
    """Whose an anonymous event is as of a date, told from the events before that date alone."""
    device = event["anonymous_id"]
    before = [e for e in log if e["anonymous_id"] == device and e["occurred_at"].date() < as_of]
    visit = _session(event, before)
    in_visit = {e["user_id"] for e in visit if e["user_id"]}
    if in_visit:
        return in_visit.pop() if len(in_visit) == 1 else device
    firsts: dict[str, date] = {}
    for e in sorted(before, key=lambda e: e["occurred_at"]):
        if e["user_id"]:
            firsts.setdefault(e["user_id"], e["occurred_at"].date())
    ordered = sorted((day, user) for user, day in firsts.items())
    if not ordered or (len(ordered) > 1 and ordered[0][0] == ordered[1][0]):
        return device
    if len(ordered) > 1 and event["occurred_at"].date() >= ordered[1][0]:
        return device
    return ordered[0][1]


def _session(event: dict, log: list[dict]) -> list[dict]:
    """The visit of the event: events of its own session id, linked by gaps of 30 minutes at most."""
    own = sorted(
        (e for e in log if e["session_id"] == event["session_id"]), key=lambda e: e["occurred_at"]
    )
    visits: list[list[dict]] = []
    for e in own:
        if visits and e["occurred_at"] - visits[-1][-1]["occurred_at"] <= GAP:
            visits[-1].append(e)
        else:
            visits.append([e])
    return next(v for v in visits if event in v)


devices = events.map(
    lambda log: [e | {"event_id": f"{n:02d}", "anonymous_id": "v"} for n, e in enumerate(log)]
)


@law
@given(log=devices, days=st.integers(1, 4))
def test_an_anonymous_event_is_held_by_whom_the_logins_before_a_date_show(project, log, days):
    as_of = (FIRST + timedelta(days=days)).date()
    bench = built(project, {"f": log})
    bought = [e for e in log if e["event_type"] == "purchase" and e["occurred_at"].date() < as_of]
    expected: dict[tuple, int] = {}
    for e in bought:
        who = e["user_id"] or holder(e, log, as_of)
        key = who, e["item_id"], e["occurred_at"].date()
        expected[key] = expected.get(key, 0) + 1
    day = f"date '{as_of}'"
    found = bench.rows(
        "fct_interactions", "user_id, item_id, interaction_date, n_events",
        f"interaction_date < {day} and coalesce(joined_on < {day}, true) and coalesce(left_on >= {day}, true)",
    )  # fmt: skip
    assert {row[:3]: row[3] for row in found} == expected
