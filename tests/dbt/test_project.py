"""The dbt project: its unit tests, and what every model must say about itself."""

import re

import pytest
import yaml

from nightshelf.columns import AUDIENCE, AUDIENCE_KEYS, SHELF, SHELVES
from nightshelf.settings.rules import Ruled
from nightshelf.transform.visit import DBT_PROJECT

UNIT_TESTS = sorted(
    test["name"]
    for path in DBT_PROJECT.rglob("models/**/*.yml")
    for test in yaml.safe_load(path.read_text()).get("unit_tests", [])
)
MODELS = sorted(
    path.stem for kind in ("sql", "py") for path in DBT_PROJECT.glob(f"models/**/*.{kind}")
)
COUNTING = (
    "int_copies_found", "int_events_deduplicated", "int_events_cleaned", "int_robots_found", "int_purchases_cancelled",
    "int_item_titles", "int_category_paths", "int_dates", "int_session_parts", "int_sessions_over_midnight",
    "int_visitors_joined", "int_sessions_joined", "dim_item_versions", "dim_items", "int_sessions_by_date", "feat_replenishment", "rpt_rule_cost",
    "int_interactions_by_date", "fct_basket_items", "feat_item", "feat_item_bursts", "feat_user_item", "fct_active_days",
    "feat_audience_cuts", "feat_user_rhythm", "feat_user_interest", "label_returned", "label_interest",
    "audience_counts", "user_profiles", "user_interest_history", "user_interest_forecast",
    "user_churn_risk", "audiences", "feat_arrivals", "feat_item_price", "feat_first_takings", "feat_placements",
    "rec_cart", "rec_next_category", "rec_trending", "rec_new_arrivals", "rec_on_sale", "rec_cold_start",
    "user_churn_risk", "audiences", "int_list_events", "int_exposures", "fct_impressions", "int_shelves_replayed",
    "rpt_online_quality", "rpt_impressions", "ruled_candidates", "item_responses", "int_users_described",
    "feat_first_takings_by_region", "int_dates_of_sessions", "int_dates_of_interactions",
    "feat_user_category",
)  # fmt: skip
"""Models that count days, windows or ties, and cleaning rules: each has a unit test."""
LOOKING_BACK = ("user_profiles", "user_interest_history", "label_returned", "label_interest")
"""Tables about users that read events themselves."""


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_unit_test_passes(statuses, name):
    assert statuses[name] == "pass"


def test_every_unit_test_was_run(statuses):
    assert sorted(statuses) == UNIT_TESTS


@pytest.mark.parametrize("model", COUNTING)
def test_a_model_that_counts_has_a_unit_test(project, model):
    assert model in {test["model"] for test in project.manifest["unit_tests"].values()}


def test_every_model_file_is_a_model(project):
    assert sorted(project.nodes("model")) == MODELS


@pytest.mark.parametrize("model", MODELS)
def test_model_says_its_grain_and_describes_itself_and_every_column(project, model):
    node = project.nodes("model")[model]
    assert node["config"]["meta"]["grain"].startswith("one row per")
    assert node["description"]
    assert node["columns"]
    assert [c for c, column in node["columns"].items() if not column["description"]] == []


@pytest.mark.parametrize("model", MODELS)
def test_model_has_its_yml_twin(model):
    (code,) = (p for p in DBT_PROJECT.glob(f"models/**/{model}.*") if p.suffix != ".yml")
    assert code.with_suffix(".yml").exists()


@pytest.mark.parametrize("shelf", SHELVES)
def test_shelf_has_the_published_columns_in_their_order(project, shelf):
    columns = project.nodes("model")[shelf]["columns"]
    assert list(columns) == list(SHELF)
    stated = {n: c["data_type"] for n, c in columns.items() if c["data_type"]}
    assert {n: t.upper() for n, t in stated.items()} == {n: SHELF[n] for n in stated}


def test_every_shelf_is_a_model_of_recommendations(project):
    found = {n for n, node in project.nodes("model").items() if node["schema"] == "recommendations"}
    assert found == set(SHELVES)


def test_the_macro_that_names_the_shelves_names_them_all():
    text = (DBT_PROJECT / "macros" / "placements.sql").read_text()
    listed = text[text.index("macro shelves()") : text.index("endmacro")]
    assert tuple(re.findall(r"'(rec_\w+)'", listed)) == SHELVES


def test_the_macro_that_names_the_placements_under_rules_names_those_that_a_shop_may_name():
    text = (DBT_PROJECT / "macros" / "placements.sql").read_text()
    listed = text[text.index("macro ruled_placements()") :].split("endmacro")[0]
    assert tuple(re.findall(r"'(\w+)'", listed)) == Ruled.__args__


@pytest.mark.parametrize("table", AUDIENCE)
def test_table_about_users_has_the_published_columns_in_their_order_and_a_key_of_them(
    project, table
):
    node = project.nodes("model")[table]
    assert node["schema"] == "audience"
    assert list(node["columns"]) == list(AUDIENCE[table])
    assert set(AUDIENCE_KEYS[table]) < set(AUDIENCE[table])


def test_every_macro_describes_itself():
    for path in DBT_PROJECT.glob("macros/**/*.sql"):
        text = path.read_text()
        for name in re.findall(r"{% (?:macro|test) (\w+)\(", text):
            if not name.startswith("default__"):
                before = re.split(rf"{{% (?:macro|test) {name}\(", text)[0]
                assert before.rstrip().endswith("#}"), name


def test_every_singular_test_says_what_a_returned_row_means():
    for path in DBT_PROJECT.glob("tests/*.sql"):
        assert path.stem.startswith("assert_")
        assert "-- A returned row is " in path.read_text(), path.name


def test_features_look_at_time_through_the_one_macro():
    """By itself, or as the bits of the cuts that see a line. Nothing else in features/ compares a date with
    as_of, but for windows inside what is seen. What reads other features alone sees what they saw."""
    bits = (DBT_PROJECT / "macros/tastes.sql").read_text().split("{% macro bits_of_cuts(")[1]
    assert "seen_before(" in bits
    audience = [DBT_PROJECT / f"models/audience/{t}.sql" for t in LOOKING_BACK]
    for path in [*DBT_PROJECT.glob("models/features/*.sql"), *audience]:
        text = path.read_text()
        others = re.findall(r"ref\('(?!feat_|int_as_ofs)(\w+)'\)", text)
        assert re.search(r"seen_before\(|bits_of_cuts\(", text) or not others, path.name
        assert not re.search(r"(<=?|>)\s*(as_ofs\.)?as_of\b(?! -)", text), path.name
