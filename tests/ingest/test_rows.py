"""What becomes of a row: accepted as what, or refused why."""

import json
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from nightshelf.ingest.contract import REASONS
from tests.support.landing import GOOD, HEADER, MAP, Landing
from tests.support.trap_shop import HOSTILE

BAD = {
    "missing_item_id": ["2015-05-01 10:00:00,,ann,2,1.50,sale", "2015-05-01 10:00:00, ,ann,2,1.50,sale"],
    "missing_user": ["2015-05-01 10:00:00,tea,,2,1.50,sale"],
    "missing_event_type": ["2015-05-01 10:00:00,tea,ann,2,1.50,"],
    "unknown_event_type": ["2015-05-01 10:00:00,tea,ann,2,1.50,gift"],
    "missing_time": [",tea,ann,2,1.50,sale"],
    "bad_time": [
        "yesterday,tea,ann,2,1.50,sale", "2015-02-30 10:00:00,tea,ann,2,1.50,sale",
        "1970-01-01 00:00:00,tea,ann,2,1.50,sale", "2200-01-01 00:00:00,tea,ann,2,1.50,sale",
        "2015-05-01 10:00 PM,tea,ann,2,1.50,sale", "2015-05-01 10:00:00 junk,tea,ann,2,1.50,sale",
        "infinity,tea,ann,2,1.50,sale", "12/1/2010 8:26,tea,ann,2,1.50,sale",
    ],
    "bad_number": [
        f"2015-05-01 10:00:00,tea,ann,{n},{price},sale"
        for n, price in [("many", "1"), ("NaN", "1"), ("inf", "1"), ("1e400", "1"), ("1", "NaN"),
                         ("1", "inf"), ("1", "-1e400"), ("1", "£2"), ("1", "1e15"), ("1e19", "1")]
    ],
    "wrong_column_count": ["2015-05-01 10:00:00,tea,ann,2,1.50", GOOD + ",more", "   "],
    "bad_quotes": ['"tea"x,tea,ann,2,1.50,sale', '2015-05-01 10:00:00,"t"e"a",ann,2,1.50,sale'],
}  # fmt: skip


@pytest.mark.parametrize("reason", sorted(BAD))
def test_each_reason_names_its_rows_and_keeps_the_others(landing, reason):
    lines = [line for bad in BAD[reason] for line in (GOOD, bad)]
    landing.put("a.csv", [*lines, GOOD])
    taken = landing.ingest()
    assert landing.quarantine() == [(2 * n, reason) for n in range(1, len(BAD[reason]) + 1)]
    assert (taken.rows_read, taken.quarantined) == (len(lines) + 1, len(BAD[reason]))
    assert [r[0] for r in landing.events("row_number")] == list(range(1, len(lines) + 2, 2))


def test_every_reason_of_the_closed_list_has_a_test():
    assert set(BAD) | {"not_utf8", "not_json"} == set(REASONS)


def test_bytes_that_are_not_utf8_are_one_bad_row(landing):
    rows = [
        GOOD.encode(),
        GOOD.replace("tea", "th\xe9").encode("latin-1"),
        GOOD.replace("tea", "thé").encode(),
    ]
    landing.put("a.csv", b"\n".join([HEADER.encode(), *rows, b""]))
    landing.ingest()
    assert landing.quarantine("row_number, reason") == [(2, "not_utf8")]
    assert "th\\udce9" in landing.quarantine("raw")[0][0]
    assert landing.events("item_id") == [("tea",), ("thé",)]


def test_a_line_that_is_not_json_is_one_bad_row(landing):
    good = json.dumps(dict(zip(HEADER.split(","), GOOD.split(","), strict=True))).encode()
    lines = [good, b'{"when": 1,', b"[1, 2]", b'"text"', b"nul", b"", b'{"sku": "\xff"}', good]
    landing.put("a.jsonl", b"\n".join([*lines, b""]))
    taken = landing.ingest()
    # Rows are counted by line, so that an editor finds them; the blank line is no row.
    assert landing.quarantine() == [
        (2, "not_json"), (3, "not_json"), (4, "not_json"), (5, "not_json"), (7, "not_utf8")
    ]  # fmt: skip
    assert landing.events("row_number") == [(1,), (8,)]
    assert taken.rows_read == 7


def test_a_row_has_the_first_reason_that_applies(landing):
    landing.put("a.csv", ["never,,,many,NaN,gift"])
    landing.ingest()
    assert landing.quarantine() == [(1, "missing_item_id")]


def test_hostile_ids_come_through_unchanged(landing):
    row = {"when": "2015-05-01 10:00:00", "n": 1, "price": 1, "kind": "sale"}
    lines = [json.dumps(row | {"sku": text, "who": text}) for text in HOSTILE]
    landing.put("a.jsonl", "\n".join(lines))
    quoted = [text.replace('"', '""') for text in HOSTILE]
    landing.put("b.csv", [f'2015-05-01 10:00:00,"{t}","{t}",1,1,sale' for t in quoted])
    assert landing.ingest().quarantined == 0
    assert landing.events("item_id, user_id") == [(t, t) for t in HOSTILE] * 2


