"""What a rule needs of the catalogue, and how lines come into SQL."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from nightshelf.errors import SettingsError
from nightshelf.paths import Home
from nightshelf.settings.rules import Line, Ruled, Rules
from nightshelf.settings.shop import Shop
from nightshelf.transform.rules import (
    lines_about_nothing,
    offer_lines,
    refuse_idle_pins,
    refuse_without_column,
)
from nightshelf.transform.visit import DBT_PROJECT

NIGHT = date(2017, 12, 1)
SOURCE = {
    "name": "orders", "adapter": "column_map", "path": "*.csv",
    "columns": {"occurred_at": "when", "item_id": "sku", "user_id": "who"},
    "constants": {"event_type": "purchase"},
}  # fmt: skip
HOSTILE = "x'; drop table marts.dim_items; -- {{ 7 * 7 }}"


def shop(rules: Rules) -> Shop:
    return Shop(name="s", time_zone="UTC", currency="EUR", sources=[SOURCE], rules=rules)


@pytest.fixture
def attempt(tmp_path):
    """A catalogue with prices and categories, and neither brands nor costs; views, no purchases."""
    attempt = Home(tmp_path).shop("s").attempt(NIGHT, 1)
    attempt.root.mkdir(parents=True)
    with duckdb.connect(str(attempt.database)) as db:
        db.execute(
            """create schema marts;
            create table marts.dim_items as
            select 'a' as item_id, true as is_product, 'Food > Tea' as category, 'Food > Tea > Green' as category_path,
                null::varchar as brand, 1.0 as price, null::double as cost
            union all select 'POST', false, null, null, 'Post', 1.0, 1.0;
            create table marts.fct_interactions as select 'view' as event_type"""
        )
    return attempt


LACKING = {
    "a cap on brands": (Rules(max_per_brand=2), "rules.max_per_brand needs the brand of items"),
    "a margin": (Rules(min_margin=0.0), "rules.min_margin needs the cost of items"),
    "a weight on the margin": (Rules(margin_weight=0.1), "rules.margin_weight needs the cost"),
    "a blocked brand": (
        Rules(lines=[Line(rule="block", subject="brand", value="Acme")]),
        "rules.lines[0] needs the brand of items, and none of the 1 items of the night 2017-12-01",
    ),
    "purchases": (Rules(withhold_bought=True), "rules.withhold_bought needs purchases"),
}


@pytest.mark.parametrize(("rules", "told"), LACKING.values(), ids=LACKING)
def test_a_rule_whose_column_nobody_fills_stops_the_night(attempt, rules, told):
    with pytest.raises(SettingsError) as caught:
        refuse_without_column(shop(rules), Path("shops/s.toml"), NIGHT, attempt)
    assert told in caught.value.what
    assert "shops/s.toml" in caught.value.what
    assert caught.value.next_step


def test_a_rule_that_has_its_column_and_a_line_of_another_night_stop_nothing(attempt):
    later = Line(rule="block", subject="brand", value="Acme", since=date(2017, 12, 2))
    rules = Rules(
        max_per_category=2, max_per_price_band=2, calibration=0.5, lines=[later],
        fold_variants=False,
    )  # fmt: skip
    refuse_without_column(shop(rules), Path("s.toml"), NIGHT, attempt)


def test_only_the_night_s_lines_come_into_sql_and_as_they_are_written(attempt):
    lines = [
        Line(rule="block", value=HOSTILE),
        Line(rule="block", value="gone", until=date(2017, 11, 30)),
        Line(rule="boost", subject="category", value="Food", factor=2.0, campaign=HOSTILE),
    ]
    for _ in range(2):  # a second visit makes the same
        offer_lines(attempt, Rules(lines=lines), NIGHT)
    with duckdb.connect(str(attempt.database)) as db:
        found = db.execute("select value, campaign from raw.rules order by line").fetchall()
    assert found == [(HOSTILE, ""), ("Food", HOSTILE)]


def test_a_line_that_no_item_is_of_is_told(attempt):
    lines = [
        Line(rule="block", value="a"),
        Line(rule="block", subject="category", value="Food"),
        Line(rule="block", subject="category", value="Foo"),
        Line(rule="block", value="b"),
        Line(rule="block", subject="category", value="Food > Tea > Green"),
        Line(rule="block", subject="category", value="Food > Tea > Gre"),
    ]
    offer_lines(attempt, Rules(lines=lines), NIGHT)
    assert [(origin, value) for origin, _, _, value in lines_about_nothing(attempt)] == [
        ("rules.lines[2]", "Foo"),
        ("rules.lines[3]", "b"),
        ("rules.lines[5]", "Food > Tea > Gre"),
    ]


def pinned(rank: int, **more) -> Shop:
    return shop(
        Rules(lines=[Line(rule="pin", value="a", placement="bought_together", rank=rank, **more)])
    )


def test_a_pin_behind_the_last_place_of_its_shelf_is_refused_and_one_on_it_is_not():
    told = "rules.lines[0] pins 'a' to rank 11 of bought_together, whose lists have 10 places"
    with pytest.raises(SettingsError, match=re.escape(told)) as caught:
        refuse_idle_pins(pinned(11), Path("shop.toml"), NIGHT)
    assert caught.value.next_step == "Pin it to rank 10 at most, or raise placements.k_together."
    refuse_idle_pins(pinned(10), Path("shop.toml"), NIGHT)


def test_a_far_pin_that_is_over_stops_nothing():
    refuse_idle_pins(pinned(11, until=date(2017, 11, 30)), Path("shop.toml"), NIGHT)


def test_the_length_of_a_shelf_has_the_same_key_here_and_in_sql():
    of_sql = dict(
        re.findall(r"'(\w+)': '(k_\w+)'", (DBT_PROJECT / "macros/candidates.sql").read_text())
    )
    assert len(of_sql) == 8
    placements = shop(Rules()).placements
    assert {p: placements.length_key(p) for p in Ruled.__args__} == {
        p: of_sql.get(p, "k") for p in Ruled.__args__
    }


def test_a_pin_to_a_placement_that_is_off_is_refused():
    asked = pinned(2)
    asked = asked.model_copy(
        update={"placements": asked.placements.model_copy(update={"off": ["bought_together"]})}
    )
    told = "rules.lines[0] pins 'a' to bought_together, which placements.off switches off"
    with pytest.raises(SettingsError, match=re.escape(told)):
        refuse_idle_pins(asked, Path("shop.toml"), NIGHT)
