"""Rules in a shop file, and in the CSV files beside it."""

from __future__ import annotations

from datetime import date

import pytest

from nightshelf.columns import SHELVES
from nightshelf.errors import SettingsError
from nightshelf.settings.rules import Line, Rules
from nightshelf.settings.shop import load_shop
from tests.settings.test_shop_file import GOOD

CSV = """rule,subject,value,placement,factor,rank,since,until,campaign
block,brand,"Bolt, & Sons; drop table x",,,,,,
boost,category,Food > Tea,for_you,1.5,,2017-11-20,2017-12-24,Advent
pin,,b 1,for_you,,1,,2017-12-24,Advent
"""


def shop_with(folder, rules: str, csv: str | None = None):
    path = folder / "shop.toml"
    path.write_text(GOOD + rules, encoding="utf-8")
    if csv is not None:
        (folder / "rules.csv").write_text(csv, encoding="utf-8-sig")
    return load_shop(path)


def told(folder, rules: str, csv: str | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        shop_with(folder, rules, csv)
    assert caught.value.next_step
    return caught.value.what


def test_all_rules_are_off_but_the_folding_of_variants(tmp_path):
    rules = shop_with(tmp_path, "").rules
    on = {k: v for k, v in rules.for_sql(date(2017, 12, 1)).items() if v}
    assert on == {"fold_variants": True, "price_bands": 5, "placements": ["for_you", "discover"]}


def test_lines_of_the_shop_file_and_of_a_csv_file_come_together_and_say_where_they_stand(tmp_path):
    text = '[rules]\nfiles = ["rules.csv"]\n[[rules.lines]]\nrule = "block"\nvalue = "x"\n'
    rules = shop_with(tmp_path, text, CSV).rules
    assert [(line.origin, line.value) for line in rules.lines] == [
        ("rules.lines[0]", "x"),
        ("rules.csv, line 2", "Bolt, & Sons; drop table x"),
        ("rules.csv, line 3", "Food > Tea"),
        ("rules.csv, line 4", "b 1"),
    ]
    assert rules.lines[3].subject == "item"
    assert rules.lines[2].until == date(2017, 12, 24)


def test_a_csv_file_of_a_spreadsheet_that_writes_semicolons_is_read(tmp_path):
    lines = "rule;value;factor\nblock;Bolt, large;\nboost;x;1.5\n"
    rules = shop_with(tmp_path, '[rules]\nfiles = ["rules.csv"]\n', lines).rules
    assert [(line.value, line.factor) for line in rules.lines] == [
        ("Bolt, large", None),
        ("x", 1.5),
    ]


@pytest.mark.parametrize(
    ("night", "holds"),
    [("2017-11-19", 2), ("2017-11-20", 3), ("2017-12-24", 3), ("2017-12-25", 1)],
)
def test_a_line_holds_from_its_first_night_to_its_last(tmp_path, night, holds):
    rules = shop_with(tmp_path, '[rules]\nfiles = ["rules.csv"]\n', CSV).rules
    assert len(rules.lines_on(date.fromisoformat(night))) == holds


def test_a_boost_without_a_placement_holds_on_every_shelf_but_the_one_laid_out_by_category():
    rules = Rules(lines=[Line(rule="boost", value="x", factor=2.0)])
    boosted = rules.for_sql(date(2017, 12, 1))["boosted"]
    assert {f"rec_{p}" for p in boosted} == set(SHELVES) - {"rec_next_category"}


LINE = "[[rules.lines]]\n"
WRONG = {
    "an unknown key": ("[rules]\nmax_per_colour = 2", "rules.max_per_colour: unknown key; known here: fold_variants, "),
    "an unknown key of a line": (LINE + 'rule = "block"\nvalue = "x"\nuser = 1', "rules.lines[0].user: unknown key; known here: rule, "),
    "a cap of none": ("[rules]\nmax_per_brand = 0", "rules.max_per_brand: Input should be greater than or equal to 1"),
    "a margin of all": ("[rules]\nmin_margin = 1.0", "rules.min_margin: Input should be less than 1"),
    "an unknown placement": ('[rules]\nplacements = ["next_category"]', "rules.placements[0]: Input should be 'for_you'"),
    "a boost without factor": (LINE + 'rule = "boost"\nvalue = "x"', "rules.lines[0]: a boost needs `factor`"),
    "a factor of nothing": (LINE + 'rule = "boost"\nvalue = "x"\nfactor = 0.0', "rules.lines[0].factor: Input should be greater than 0"),
    "a block of one shelf": (LINE + 'rule = "block"\nvalue = "x"\nplacement = "popular"', "a block takes no `placement`"),
    "a pin without rank": (LINE + 'rule = "pin"\nvalue = "x"\nplacement = "popular"', "a pin needs `rank`"),
    "a pinned brand": (LINE + 'rule = "pin"\nsubject = "brand"\nvalue = "x"\nplacement = "popular"\nrank = 1', "a pin is an item's"),
    "a span that ends before it begins": (LINE + 'rule = "block"\nvalue = "x"\nsince = 2017-12-02\nuntil = 2017-12-01', "since 2017-12-02 lies after until 2017-12-01"),
    "a file named twice": ('[rules]\nfiles = ["rules.csv", "more.csv", "rules.csv"]', "rules.files: 'rules.csv' is named twice"),
    "a file whose name is no path": ('[rules]\nfiles = ["rules\\u0000.csv"]', "cannot be used: embedded null byte"),
    "no value": (LINE + 'rule = "block"\nvalue = ""', "rules.lines[0].value: String should have at least 1"),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "what"), WRONG.values(), ids=WRONG)
