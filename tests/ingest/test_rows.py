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


ELSEWHERE = {"not_utf8", "not_json", "too_long", "nul_byte", "not_for_shelves", "unknown_traffic",
             "missing_category_id", "missing_user_id"}  # fmt: skip
"""Reasons that have a test of their own below, or in test_outcomes.py."""


def test_every_reason_of_the_closed_list_has_a_test():
    assert set(BAD) | ELSEWHERE == set(REASONS)


def test_traffic_is_one_of_the_contracts_words_in_any_capitals(tmp_path):
    landing = Landing(tmp_path, [MAP | {"columns": MAP["columns"] | {"traffic": "who"}}])
    landing.put("a.csv", [GOOD.replace("ann", who) for who in ("Bot", "internal", "robot")])
    landing.ingest()
    assert landing.events("traffic") == [("bot",), ("internal",)]
    assert landing.quarantine() == [(3, "unknown_traffic")]


def test_a_category_needs_an_id_and_may_lack_a_parent(tmp_path):
    tree = {"name": "tree", "adapter": "column_map", "kind": "categories", "path": "orders/*.csv",
            "columns": {"category_id": "id", "parent_id": "up"}}  # fmt: skip
    landing = Landing(tmp_path, [tree])
    landing.put("a.csv", "id,up\n1,\n2,1\n,1\n")
    landing.ingest()
    assert landing.events("category_id, parent_id", "categories") == [("1", None), ("2", "1")]
    assert landing.quarantine() == [(3, "missing_category_id")]


def test_a_catalogue_s_price_below_nothing_is_set_aside(tmp_path):
    items = {"name": "items", "adapter": "column_map", "kind": "items", "path": "orders/*.csv",
             "columns": {"item_id": "id", "price": "price", "list_price": "list", "cost": "cost"}}  # fmt: skip
    landing = Landing(tmp_path, [items])
    landing.put("a.csv", "id,price,list,cost\n1,0,,0\n2,-0.01,,\n3,,-1,\n4,5,6,-1\n5,,,\n6,x,,\n")
    landing.ingest()
    assert landing.events("item_id", "items") == [("1",), ("5",)]
    assert landing.quarantine() == [(row, "bad_number") for row in (2, 3, 4, 6)]


COMMAS = {
    "12,50": 12.5, "1.234,50": 1234.5, "1234,5": 1234.5, "-3,": -3, " 7 ": 7, "1.234.567": 1234567,
    "4.20": None, "1,234.50": None, "12.34,5": None, "1234.567,8": None, "€9,00": None, ",5": None,
    "0.482": None, "0,482": 0.482,
}  # fmt: skip


@pytest.mark.parametrize("text", COMMAS)
def test_a_decimal_comma_is_read_where_the_shop_file_says_so_and_nothing_else_is_guessed(
    tmp_path, text
):
    landing = Landing(tmp_path, [MAP | {"decimal": ",", "constants": {"coupon": "1,5"}}])
    landing.put("a.csv", [f'2015-05-01 10:00:00,tea,ann,1,"{text}",sale'])
    landing.ingest()
    read = COMMAS[text]
    if read is None:
        assert landing.quarantine() == [(1, "bad_number")]
    else:
        assert landing.events("price, coupon") == [(Decimal(str(read)), "1,5")]


def test_of_decimal_commas_a_blank_is_no_number_and_no_fault(tmp_path):
    landing = Landing(tmp_path, [MAP | {"decimal": ","}])
    landing.put("a.csv", ["2015-05-01 10:00:00,tea,ann, ,  ,sale"])
    landing.ingest()
    assert landing.events("quantity, price") == [(None, None)]


def test_of_bad_numbers_each_is_named_with_its_column(tmp_path):
    items = {"name": "items", "adapter": "column_map", "kind": "items", "path": "orders/items.csv",
             "columns": {"item_id": "id", "price": "price", "in_stock": "there"}}  # fmt: skip
    landing = Landing(tmp_path, [MAP | {"path": "orders/a.csv"}, items])
    landing.put("a.csv", [f'2015-05-01 10:00:00,tea,ann,{n},"{p}",sale' for n, p in
                          (("two", "9.00"), ("2", "9,00"), ("two", "x"))])  # fmt: skip
    landing.put("items.csv", "id,price,there\n1,-1,maybe\n2,5,yes\n")
    landing.ingest()
    told = {value for (value,) in landing.quarantine("value")}
    assert told == {
        "quantity two", "price 9,00", "quantity two; price x", "price -1; in_stock maybe"
    }  # fmt: skip


def test_event_names_that_are_left_aside_are_counted_apart(tmp_path):
    landing = Landing(tmp_path, [MAP | {"leave_aside": ["Scroll"]}])
    landing.put(
        "a.csv", [GOOD, GOOD.replace("sale", "scroll"), ",,,,,SCROLL", GOOD.replace("sale", "gift")]
    )
    landing.ingest()
    assert landing.quarantine() == [
        (2, "not_for_shelves"), (3, "not_for_shelves"), (4, "unknown_event_type")
    ]  # fmt: skip
    (file,) = landing.ledger.files()
    assert (file.rows_read, file.accepted, file.quarantined, file.set_aside) == (4, 1, 3, 2)


