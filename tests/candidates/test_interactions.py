from datetime import date

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from nightshelf.candidates import fingerprint
from nightshelf.dataset import Interactions, day_number, load_log, pack_ids, unpack_ids
from nightshelf.errors import InputError
from nightshelf.transform.visit import DBT_PROJECT

HOSTILE = ["", " ", "a\0", "a", "🧀", "x" * 10_000, "'; drop table users; --", "é", "e\u0301", "\n"]


def content(interactions):
    ids = {**pack_ids("users", interactions.users), **pack_ids("items", interactions.items)}
    names = ("user_codes", "item_codes", "days", "weights")
    return fingerprint({**ids, **{name: getattr(interactions, name) for name in names}})


def table(rows):
    """(user, item, event type, date, weight) and the dates on which the row is refunded, on which a
    login gave it to the user, and on which one took it away; what is not given is null."""
    rows = [(*row, None, None, None)[:8] for row in rows]
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.fct_interactions (user_id varchar, item_id varchar, "
        "event_type varchar, interaction_date date, weight decimal(18,4), cancelled_on date, "
        "joined_on date, left_on date)"
    )
    if rows:
        connection.executemany("insert into marts.fct_interactions values (?,?,?,?,?,?,?,?)", rows)
    return connection


row = st.tuples(
    st.sampled_from(HOSTILE),
    st.sampled_from(HOSTILE),
    st.integers(0, 9),
    st.floats(-2, 5, allow_nan=False, width=32),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(row, max_size=25), st.randoms(use_true_random=False))
def test_row_order_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    first, second = (
        Interactions.from_arrays(*(zip(*some, strict=True) if some else [()] * 4), 10)
        for some in (rows, shuffled)
    )
    assert content(first) == content(second)


def test_rows_of_one_day_are_added_up():
    found = Interactions.from_arrays(["u", "u", "u"], ["i", "i", "i"], [3, 3, 4], [1, 2, 5], 9)
    assert found.days.tolist() == [3, 4]
    assert found.weights.tolist() == [3.0, 5.0]


def test_what_was_wholly_refunded_is_not_an_interaction():
    found = Interactions.from_arrays(["u", "u", "v"], ["i", "i", "j"], [3, 3, 3], [1, -1, 1], 9)
    assert found.users.tolist() == ["v"]
    assert found.items.tolist() == ["j"]
    assert found.item_codes.tolist() == [0]


def test_a_day_that_is_not_before_as_of_is_refused():
    with pytest.raises(ValueError, match="1 of 2 rows are not before as_of: the last is day 9"):
        Interactions.from_arrays(["u", "u"], ["i", "i"], [8, 9], None, 9)


def test_a_weight_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        Interactions.from_arrays(["u"], ["i"], [8], [float("nan")], 9)


def test_a_weight_is_halved_after_each_half_life():
    found = Interactions.from_arrays(["u", "u"], ["i", "i"], [0, 10], [4, 4], 20)
    assert found.matrix(10.0).data.tolist() == [4 / 4 + 4 / 2]
    assert found.matrix().data.tolist() == [8.0]
    assert found.matrix(log=True).data == pytest.approx(np.log(9.0))


def test_bought_since_a_day_looks_at_the_last_row_of_a_pair():
    found = Interactions.from_arrays(["u", "u", "u"], ["i", "i", "j"], [1, 5, 2], None, 9)
    assert found.bought(since=5).toarray().tolist() == [[True, False]]
    assert found.bought().toarray().tolist() == [[True, True]]
    assert found.last_days().tolist() == [5, 2]


def test_before_forgets_who_came_later():
    found = Interactions.from_arrays(["u", "v"], ["i", "j"], [3, 4], None, 9).before(4)
    assert (found.users.tolist(), found.items.tolist(), found.as_of) == (["u"], ["i"], 4)


@given(st.lists(st.text(st.characters(), max_size=20)))
def test_packed_ids_come_back_whole(ids):
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    packed = pack_ids("x", array)
    assert unpack_ids("x", packed).tolist() == ids
    ends = np.cumsum([0, *(len(each.encode("utf-8", "surrogatepass")) for each in ids)])
    assert packed["x_offsets"].tolist() == ends.tolist()
    assert not any(part.dtype.hasobject for part in packed.values())


