"""The traps of text: for each, one fixed outcome."""

import json

import pytest

from nightshelf.ingest import careful, contract, readers
from tests.support.landing import GOOD, HEADER, Landing

NAMES = HEADER.split(",")
ROW = dict(zip(NAMES, GOOD.split(","), strict=True))


def line(**other) -> str:
    return json.dumps(ROW | other)


def raw(text: str, **other) -> str:
    """A JSON line with `text` put in as it is, where '%' stands."""
    return line(**other).replace('"%"', text)


JSON = {
    # Text → (reason or None, the value that is taken).
    "a duplicate key: the first counts": (line()[:-1] + ', "sku": "pot"}', None, "tea"),
    "NaN for a number": (raw("NaN", n="%"), "bad_number", None),
    "NaN in quotes": (line(price="NaN"), "bad_number", None),
    "Infinity for a number": (raw("Infinity", price="%"), "bad_number", None),
    "1e400": (raw("1e400", price="%"), "bad_number", None),
    "-1e400 pieces": (raw("-1e400", n="%"), "bad_number", None),
    "NaN where no number is wanted": (raw("NaN", sku="%"), None, "NaN"),
    "a trailing comma": (line()[:-1] + ",}", None, "tea"),
    "a lone high surrogate": (raw(r'"\ud800"', sku="%"), "not_json", None),
    "a lone low surrogate": (raw(r'"\udc00x"', sku="%"), "not_json", None),
    "surrogates in the wrong order": (raw(r'"\udc00\ud800"', sku="%"), "not_json", None),
    "a surrogate pair": (raw(r'"\ud83e\uddc0"', sku="%"), None, "🧀"),
    "a NUL escape": (raw(r'"te\u0000a"', sku="%"), "nul_byte", None),
    "a NUL as it is": (line(sku="te\0a").replace(r"\u0000", "\0"), "not_json", None),
    "a control character as it is": (line(sku="%").replace("%", "\x01"), "not_json", None),
    "an object for an id": (line(sku={"id": 1}), None, '{"id":1}'),
    "a number for an id": (line(sku=7), None, "7"),
    "null for an id": (line(sku=None), "missing_item_id", None),
    "100,000 levels deep, beside": (raw('{"a":' * 100_000 + "1" + "}" * 100_000, more="%"), None, "tea"),
    "100,000 levels deep, not closed": (raw('{"a":' * 100_000, more="%"), "not_json", None),
    "an array": ("[" + line() + "]", "not_json", None),
    "two objects": (line() + line(), "not_json", None),
    "a comment before": ("/* x */" + line(), "not_json", None),
    "blanks around": ("  \t" + line() + "  ", None, "tea"),
    "an id of 64 kB": (line(sku="x" * 65_536), None, "x" * 65_536),
    "an id of more": (line(sku="x" * 65_537), "too_long", None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "taken"), JSON.values(), ids=JSON.keys())
def test_a_trap_in_json_has_one_outcome_and_its_neighbours_are_taken(landing, text, reason, taken):
    landing.put("a.jsonl", "\n".join([line(), text, line(), ""]))
    landing.ingest()
    assert landing.quarantine() == ([(2, reason)] if reason else [])
    expected = ["tea", taken, "tea"] if reason is None else ["tea", "tea"]
    assert [r[0] for r in landing.events("item_id")] == expected


def in_csv(**other: str) -> bytes:
    return ",".join((ROW | other).values()).encode()


CSV = {
    "a NUL in an id": (in_csv(sku="te\0a"), "nul_byte"),
    "a NUL in a number": (in_csv(n="1\0"), "nul_byte"),
    "NaN": (in_csv(price="NaN"), "bad_number"),
    "1e400": (in_csv(price="1e400"), "bad_number"),
    "a surrogate in UTF-8": (in_csv(sku="%").replace(b"%", b"\xed\xa0\x80"), "not_utf8"),
    "an overlong slash": (in_csv(sku="%").replace(b"%", b"\xc0\xaf"), "not_utf8"),
    "an id of 64 kB": (in_csv(sku="x" * 65_536), None),
    "an id of more": (in_csv(sku="x" * 65_537), "too_long"),
    "29 February of a leap year": (in_csv(when="2016-02-29 12:00:00"), None),
    "29 February of another": (in_csv(when="2015-02-29 12:00:00"), "bad_time"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), CSV.values(), ids=CSV.keys())
def test_a_trap_in_csv_has_one_outcome_and_its_neighbours_are_taken(landing, text, reason):
    landing.put("a.csv", b"\n".join([HEADER.encode(), GOOD.encode(), text, GOOD.encode(), b""]))
    landing.ingest()
    assert landing.quarantine() == ([(2, reason)] if reason else [])
    assert len(landing.events()) == (2 if reason else 3)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_of_100_mb_is_a_row_like_another(tmp_path, kind, last):
    landing = Landing(tmp_path)
    long = "x" * 100_000_000
    if kind == "csv":
        lines = [HEADER + ",note", GOOD + ",", f"{GOOD},{long}", GOOD + ","]
    else:
        lines = [line(), line(note=long), line()]
    landing.put(f"a.{kind}", "\n".join([*(lines[:-1] if last else lines), ""]))
    taken = landing.ingest()
    assert (taken.accepted, taken.quarantined) == (2 if last else 3, 0)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_that_is_longer_than_any_buffer_is_refused_with_its_beginning(
    landing, monkeypatch, kind
):
    for module in (readers, careful, contract):
        monkeypatch.setattr(module, "LONGEST_ROW", 1 << 17, raising=False)
    monkeypatch.setattr(readers, "USUAL_LINE", 1 << 16)
    long = "x" * (1 << 21)
    text = [GOOD + ",", f"{GOOD},{long}"] if kind == "csv" else [line(), line(note=long)]
    landing.put(f"a.{kind}", "\n".join([*([HEADER + ",note"] if kind == "csv" else []), *text, ""]))
    landing.ingest()
    assert landing.quarantine("row_number, reason, length(raw)") == [(2, "too_long", 64 << 10)]
    assert len(landing.events()) == 1
