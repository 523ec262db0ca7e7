"""CSV parted by something else than a comma is read as if commas parted it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshelf.errors import InputError
from nightshelf.ingest.files import DELIMITERS
from nightshelf.ingest.replay import replay
from nightshelf.progress import Progress
from tests.support.landing import HEADER, MAP, Landing

GOOD = ["2015-05-01 10:00:00", "tea", "ann", "2", "1.50", "sale"]
VALUES = st.lists(
    st.text(st.sampled_from("a1,;\t|\"' \n"), max_size=6).map(str.strip), min_size=6, max_size=6
)
EVENTS = "row_number, item_id, user_id, quantity, price, event_type"
EVERY_OTHER = pytest.mark.parametrize("delimiter", [d for d in DELIMITERS if d != ","])


def written(rows: list[list[str]], delimiter: str) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerows([HEADER.split(","), *rows])
    return file.getvalue()


def taken(root, rows: list[list[str]], delimiter: str) -> Landing:
    landing = Landing(root, [MAP | {"delimiter": delimiter}])
    landing.put("a.csv", written(rows, delimiter))
    landing.ingest()
    return landing


@pytest.mark.long
@EVERY_OTHER
@settings(max_examples=15, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_what_parts_the_values_changes_nothing(tmp_path_factory, delimiter, some):
    rows = [GOOD, *some, GOOD, GOOD[:3]]  # the last row makes Python read the file
    ours, commas = (taken(tmp_path_factory.mktemp("shop"), rows, d) for d in (delimiter, ","))
    assert ours.events(EVENTS) == commas.events(EVENTS)
    assert ours.quarantine() == commas.quarantine()


@EVERY_OTHER
def test_values_may_hold_commas_and_what_parts_them(tmp_path, delimiter):
    item = f'tea, "green"{delimiter} 2\nbags'
    landing = taken(tmp_path, [GOOD, [GOOD[0], item, *GOOD[2:]]], delimiter)
    assert landing.events("item_id") == [("tea",), (item,)]


@EVERY_OTHER
def test_a_replay_parts_the_kept_text_as_its_file_was_parted(tmp_path, delimiter):
    gift = [GOOD[0], "tea, green", "ann", "2", "1.50", "gift"]
    taken(tmp_path, [GOOD, gift], delimiter)
    mended = MAP | {"delimiter": delimiter, "event_types": {"sale": "purchase", "gift": "purchase"}}
    landing = Landing(tmp_path, [mended])
    (landing.folder / "orders" / "a.csv").unlink()
    replay(landing.shop, landing.folder, landing.home, Progress("replay"))
    assert landing.events("item_id") == [("tea",), ("tea, green",)]


def test_a_replay_goes_by_what_parted_the_file_whatever_the_shop_file_says_by_now(tmp_path):
    items = {"name": "items", "adapter": "column_map", "kind": "items", "path": "orders/*.csv",
             "columns": {"item_id": "sku", "price": "price"}}  # fmt: skip
    landing = Landing(tmp_path, [items | {"delimiter": ";"}])
    path = landing.put("a.csv", "sku;price\ni1;4,20\n")
    landing.ingest()
    assert landing.quarantine() == [(1, "bad_number")]
    path.unlink()
    landing = Landing(tmp_path, [items | {"decimal": ","}])
    replay(landing.shop, landing.folder, landing.home, Progress("replay"))
    assert landing.events("item_id, price", "items") == [("i1", Decimal("4.20"))]


@EVERY_OTHER
def test_a_file_that_something_else_parts_is_refused_with_the_key_that_says_so(tmp_path, delimiter):
    landing = Landing(tmp_path, [MAP])
    landing.put("a.csv", written([GOOD], delimiter))
    with pytest.raises(InputError, match="no column 'when'") as told:
        landing.ingest()
    assert "say `delimiter = " in told.value.next_step
    assert taken(tmp_path, [GOOD], delimiter).events("item_id") == [("tea",)]
    landing = Landing(tmp_path / "other", [MAP | {"delimiter": delimiter}])
    landing.put("a.csv", written([GOOD], ","))
    with pytest.raises(InputError) as told:
        landing.ingest()
    assert 'say `delimiter = ","`' in told.value.next_step