def test_loading_equals_from_arrays_on_hostile_ids():
    rows = [
        (user, item, "purchase", date(1970, 1, 1 + n % 9), (n % 5) - 1)
        for n, (user, item) in enumerate((u, i) for u in HOSTILE for i in HOSTILE)
    ]
    loaded = load_log(table(rows)).as_of(date(1970, 1, 10))
    users, items, _, days, weights = zip(*rows, strict=True)
    expected = Interactions.from_arrays(users, items, map_days(days), weights, 9)
    assert content(loaded) == content(expected)
    assert loaded.as_of == day_number(date(1970, 1, 10)) == 9


def map_days(days):
    return [day_number(day) for day in days]


def test_loading_stops_strictly_before_as_of_and_keeps_the_types_asked_for():
    connection = table(
        [
            ("u", "i", "purchase", date(2026, 5, 1), 1),
            ("u", "j", "view", date(2026, 5, 1), 1),
            ("u", "k", "purchase", date(2026, 5, 2), 1),
        ]
    )
    assert load_log(connection).as_of(date(2026, 5, 2)).items.tolist() == ["i", "j"]
    assert load_log(connection).as_of(date(2026, 5, 2), ["purchase"]).items.tolist() == ["i"]


def test_what_was_cancelled_before_as_of_is_not_seen_and_what_is_cancelled_later_still_is():
    day = date(2026, 5, 1)
    connection = table(
        [
            ("u", "stands", "purchase", day, 1),
            ("u", "gone", "purchase", day, 1, date(2026, 5, 9)),
            ("u", "goes that day", "purchase", day, 1, date(2026, 5, 10)),
            ("u", "goes later", "purchase", day, 1, date(2026, 5, 11)),
        ]
    )
    seen = load_log(connection).as_of(date(2026, 5, 10)).items.tolist()
    assert seen == ["goes later", "goes that day", "stands"]


def test_what_a_login_gave_is_seen_after_it_and_what_one_took_is_seen_until_it():
    day, eve, today = date(2026, 5, 1), date(2026, 5, 9), date(2026, 5, 10)
    connection = table(
        [
            ("u", "given", "purchase", day, 1, None, eve),
            ("u", "given today", "purchase", day, 1, None, today),
            ("v", "taken", "purchase", day, 1, None, None, eve),
            ("v", "taken today", "purchase", day, 1, None, None, today),
            ("u", "given and refunded", "purchase", day, 1, eve, date(2026, 5, 5)),
        ]
    )
    seen = load_log(connection).as_of(today)
    assert seen.items.tolist() == ["given", "taken today"]


@pytest.fixture(scope="module")
def seen_before():
    """The macro's SQL, as dbt would render it."""
    source = (DBT_PROJECT / "macros" / "time.sql").read_text()
    return Environment().from_string(source).module.seen_before


some_day = st.none() | st.dates(date(2026, 5, 1), date(2026, 5, 9))
dated = st.tuples(
    st.sampled_from("uvw"),
    st.sampled_from("ij"),
    st.sampled_from(["view", "purchase"]),
    st.dates(date(2026, 5, 1), date(2026, 5, 9)),
    st.just(1),
    some_day,
    some_day,
    some_day,
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(dated, max_size=20), as_of=st.dates(date(2026, 5, 1), date(2026, 5, 11)))
def test_python_sees_what_the_macro_sees(seen_before, rows, as_of):
    connection = table(rows)
    expected = connection.execute(
        "select user_id, item_id, (interaction_date - date '1970-01-01')::integer, sum(weight)::double"
        f" from marts.fct_interactions as i where {seen_before('$as_of')} group by all order by all",
        {"as_of": as_of},
    ).fetchall()
    try:
        found = load_log(connection).as_of(as_of)
    except InputError:
        assert expected == []
        return
    names = found.users[found.user_codes], found.items[found.item_codes]
    assert list(zip(*names, found.days, found.weights, strict=True)) == expected


def test_nothing_to_load_says_what_the_table_covers():
    connection = table([("u", "i", "purchase", date(2026, 5, 2), 1)])
    with pytest.raises(InputError, match="of type purchase before 2026-05-01.* covers 2026-05-02"):
        load_log(connection).as_of(date(2026, 5, 1), ["purchase"])
    with pytest.raises(InputError, match="the table is empty"):
        load_log(table([])).as_of(date(2026, 5, 1))


def test_weights_of_one_day_are_added_up_in_one_order():
    # In floats (1e16 + 1) - 1e16 is 0, and (1e16 - 1e16) + 1 is 1.
    first, second = (
        Interactions.from_arrays(["u"] * 4, ["i"] * 4, [3] * 4, [*some, 5.0], 9)
        for some in ([1e16, 1.0, -1e16], [1e16, -1e16, 1.0])
    )
    assert first.weights.tolist() == second.weights.tolist()