def test_a_wrong_rule_is_named_with_what_is_allowed(tmp_path, rules, what):
    assert what in told(tmp_path, rules)


WRONG_FILES = {
    "an unknown column": ("rule,item\nblock,x\n", "'item' is no column; known: rule, subject, value"),
    "an empty file": ("", "'no header' is no column"),
    "a column twice": ("rule,value,value\nblock,x,y\n", "the header has 'value' twice"),
    "a value too many": ("rule,value\nblock,x,y\n", "rules.csv, line 2: more values than the header"),
    "a date that is none": ("rule,value,since\nblock,x,2017-02-30\n", "rules.csv, line 2: since: Input should be"),
    "a rank that is none": ("rule,value,placement,rank\nblock,x,,\npin,x,popular,first\n", "rules.csv, line 3: rank: Input should be a valid integer"),
    "a factor with a decimal comma": ("rule;value;factor\nboost;x;1,5\n", "rules.csv, line 2: factor: Input should be a valid number"),
    "an unknown rule": ("rule,value\nhide,x\n", "rules.csv, line 2: rule: Input should be 'block', 'boost' or 'pin'"),
    "a block with a factor": ("rule,value,factor\nblock,x,2\n", "rules.csv, line 2: a block takes no `factor`"),
    "two at one rank": (
        "rule,value,placement,rank,until\npin,x,popular,1,2017-12-01\npin,y,popular,1,\n",
        "rules.csv, line 2 and rules.csv, line 3 pin rank 1 of popular on the same nights",
    ),
    "one at two ranks": (
        "rule,value,placement,rank\npin,x,popular,1\npin,x,popular,2\n", "pin 'x' of popular on the same nights"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("csv", "what"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_of_rules_is_told_with_its_line(tmp_path, csv, what):
    assert what in told(tmp_path, '[rules]\nfiles = ["rules.csv"]\n', csv)


def test_a_file_of_rules_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "gone.csv") in told(tmp_path, '[rules]\nfiles = ["gone.csv"]\n')


def test_a_date_may_stand_in_quotes(tmp_path):
    line = f'{LINE}rule = "block"\nvalue = "x"\n'
    bare = shop_with(tmp_path, f"{line}since = 2017-12-02\n").rules.lines
    assert shop_with(tmp_path, f'{line}since = "2017-12-02"\n').rules.lines == bare


def test_two_pins_of_one_rank_on_different_nights_are_no_conflict(tmp_path):
    csv = "rule,value,placement,rank,since,until\npin,x,popular,1,,2017-12-01\npin,y,popular,1,2017-12-02,\n"
    assert len(shop_with(tmp_path, '[rules]\nfiles = ["rules.csv"]\n', csv).rules.lines) == 2


def test_pins_are_held_against_those_of_their_place_and_not_against_all(monkeypatch):
    held = []
    monkeypatch.setattr(Line, "meets", lambda one, other: held.append((one.value, other.value)))
    pins = [
        Line(rule="pin", value=value, placement="popular", rank=rank)
        for value, rank in (("a", 1), ("b", 1), ("a", 2), ("c", 3))
    ]
    Rules(lines=pins)
    assert held == [("a", "b"), ("a", "a")]
