"""Lines read = accepted + quarantined, for any content that a shop may land."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshelf.errors import InputError
from nightshelf.ingest.contract import REASONS
from tests.support.landing import GOOD, HEADER, Landing

VALUES = st.one_of(
    st.sampled_from(["", " ", "tea", "2015-05-01 10:00:00", "sale", "gift", "NaN", "1e400", '"', ",", "\n", "\r", "ü", "\0"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)  # fmt: skip
ROWS = st.lists(
    st.one_of(st.just(GOOD.split(",")), st.lists(VALUES, min_size=6, max_size=6), st.lists(VALUES, min_size=2, max_size=8)),
    max_size=12,
)  # fmt: skip


def landed(name: str, content: bytes) -> Landing:
    landing = Landing(Path(tempfile.mkdtemp()))
    landing.put(name, content)
    return landing


def reconciles(landing: Landing, lines: int | None = None) -> None:
    taken = landing.ingest()
    accepted, quarantined = landing.events("row_number"), landing.quarantine()
    assert (len(accepted), len(quarantined)) == (taken.accepted, taken.quarantined)
    numbers = [n for n, *_ in (*accepted, *quarantined)]
    assert len(set(numbers)) == len(numbers) == taken.rows_read
    assert {reason for _, reason in quarantined} <= set(REASONS)
    if lines is not None:
        assert sorted(numbers) == list(range(1, lines + 1))


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_every_csv_row_is_accepted_or_quarantined_once(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [HEADER.split(","), *rows]
    )
    reconciles(landed("a.csv", text.getvalue().encode()), len(rows))


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.just(GOOD), st.text(st.characters(exclude_characters="\n\r"), min_size=1, max_size=9)
        ),
        max_size=9,
    )
)
def test_every_json_line_is_accepted_or_quarantined_once(lines):
    good = json.dumps(dict(zip(HEADER.split(","), GOOD.split(","), strict=True)))
    content = "".join((good if line == GOOD else line) + "\n" for line in lines)
    blank = sum(not line.strip(" \t") for line in lines)
    landing = landed("a.jsonl", content.encode("utf-8", "surrogatepass") or b"\n")
    reconciles(landing)
    assert sum(f.rows_read for f in landing.ledger.files()) == len(lines) - blank


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["csv", "jsonl"]))
def test_any_bytes_are_taken_to_the_last_row_or_refused_in_words(noise, kind):
    head = HEADER.encode() + b"\n" + GOOD.encode() + b"\n" if kind == "csv" else b""
    landing = landed(f"a.{kind}", head + noise)
    try:
        reconciles(landing)
    except InputError as error:
        assert f"orders/a.{kind}" in error.what
        assert landing.ledger.files() == []


@pytest.mark.parametrize("rows", [120_000])
def test_large_files_of_good_and_bad_rows_reconcile(rows):
    """More rows than one batch of the careful reader, in two files."""
    half = [GOOD if n % 3 else "never,tea,ann,1,1,sale" for n in range(rows // 2)]
    landing = Landing(Path(tempfile.mkdtemp()))
    landing.put("a.csv", [*half, "short"])
    landing.put("b.csv", half)
    taken = landing.ingest()
    assert taken.rows_read == rows + 1
    assert taken.quarantined == rows // 3 + 1