def test_numbers_are_read_as_they_were_meant(landing):
    given = ["2", "2.0", "0.482", "-0.482", "-3", "", "1e3", " 4 "]
    landing.put("a.csv", [f"2015-05-01 10:00:00,tea,ann,{n},1.23455,sale" for n in given])
    landing.ingest()
    # Weighed goods are one piece, also when they come back.
    assert landing.events("quantity") == [(n,) for n in (2, 2, 1, -1, -3, None, 1000, 4)]
    assert landing.events("distinct price, file_id, row_number")[0][0] == Decimal("1.2346")


LONDON = {
    # On 29 March 2015 the clocks went from 01:00 to 02:00, on 25 October from 02:00 back to 01:00.
    "2015-03-29 00:59:59": "2015-03-29 00:59:59",
    "2015-03-29 01:30:00": "2015-03-29 01:30:00",  # did not exist: read as 02:30 summer time
    "2015-03-29 02:00:00": "2015-03-29 01:00:00",
    "2015-10-25 00:59:59": "2015-10-24 23:59:59",
    "2015-10-25 01:30:00": "2015-10-25 01:30:00",  # existed twice: the second one, winter time
    "2015-10-25 02:00:00": "2015-10-25 02:00:00",
    "2015-07-01 10:00:00": "2015-07-01 09:00:00",
    "2015-07-01": "2015-06-30 23:00:00",
    "2015-07-01T10:00": "2015-07-01 09:00:00",
    "2015-07-01 10:00:00.25": "2015-07-01 09:00:00.25",
    "2015-07-01T10:00:00Z": "2015-07-01 10:00:00",
    "2015-07-01 10:00:00 UTC": "2015-07-01 10:00:00",
    "2015-07-01T10:00:00+02:00": "2015-07-01 08:00:00",
    "2015-07-01T10:00:00-0730": "2015-07-01 17:30:00",
    "2015-07-01 10:00:00+05": "2015-07-01 05:00:00",
    "2015-07-01 10:00:00 America/New_York": "2015-07-01 14:00:00",
}


def test_times_without_an_offset_are_the_shops_and_others_are_their_own(tmp_path):
    landing = Landing(tmp_path, zone="Europe/London")
    landing.put("a.csv", [GOOD.replace("2015-05-01 10:00:00", text) for text in LONDON])
    landing.ingest()
    assert landing.quarantine() == []
    found = [r[0] for r in landing.events("occurred_at")]
    assert dict(zip(LONDON, found, strict=True)) == {
        text: datetime.fromisoformat(utc) for text, utc in LONDON.items()
    }


@pytest.mark.parametrize(
    ("unit", "text"), [("s", "1435744800.5"), ("ms", "1435744800500"), ("us", "1435744800500000")]
)
def test_numbers_of_seconds_are_utc_in_their_unit(tmp_path, unit, text):
    landing = Landing(tmp_path, [MAP | {"time_unit": unit}], zone="Europe/London")
    landing.put(
        "a.csv", [GOOD.replace("2015-05-01 10:00:00", t) for t in (text, "1e40", "soon", "5")]
    )
    landing.ingest()
    assert landing.events("occurred_at") == [(datetime(2015, 7, 1, 10, 0, 0, 500_000),)]
    assert landing.quarantine() == [(2, "bad_time"), (3, "bad_time"), (4, "bad_time")]


def test_events_are_parted_by_utc_day(landing):
    landing.put("a.csv", [GOOD.replace("10:00:00", t) for t in ("00:00:00", "23:59:59")])
    landing.put("b.csv", [GOOD.replace("05-01 10:00:00", "05-02 00:00:00")])
    landing.ingest()
    days = [(p.occurred_on, p.rows) for p in landing.ledger.parts()]
    assert days == [("2015-05-01", 2), ("2015-05-02", 1)]


def test_events_without_an_id_get_one_from_all_their_values(landing):
    again = GOOD.replace(",2,", ",3,")
    landing.put("a.csv", [GOOD, GOOD, again])
    landing.ingest()
    first, copy, other = landing.events("event_id")
    assert first == copy != other


def test_an_item_row_is_refused_for_a_bad_value_too(tmp_path):
    items = {
        "name": "items", "adapter": "column_map", "kind": "items", "path": "orders/*.csv",
        "columns": {"item_id": "id", "price": "p", "in_stock": "stock", "updated_at": "at"},
    }  # fmt: skip
    landing = Landing(tmp_path, [items])
    rows = ["a,1,yes,2015-05-01", "b,x,yes,", "c,1,perhaps,", "d,1,,never", ",1,,", "e,,,"]
    landing.put("a.csv", "id,p,stock,at\n" + "\n".join(rows) + "\n")
    landing.ingest()
    assert [r[1] for r in landing.quarantine()] == [
        "bad_number",
        "bad_number",
        "bad_time",
        "missing_item_id",
    ]
    assert landing.events("item_id, price, in_stock", "items") == [
        ("a", Decimal(1), True),
        ("e", None, None),
    ]


def test_what_is_refused_can_be_read_in_the_quarantine(landing):
    landing.put("a.csv", [GOOD, "never,tea,ann,2,1.50,sale"])
    landing.ingest()
    ((raw,),) = landing.quarantine("raw")
    assert json.loads(raw)["when"] == "never"
    assert duckdb.execute("select json_valid(?)", [raw]).fetchone() == (True,)
