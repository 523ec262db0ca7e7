"""A shop file that cannot be used is refused with the key's name and the way out."""

from pathlib import Path

import pytest

from nightshelf.errors import SettingsError
from nightshelf.paths import PROJECT
from nightshelf.settings.shop import load_shop

GOOD = """
name = "shop"
time_zone = "Europe/London"
currency = "GBP"

[[sources]]
name = "orders"
adapter = "column_map"
path = "orders/*.csv"
[sources.columns]
occurred_at = "when"
item_id = "sku"
user_id = "customer"
[sources.constants]
event_type = "purchase"
"""
BARE = 'name = "shop"\ntime_zone = "UTC"\ncurrency = "EUR"\n'
ADAPTER = '[[sources]]\nname = "lines"\nadapter = "online_retail"\npath = "*.csv"\n'

WRONG = {
    "unknown key at the top": ("colour = 1\n" + GOOD, "colour: unknown key; known here: name, title"),
    "unknown key in a source": (
        GOOD.replace('path = "o', 'glob = 1\npath = "o'),
        "sources[0].glob: unknown key; known here: name, adapter, path",
    ),
    "unknown key in events": (GOOD + "[events]\ngoal = 1", "events.goal: unknown key; known here: target"),
    "unknown key in cleaning": (GOOD + "[cleaning]\nmin_price = 1", "cleaning.min_price: unknown key"),
    "unknown key in doors": (GOOD + "[doors]\nopen = true", "doors.open: unknown key"),
    "unknown key in placements": (GOOD + "[placements]\nn = 1", "placements.n: unknown key; known here: k"),
    "an unknown shelf that is off": (GOOD + '[placements]\noff = ["basket"]', "placements.off: 'basket' is no shelf; known: for_you, discover"),
    "no name": (GOOD.replace('name = "shop"', ""), "name: missing"),
    "no zone": (GOOD.replace('time_zone = "Europe/London"', ""), "time_zone: missing"),
    "no sources": (BARE, "sources: missing"),
    "an empty list of sources": ("sources = []\n" + BARE, "sources: List should have at least 1 item"),
    "no path": (GOOD.replace('path = "orders/*.csv"', ""), "sources[0].path: missing"),
    "text for a number": (GOOD + '[placements]\nk = "20"', "placements.k: Input should be a valid integer (given: '20')"),
    "a boolean for a number": (GOOD + "[cleaning]\nmax_quantity = true", "cleaning.max_quantity: Input should be a valid integer"),
    "a number for text": (GOOD.replace('"GBP"', "826"), "currency: Input should be a valid string (given: 826)"),
    "a table for text": (GOOD.replace('path = "orders/*.csv"', 'path = { glob = "x" }'), "sources[0].path: Input should be a valid string"),
    "a number out of range": (GOOD + "[doors]\nmax_quarantined_share = 1.5", "doors.max_quarantined_share: Input should be less than or equal to 1 (given: 1.5)"),
    "infinity": (GOOD + "[cleaning]\nmax_price = inf", "cleaning.max_price: Input should be a finite number"),
    "unknown zone": (GOOD.replace("Europe/London", "Europe/Londn"), "'Europe/Londn' is no time zone; use an IANA name such as Europe/London"),
    "unknown currency": (GOOD.replace('"GBP"', '"pounds"'), "currency: String should match pattern '^[A-Z]{3}$' (given: 'pounds')"),
    "unknown adapter": (GOOD.replace("column_map", "shopfy"), "sources[0].adapter: 'shopfy' is no adapter; known: complete_journey"),
    "unknown target": (GOOD + '[events]\ntarget = "refund"', "events.target: Input should be 'purchase', 'cart_add'"),
    "unknown event type in weights": (GOOD + "[events]\nweights = { buy = 1 }", "'buy' is no event type; known: view, list_view"),
    "target without weight": (GOOD + "[events]\nweights = { view = 1.0 }", "weights must give the target 'purchase' a weight above 0"),
    "unknown event type in a translation": (
        GOOD + '[sources.event_types]\nkauf = "buy"', "event_types: 'buy' is no event type; known: view",
    ),
    "names for a column that is none": (
        GOOD + '[sources.event_types]\nkauf = "purchase"',
        "event_types and leave_aside translate a column: columns must give event_type",
    ),
    "values for a column that is none": (
        GOOD + '[sources.values.quantity]\none = "1"', "values: columns does not give 'quantity'",
    ),
    "columns that differ in capitals": (
        GOOD.replace('"customer"', '"Sku"'), "columns 'sku' and 'Sku' differ in capitals only",
    ),
    "two lists in one record": (
        GOOD.replace('"sku"', '"lines[].sku"').replace('"customer"', '"people[].id"'),
        "columns step into two lists, lines[] and people[]; one row has one element",
    ),
    "unknown contract column": (GOOD.replace('user_id = "c', 'customer_id = "c'), "'customer_id' is no column of events; known: event_id"),
    "unmapped time": (GOOD.replace('occurred_at = "when"', ""), "columns or constants must give occurred_at"),
    "nobody": (GOOD.replace('user_id = "customer"', ""), "columns must give one of user_id, anonymous_id, session_id"),
    "a map without its adapter": (BARE + ADAPTER + '[sources.columns]\nitem_id = "x"', "`columns` belongs to adapter 'column_map' only"),
    "two sources of one name": (BARE + ADAPTER + ADAPTER, "two sources are called 'lines'"),
    "a path outside landing": (GOOD.replace('"orders/*.csv"', '"/data/*.csv"'), "sources[0].path: a glob below `landing`"),
    "an empty path": (GOOD.replace('"orders/*.csv"', '""'), "sources[0].path: a glob below `landing`"),
    "a column called like ours": (GOOD.replace('"sku"', '"row_number"'), "a file's column cannot be called 'row_number' here"),
    "a pattern that is none": (GOOD + "[cleaning]\nproduct_id_pattern = '('", "cleaning.product_id_pattern: no regular expression of RE2's: missing )"),
    "a pattern that RE2 lacks": (GOOD + "[cleaning]\nproduct_id_pattern = '(?=a)'", "no regular expression of RE2's: invalid perl operator"),
    "unknown key in a sink": (GOOD + '[sink.postgres]\nurl_env = "A"\nurl = "x"', "sink.postgres.url: unknown key; known here: tables, url_env"),
    "a sink of another kind": (GOOD + "[sink.mysql]\n", "sink.mysql: unknown key; known here: postgres, duckdb"),
    "a table that is not published": (GOOD + '[sink.duckdb]\npath = "x"\ntables = ["fct_events"]', "sink.duckdb.tables: 'fct_events' is not published; known: rec_for_you"),
    "a schema that needs quotes": (GOOD + '[sink.postgres]\nurl_env = "A"\nin_schema = "Shop"', "sink.postgres.in_schema: String should match pattern"),
    "a name with a slash": (GOOD.replace('name = "shop"', 'name = "../shop"'), "name: String should match pattern"),
}  # fmt: skip