LIST = {"name": "web", "adapter": "column_map", "path": "orders/*", "columns": {
    "event_type": "name", "occurred_at": "at", "user_id": "user.id", "item_id": "lines[].sku",
    "quantity": "lines[].n", "event_id": "id",
}}  # fmt: skip


def record(lines: object, **more) -> dict:
    return {
        "id": "e1",
        "name": "purchase",
        "at": "2015-05-01T10:00:00Z",
        "user": {"id": "ann"},
        "lines": lines,
        **more,
    }


def test_a_record_is_as_many_rows_as_its_list_is_long_and_one_where_it_is_not(tmp_path):
    landing = Landing(tmp_path, [LIST])
    tea = {"sku": "tea", "n": 2}
    records = [
        record([tea, {"sku": "pot"}, tea, {}]),
        record([]),
        record(None),
        record({"sku": "x"}),
        record([[]]),
    ]
    landing.put("a.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    taken = landing.ingest()
    # Two lines of tea in one order are two, though they are alike to the letter.
    assert landing.events("row_number, element, item_id, quantity, event_id") == [
        (1, 1, "tea", 2, "e1:1"), (1, 2, "pot", None, "e1:2"), (1, 3, "tea", 2, "e1:3")
    ]  # fmt: skip
    refused = landing.quarantine("row_number, element, reason")
    assert refused == [
        (1, 4, "missing_item_id"),
        *((n, 1, "missing_item_id") for n in (2, 3, 4, 5)),
    ]
    (file,) = landing.ledger.files()
    assert (file.records, taken.rows_read, taken.accepted, taken.quarantined) == (5, 8, 3, 5)


def test_lists_in_parquet_are_unfolded_like_those_in_json(tmp_path):
    rows = [
        record([{"sku": "tea", "n": 2}, {"sku": "pot", "n": 1}]),
        record([{"sku": "cup", "n": 3}]),
    ]
    text = tmp_path / "t.jsonl"
    text.write_text("".join(json.dumps(r) + "\n" for r in rows))
    landing = Landing(tmp_path, [LIST])
    landing.put("a.jsonl", text.read_bytes())
    duckdb.execute(f"copy (from read_json('{text}')) to '{tmp_path}/t.parquet'")
    landing.put("b.parquet", (tmp_path / "t.parquet").read_bytes())
    landing.ingest()
    found = landing.events("row_number, element, item_id, quantity, occurred_at")
    assert len(found) == 6
    assert found[:3] == found[3:]


def test_floats_that_parquet_keeps_in_lists_are_whole_numbers_like_those_beside_them(tmp_path):
    rows = [
        record([{"sku": 7.0, "n": 2.0}, {"sku": None, "n": 1.0}, {"sku": 7.5, "n": 1.0}]),
        record(None),
    ]
    lines = (json.dumps(r | {"user": {"id": 9.0}}) + "\n" for r in rows)
    (tmp_path / "t.jsonl").write_text("".join(lines))
    duckdb.execute(f"copy (from read_json('{tmp_path}/t.jsonl')) to '{tmp_path}/t.parquet'")
    landing = Landing(tmp_path, [LIST])
    landing.put("a.parquet", (tmp_path / "t.parquet").read_bytes())
    landing.ingest()
    assert landing.events("user_id, item_id, quantity") == [("9", "7", 2), ("9", "7.5", 1)]
    refused = landing.quarantine("row_number, element, reason")
    assert refused == [(1, 2, "missing_item_id"), (2, 1, "missing_item_id")]


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
    landing.put("a.csv", ["never,,,many,NaN,sale"])
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


def test_an_id_that_is_a_long_number_in_json_keeps_its_digits(landing):
    row = {"when": "2015-05-01 10:00:00", "n": 1, "price": 1, "kind": "sale"}
    ids = [10**18 + 1, 12345678901234567890123]
    landing.put("a.jsonl", "\n".join(json.dumps(row | {"sku": n, "who": n}) for n in ids))
    assert landing.ingest().quarantined == 0
    assert landing.events("item_id, user_id") == [(str(n), str(n)) for n in ids]


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
    "2015-07-01 10:00:00 utc": "2015-07-01 10:00:00",
    "2015-07-01T10:00:00.5z": "2015-07-01 10:00:00.5",
    "2015-07-01 10:00:00 Africa/Brazzaville": "2015-07-01 09:00:00",
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


def test_letters_that_are_some_country_s_zone_are_no_time(tmp_path):
    landing = Landing(tmp_path, zone="Europe/London")
    letters = ["BST", "IST", "CST", "EDT", "EST5EDT", "CET", "(GMT)", "PM"]
    landing.put(
        "a.csv", [GOOD.replace("2015-05-01 10:00:00", f"2015-07-01 10:00:00 {z}") for z in letters]
    )
    landing.ingest()
    assert landing.quarantine() == [(n, "bad_time") for n in range(1, 1 + len(letters))]


BERLIN = {
    "2024-03-31 01:59:59": "2024-03-31 00:59:59",
    "2024-03-31 02:30:00": "2024-03-31 01:30:00",  # did not exist: read as 03:30 summer time
    "2024-03-31 03:30:00": "2024-03-31 01:30:00",
    "2024-10-27 01:59:59": "2024-10-26 23:59:59",
    "2024-10-27 02:30:00": "2024-10-27 01:30:00",  # existed twice: the second one, winter time
    "2024-02-29 23:30:00": "2024-02-29 22:30:00",
    "2024-12-31 23:59:59": "2024-12-31 22:59:59",
    "2025-01-01 00:00:00": "2024-12-31 23:00:00",
}


def test_leap_day_year_end_and_both_changes_of_the_clock_east_of_utc(tmp_path):
    landing = Landing(tmp_path, zone="Europe/Berlin")
    landing.put("a.csv", [GOOD.replace("2015-05-01 10:00:00", text) for text in BERLIN])
    landing.ingest()
    found = [str(r[0]) for r in landing.events("occurred_at")]
    assert dict(zip(BERLIN, found, strict=True)) == BERLIN


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
    assert landing.quarantine("line, raw") == [(3, "never,tea,ann,2,1.50,sale")]


def test_the_line_of_a_refused_row_is_where_it_begins_and_its_text_is_to_the_letter(landing):
    two_lines = 'never,"two\r\nlines ""x""",ann,2,1.50,sale'
    landing.put("a.csv", [two_lines, GOOD, "", "never,tea , ann,2,1.50,sale", "short"])
    landing.put("b.csv", ["\r\nnever,tea,ann,2,1.50,sale\r"])
    landing.ingest()
    assert sorted(landing.quarantine("line, row_number, raw")) == [
        (2, 1, two_lines), (3, 1, "never,tea,ann,2,1.50,sale"), (6, 3, "never,tea , ann,2,1.50,sale"),
        (7, 4, "short"),
    ]  # fmt: skip


def test_the_raw_text_of_a_json_row_is_its_line_and_of_a_parquet_row_its_values(landing, tmp_path):
    line = '{"when": "never", "sku":"tea",  "who": "ann", "kind": "sale", "more": [1]}'
    landing.put("a.jsonl", line + "\n")
    duckdb.execute(
        f"copy (from read_json('{landing.folder}/orders/a.jsonl')) to '{tmp_path}/t.parquet'"
    )
    source = MAP | {"columns": {k: v for k, v in MAP["columns"].items() if v not in ("n", "price")}}
    other = Landing(tmp_path / "other", [source])
    other.put("b.parquet", (tmp_path / "t.parquet").read_bytes())
    landing.ingest()
    other.ingest()
    assert landing.quarantine("line, raw") == [(1, line)]
    ((number, raw),) = other.quarantine("line, raw")
    assert (number, json.loads(raw)) == (None, json.loads(line) | {"more": "[1]"})


def test_the_value_at_fault_stands_beside_the_reason(landing):
    bad = [
        GOOD.replace("sale", "Gift"),
        GOOD.replace("2015-05-01", "1 May"),
        GOOD.replace(",2,", ",two,"),
    ]
    landing.put("a.csv", bad)
    landing.put("b.jsonl", json.dumps(dict(zip(HEADER.split(","), bad[0].split(","), strict=True))))
    landing.ingest()
    assert sorted(landing.quarantine("reason, value")) == [
        ("bad_number", "quantity two"), ("bad_time", "1 May 10:00:00"),
        ("unknown_event_type", "Gift"), ("unknown_event_type", "Gift"),
    ]  # fmt: skip


def test_what_an_event_says_of_its_item_has_the_events_time_or_is_refused(tmp_path):
    source = {"name": "said", "adapter": "online_retail_items", "path": "orders/*.csv"}
    landing = Landing(tmp_path, [source])
    head = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"
    times = ["2010-12-01 08:26:00", "", "1970-01-20 10:00:00", "never"]
    landing.put("a.csv", "\n".join([head, *[f"1,85123A,Mug,1,{t},2.5,1.0" for t in times], ""]))
    landing.ingest()
    assert landing.quarantine() == [(2, "missing_time"), (3, "bad_time"), (4, "bad_time")]
    assert len(landing.events(kind="items")) == 1


def test_a_user_needs_an_id_and_a_consent_that_can_be_read(tmp_path):
    users = {"name": "users", "adapter": "column_map", "kind": "users", "path": "orders/*.csv",
             "columns": {"user_id": "id", "consent": "news", "region": "county"}}  # fmt: skip
    landing = Landing(tmp_path, [users])
    landing.put("a.csv", "id,news,county\n1,true,Kent\n2,,\n,false,Kent\n4,perhaps,Kent\n")
    landing.ingest()
    found = landing.events("user_id, consent, region", "users")
    assert found == [("1", True, "Kent"), ("2", None, None)]
    assert landing.quarantine() == [(3, "missing_user_id"), (4, "bad_number")]