def refused(path: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_shop(path)
    assert caught.value.exit_code == 2
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_key_is_named_with_what_is_allowed(tmp_path, text, told):
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    error = refused(path)
    assert told in error.what
    assert str(path) in error.what
    assert "docs/data-contract.md" in error.next_step


def test_all_wrong_keys_are_named_at_once(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text("colour = 1\n" + GOOD.replace("GBP", "gbp") + "[placements]\nk = 0")
    assert [line.split(":")[0].strip() for line in refused(path).what.splitlines()[1:]] == [
        "currency", "placements.k", "colour",
    ]  # fmt: skip


def test_a_missing_file_is_named(tmp_path):
    assert f"No shop file at {tmp_path / 'shop.toml'}" in refused(tmp_path / "shop.toml").what


def test_a_folder_is_no_shop_file(tmp_path):
    assert "is a folder" in refused(tmp_path).what


def test_a_path_through_a_file_is_told_in_words(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be read (Not a directory)" in refused(tmp_path / "file" / "shop.toml").what


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b'name = "shop"\ncurrency = \n',
            "is not valid TOML: Invalid value (at line 2, column 12)",
        ),
        (b'name = "a"\nname = "b"\n\n', "is not valid TOML: Cannot overwrite a value (at line 2"),
        (b'name = "caf\xe9"', "is not valid TOML: 'utf-8' codec can't decode byte 0xe9"),
    ],
    ids=["broken", "a key twice", "not UTF-8"],
)
def test_broken_toml_names_the_place(tmp_path, content, told):
    path = tmp_path / "shop.toml"
    path.write_bytes(content)
    error = refused(path)
    assert told in error.what
    assert "Mend the line" in error.next_step


@pytest.mark.parametrize("path", sorted((PROJECT / "shops").glob("*.toml")), ids=lambda p: p.stem)
def test_the_shops_that_come_along_can_be_used(path):
    assert load_shop(path).name == path.stem


def test_what_a_shop_does_not_say_has_a_default(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(GOOD)
    shop = load_shop(path)
    assert (shop.events.target, shop.events.weights, shop.placements.k) == (
        "purchase",
        {"purchase": 1.0},
        20,
    )


def test_a_date_may_stand_without_quotes(tmp_path):
    found = []
    for day in ("2026-05-01", '"2026-05-01"'):
        file = tmp_path / "shop.toml"
        file.write_text(f'{GOOD}[doors]\nlearn_from = {day}\nquiet_days = ["12-25", {day}]\n')
        found.append(load_shop(file).doors)
    assert found[0] == found[1]
    assert found[0].learn_from == "2026-05-01"


def test_without_weights_the_target_alone_counts(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(GOOD + '[events]\ntarget = "view"', encoding="utf-8")
    assert load_shop(path).events.weights == {"view": 1.0}
    path.write_text(GOOD, encoding="utf-8")
    assert load_shop(path).events.weights == {"purchase": 1.0}


def test_a_password_in_place_of_a_variable_s_name_is_not_repeated(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(GOOD + '[sink.postgres]\nurl_env = "postgresql://shop:hunter2@db/shop"')
    error = refused(path)
    assert "sink.postgres.url_env: name an environment variable here" in error.what
    assert "hunter2" not in str(error)


def test_a_sink_may_be_named_by_little(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(GOOD + '[sink.postgres]\nurl_env = "SHOP_DB"\n[sink.duckdb]\npath = "x.duckdb"')
    sink = load_shop(path).sink
    assert (sink.postgres.in_schema, sink.postgres.tables, sink.duckdb.path) == (
        "nightshelf",
        None,
        "x.duckdb",
    )
