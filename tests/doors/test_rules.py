"""Each rule is shown its fault, and names it; the healthy shop passes."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest

from nightshelf.doors import DOORS, check
from nightshelf.errors import DoorClosed
from nightshelf.settings.exploration import Exploration
from tests.doors.test_mutations import RAW

U1 = "WHERE user_id = 'u1'"
FIRST = "user_id = 'u1' AND as_of = DATE '2026-05-31'"

FAULTS = [
    # door, rule, SQL that plants the fault
    (
        "raw",
        "events_have_their_columns",
        "CREATE OR REPLACE VIEW raw.events AS "
        "SELECT * RENAME (coupon AS voucher) FROM landed.events",
    ),
    (
        "raw",
        "items_have_their_columns",
        "CREATE OR REPLACE VIEW raw.items AS "
        "SELECT * REPLACE (in_stock::INTEGER AS in_stock) FROM landed.items",
    ),
    ("raw", "files_have_their_columns", "DROP TABLE raw.files"),
    ("raw", "events_is_not_empty", "DELETE FROM landed.events"),
    ("raw", "files_reconcile", "UPDATE raw.files SET accepted = accepted - 1 WHERE file_id = 'f1'"),
    (
        "raw",
        "few_rows_are_quarantined",
        "UPDATE raw.files SET accepted = 1590, quarantined = 410 WHERE file_id = 'f1'",
    ),
    (
        "raw",
        "restated_files_keep_their_events",
        "INSERT INTO raw.restated VALUES"
        " ('events.csv', 'columns', DATE '2026-05-30', 1969, 1969, 985, 984, 41, 41)",
    ),
    (
        "raw",
        "event_types_are_known",
        "UPDATE landed.events SET event_type = 'purchased' WHERE event_id = 'e7'",
    ),
    (
        "raw",
        "events_name_their_item",
        "UPDATE landed.events SET item_id = ' ' WHERE event_id = 'e7'",
    ),
    ("raw", "prices_are_not_negative", "UPDATE landed.events SET price = -1 WHERE row_number < 40"),
    (
        "raw",
        "prices_are_plausible",
        "UPDATE landed.events SET price = 120000 WHERE event_type = 'purchase' AND row_number < 40",
    ),
    (
        "raw",
        "quantities_are_plausible",
        "UPDATE landed.events SET quantity = 4006381333931 WHERE row_number < 10",
    ),
    (
        "raw",
        "currency_is_single",
        "UPDATE landed.events SET currency = 'USD' WHERE event_id = 'e7'",
    ),
    (
        "raw",
        "most_events_know_their_user",
        "UPDATE landed.events SET user_id = NULL, anonymous_id = NULL WHERE row_number < 1000",
    ),
    (
        "raw",
        "event_ids_seldom_repeat",
        "UPDATE landed.events SET event_id = 'e' || row_number % 10",
    ),
    (
        "raw",
        "events_have_a_time",
        "UPDATE landed.events SET occurred_at = NULL WHERE event_id = 'e7'",
    ),
    (
        "raw",
        "events_reach_the_night",
        "UPDATE landed.events SET occurred_at = occurred_at - INTERVAL 4 DAY",
    ),
    (
        "raw",
        "few_events_are_from_the_future",
        "UPDATE landed.events SET occurred_at = TIMESTAMP '2056-01-01' WHERE row_number > 1960",
    ),
    (
        "raw",
        "few_events_are_from_long_ago",
        "UPDATE landed.events SET occurred_at = TIMESTAMP '1970-01-21' WHERE row_number > 1960",
    ),
    ("raw", "facts_have_their_columns", "DROP TABLE raw.facts"),
    ("raw", "categories_have_their_columns", "ALTER TABLE raw.categories DROP COLUMN parent_id"),
    ("raw", "users_have_their_columns", "ALTER TABLE raw.users DROP COLUMN consent"),
    ("raw", "catalogue_is_filled", "DELETE FROM landed.items"),
    (
        "raw",
        "catalogue_keeps_its_price_level",
        "UPDATE landed.items SET price = 4 * price",
    ),
    (
        "raw",
        "days_have_their_usual_volume",
        "DELETE FROM landed.events WHERE row_number BETWEEN 10 AND 49",
    ),
    ("features", "dim_items_is_not_empty", "DELETE FROM marts.dim_items"),
    ("features", "dim_users_is_not_empty", "DELETE FROM marts.dim_users"),
    ("features", "fct_interactions_is_not_empty", "DELETE FROM marts.fct_interactions"),
    ("features", "feat_item_is_not_empty", "DELETE FROM features.feat_item"),
    ("features", "feat_user_is_not_empty", "DELETE FROM features.feat_user"),
    ("features", "feat_user_item_is_not_empty", "DELETE FROM features.feat_user_item"),
    ("features", "feat_catalogue_is_not_empty", "DELETE FROM features.feat_catalogue"),
    (
        "features",
        "dim_items_key_is_given",
        "UPDATE marts.dim_items SET item_id = NULL WHERE item_id = 'i1'",
    ),
    ("features", "dim_users_key_is_given", f"UPDATE marts.dim_users SET user_id = '' {U1}"),
    (
        "features",
        "fct_interactions_key_is_given",
        f"UPDATE marts.fct_interactions SET item_id = NULL {U1}",
    ),
    (
        "features",
        "feat_item_key_is_given",
        "UPDATE features.feat_item SET item_id = NULL "
        "WHERE item_id = 'i1' AND as_of = DATE '2026-05-31'",
    ),
    (
        "features",
        "feat_user_key_is_given",
        "INSERT INTO features.feat_user BY NAME SELECT * REPLACE (NULL AS user_id) "
        "FROM features.feat_user LIMIT 1",
    ),
    (
        "features",
        "feat_user_item_key_is_given",
        f"UPDATE features.feat_user_item SET item_id = NULL WHERE {FIRST}",
    ),
    (
        "features",
        "feat_user_category_key_is_given",
        f"UPDATE features.feat_user_category SET category = NULL WHERE category = 'Home > Tea' "
        f"AND {FIRST}",
    ),
    (
        "features",
        "feat_user_brand_key_is_given",
        f"UPDATE features.feat_user_brand SET brand = NULL WHERE {FIRST}",
    ),
    (
        "features",
        "feat_catalogue_key_is_given",
        "UPDATE features.feat_catalogue SET item_id = NULL WHERE item_id = 'i1'",
    ),
    *(
        (
            "features",
            f"{table.split('.')[1]}_key_is_unique",
            f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1",
        )
        for table in (
            "marts.dim_items",
            "marts.dim_users",
            "marts.fct_interactions",
            "features.feat_item",
            "features.feat_user",
            "features.feat_user_item",
            "features.feat_user_brand",
            "features.feat_catalogue",
        )
    ),
    (
        "features",
        "feat_user_category_key_is_unique",
        "INSERT INTO features.feat_user_category "
        "SELECT * REPLACE (0 AS share) FROM features.feat_user_category LIMIT 1",
    ),
    (
        "features",
        "feat_user_knows_every_date_with_a_past",
        f"UPDATE marts.fct_interactions SET interaction_date = DATE '2026-04-20' {U1}; "
        "DELETE FROM features.feat_user_item WHERE as_of = DATE '2026-05-17'; "
        "DELETE FROM features.feat_user WHERE as_of = DATE '2026-05-17'",
    ),
    (
        "features",
        "interactions_lie_before_the_night",
        f"UPDATE marts.fct_interactions SET interaction_date = DATE '2026-05-31' {U1}",
    ),
    *(
        (
            "features",
            f"{table}_sees_strictly_before",
            f"UPDATE features.{table} SET days_since_last = 0 WHERE {key}",
        )
        for table, key in (
            ("feat_item", "item_id = 'i1'"),
            ("feat_user", "user_id = 'u1'"),
            ("feat_user_item", "user_id = 'u1'"),
            ("feat_user_category", "user_id = 'u1'"),
        )
    ),
    (
        "features",
        "feat_item_first_day_precedes_its_last",
        "UPDATE features.feat_item SET days_since_last = 10 WHERE item_id = 'i1'",
    ),
    (
        "features",
        "feat_item_windows_are_nested",
        "UPDATE features.feat_item SET n_buyers_7d = 3 WHERE item_id = 'i1'",
    ),
    (
        "features",
        "feat_item_usual_buyers_are_buyers",
        "UPDATE features.feat_item SET usual_buyers_28d = 3 WHERE item_id = 'i1'",
    ),
    (
        "features",
        "feat_user_windows_are_nested",
        f"UPDATE features.feat_user SET n_active_days_28d = 4 {U1}",
    ),
    (
        "features",
        "feat_user_item_windows_are_nested",
        f"UPDATE features.feat_user_item SET n_days_91d = 1 {U1}",
    ),
    (
        "features",
        "feat_item_repeat_share_is_a_share",
        "UPDATE features.feat_item SET repeat_share = 1.2 WHERE item_id = 'i1'",
    ),
    (
        "features",
        "feat_user_repeat_share_is_a_share",
        f"UPDATE features.feat_user SET repeat_share = 'nan' {U1}",
    ),
    (
        "features",
        "feat_user_category_share_is_a_share",
        f"UPDATE features.feat_user_category SET share = -0.1 {U1}",
    ),
    (
        "features",
        "feat_user_brand_share_is_a_share",
        f"UPDATE features.feat_user_brand SET share = 1.5 {U1}",
    ),
    (
        "features",
        "category_shares_sum_to_one_at_most",
        f"UPDATE features.feat_user_category SET share = 0.6 {U1}",
    ),
    (
        "features",
        "feat_user_item_quantity_is_positive",
        f"UPDATE features.feat_user_item SET quantity = 0 {U1}",
    ),
    (
        "features",
        "feat_user_item_days_fit_their_span",
        f"UPDATE features.feat_user_item SET mean_gap_days = 0.9 {U1}",
    ),
    (
        "features",
        "feat_user_item_decay_is_bounded",
        f"UPDATE features.feat_user_item SET decayed_count = 'inf' {U1}",
    ),
    (
        "features",
        "feat_user_item_users_have_features",
        f"DELETE FROM features.feat_user WHERE {FIRST}",
    ),
    (
        "shelves",
        "shelves_have_the_published_columns",
        "ALTER TABLE recommendations.rec_for_you RENAME COLUMN source TO origin",
    ),
    ("shelves", "shelves_are_not_empty", "DELETE FROM recommendations.rec_popular"),
    (
        "shelves",
        "shelves_are_of_this_night",
        "UPDATE recommendations.rec_popular SET night = DATE '2026-05-30' WHERE rank = 2",
    ),
    (
        "shelves",
        "scores_are_finite",
        "UPDATE recommendations.rec_popular SET score = 'nan' WHERE rank = 1",
    ),
    (
        "shelves",
        "propensities_are_probabilities",
        "UPDATE recommendations.rec_popular SET propensity = 0 WHERE rank = 1",
    ),
    (
        "shelves",
        "no_item_recommends_itself",
        "UPDATE recommendations.rec_similar_items SET item_id = context_id WHERE rank = 1",
    ),
    (
        "shelves",
        "evidence_on_a_users_shelf_is_the_users_own",
        "UPDATE marts.fct_interactions SET cancelled_on = DATE '2026-05-30' WHERE user_id = 'u1'",
    ),
    (
        "shelves",
        "each_place_holds_one_item",
        "INSERT INTO recommendations.rec_popular "
        "SELECT * FROM recommendations.rec_popular WHERE rank = 2",
    ),
    (
        "shelves",
        "no_list_names_an_item_twice",
        "UPDATE recommendations.rec_popular SET item_id = 'i1' WHERE rank = 3",
    ),
    ("shelves", "ranks_have_no_holes", "DELETE FROM recommendations.rec_popular WHERE rank = 3"),
    (
        "shelves",
        "scores_fall_with_rank",
        "UPDATE recommendations.rec_popular SET score = 2 WHERE rank = 3",
    ),
    (
        "shelves",
        "offered_items_are_known",
        "UPDATE recommendations.rec_popular SET item_id = 'ghost' WHERE rank = 3",
    ),
    (
        "shelves",
        "nobody_is_offered_an_item_out_of_stock",
        "UPDATE marts.dim_items SET in_stock = false WHERE item_id = 'i5'",
    ),
    (
        "shelves",
        "discover_shows_nothing_already_bought",
        "UPDATE recommendations.rec_discover SET item_id = 'i1' "
        "WHERE context_id = 'u1' AND rank = 4",
    ),
    (
        "shelves",
        "no_single_item_leads_for_everybody",
        "INSERT INTO marts.dim_items SELECT * REPLACE ('star' AS item_id, 'star' AS product_id,"
        " NULL AS brand, NULL AS price_band) "
        "FROM marts.dim_items LIMIT 1; UPDATE recommendations.rec_for_you SET item_id = 'star' "
        "WHERE rank = 1 AND context_id <= 'u4'",
    ),
    (
        "shelves",
        "for_you_serves_the_users",
        "DELETE FROM recommendations.rec_for_you WHERE context_id IN ('u1', 'u2')",
    ),
    (
        "shelves",
        "shelves_serve_as_many_as_last_night",
        "DELETE FROM recommendations.rec_discover WHERE context_id <= 'u14'",
    ),
    (
        "shelves",
        "shelves_are_as_long_as_last_night",
        "DELETE FROM recommendations.rec_discover WHERE rank > 1",
    ),
    (
        "shelves",
        "shelves_are_not_last_nights",
        "UPDATE recommendations.rec_for_you SET score = 0.99 * score",
    ),
    (
        "shelves",
        "no_withheld_item_is_offered",
        "UPDATE marts.dim_items SET withheld_by = ['min_margin'] WHERE item_id = 'i5'",
    ),
    (
        "shelves",
        "no_blocked_item_is_offered",
        "UPDATE raw.rules SET subject = 'category', value = 'Home > Tea > Green' WHERE rule = 'block'",
    ),
    (
        "shelves",
        "variants_stand_once_in_a_list",
        "UPDATE marts.dim_items SET product_id = 'p' WHERE item_id IN ('i5', 'i6')",
    ),
    (
        "shelves",
        "no_list_has_too_many_of_a_brand",
        "UPDATE marts.dim_items SET brand = 'Acme' WHERE item_id = 'i5'",
    ),
    (
        "shelves",
        "no_list_has_too_many_of_a_category",
        "INSERT INTO marts.dim_items SELECT * REPLACE ('other' AS item_id, 'other' AS product_id,"
        " NULL AS brand, NULL AS price_band) FROM marts.dim_items LIMIT 1;"
        " INSERT INTO recommendations.rec_discover SELECT * REPLACE (5 AS rank, 'other' AS item_id,"
        " 0.01 AS score) FROM recommendations.rec_discover WHERE rank = 4 AND context_id = 'u3'",
    ),
    (
        "shelves",
        "no_list_has_too_many_of_a_price_band",
        "UPDATE marts.dim_items SET price_band = 1 WHERE item_id = 'i5'",
    ),
    (
        "shelves",
        "what_is_pinned_stands_at_its_rank",
        "UPDATE raw.rules SET rank = 2 WHERE rule = 'pin'",
    ),
    (
        "shelves",
        "what_was_bought_waits_for_its_time",
        "INSERT INTO marts.fct_interactions BY NAME SELECT 'u3' AS user_id, 'i4' AS item_id,"
        " 'purchase' AS event_type, DATE '2026-05-29' AS interaction_date;"
        " DELETE FROM recommendations.rec_discover WHERE context_id = 'u3'",
    ),
    (
        "shelves",
        "propensities_keep_to_the_budget",
        "UPDATE recommendations.rec_discover SET propensity = 0.5 WHERE context_id = 'u1' AND rank = 1",
    ),
    (
        "shelves",
        "no_list_explores_beyond_its_budget",
        "UPDATE recommendations.rec_discover SET is_exploration = true, propensity = 0.05,"
        " source = 'exploration', reason_code = 'exploring' WHERE context_id = 'u1' AND rank = 3",
    ),
    (
        "shelves",
        "slots_explore_as_often_as_their_chances_say",
        "UPDATE recommendations.rec_discover SET is_exploration = false, propensity = 0.75,"
        " source = 'item_knn', reason_code = 'similar' WHERE is_exploration AND context_id > 'u11'",
    ),
    (
        "shelves",
        "exploring_slots_say_so",
        "UPDATE recommendations.rec_discover SET reason_code = 'similar' WHERE is_exploration",
    ),
    (
        "shelves",
        "audience_has_the_published_columns",
        "ALTER TABLE audience.user_segments RENAME COLUMN name TO title",
    ),
    (
        "shelves",
        "audience_is_of_this_night",
        f"UPDATE audience.user_segments SET night = DATE '2026-05-30' {U1}",
    ),
    (
        "shelves",
        "audience_keys_are_unique",
        f"INSERT INTO audience.audiences SELECT * REPLACE ('again' AS why) FROM audience.audiences {U1}",
    ),
    (
        "shelves",
        "audience_users_are_known",
        f"UPDATE audience.user_segments SET user_id = 'ghost' {U1}",
    ),
    (
        "shelves",
        "chances_are_probabilities",
        f"UPDATE audience.user_churn_risk SET probability = NULL {U1}",
    ),
    (
        "shelves",
        "forecasts_sum_to_one",
        f"DELETE FROM audience.user_interest_forecast {U1} AND category IS NULL",
    ),
    (
        "shelves",
        "every_user_has_a_profile",
        f"DELETE FROM audience.user_profiles {U1}; DELETE FROM audience.user_churn_risk {U1}",
    ),
    (
        "shelves",
        "a_risk_is_told_of_everybody_or_of_nobody",
        f"DELETE FROM audience.user_churn_risk {U1}",
    ),
]


@pytest.mark.parametrize("door", DOORS)
def test_the_healthy_shop_passes(door, attempt, context):
    result = check(door, attempt, context)
    assert [rule.name for rule in result.rules if rule.outcome != "passed"] == []


def test_what_was_bought_and_refunded_may_be_discovered_again(attempt, context, spoil):
    spoil(
        "UPDATE recommendations.rec_discover SET item_id = 'i1' WHERE context_id = 'u1' AND rank = 4"
    )
    spoil(
        "UPDATE marts.fct_interactions SET cancelled_on = DATE '2026-05-30'"
        " WHERE user_id = 'u1' AND item_id = 'i1'"
    )
    # What was refunded is nobody's evidence either.
    for shelf in ("for_you", "discover", "buy_again", "on_sale"):
        spoil(f"UPDATE recommendations.rec_{shelf} SET evidence = [] WHERE context_id = 'u1'")
    check("shelves", attempt, context)


def test_pins_may_be_more_than_a_cap_and_end_a_list_that_is_too_short(attempt, context, spoil):
    spoil("UPDATE raw.rules SET rank = 2 WHERE rule = 'pin'")
    spoil("DELETE FROM recommendations.rec_popular WHERE rank > 1")
    spoil("UPDATE marts.dim_items SET brand = 'Acme' WHERE item_id = 'i5'")
    spoil("UPDATE recommendations.rec_for_you SET source = 'rules'")
    spoil("UPDATE recommendations.rec_discover SET source = 'rules', reason_code = 'pinned',"
          " is_exploration = false, propensity = 1")  # fmt: skip
    context = replace(context, previous=None, exploration=Exploration())
    result = check("shelves", attempt, context)
    assert "no_list_has_too_many_of_a_brand" in {rule.name for rule in result.rules}


def test_a_shelf_without_a_budget_leaves_nothing_to_chance(attempt, context):
    with pytest.raises(DoorClosed) as closed:
        check("shelves", attempt, replace(context, exploration=Exploration()))
    assert _named(str(closed.value)) == ["propensities_keep_to_the_budget"]


def test_whoever_bought_it_need_not_see_a_pin_on_discover(attempt, context, spoil):
    """User 0 bought item 0; the others lack it, and only they are named."""
    spoil("INSERT INTO raw.rules VALUES (3, 'pin', 'item', 'i0', 'discover', NULL, 1, '', 'here')")
    with pytest.raises(DoorClosed) as closed:
        check("shelves", attempt, context)
    assert "context_id='u1'" in str(closed.value)
    assert "context_id='u0'" not in str(closed.value)


def test_what_was_taken_eight_years_ago_may_count_for_nothing(attempt, context, spoil):
    spoil(f"UPDATE features.feat_user_item SET decayed_count = 0, days_since_last = 8 * 365 {U1}")
    assert check("features", attempt, context).success
    spoil(f"UPDATE features.feat_user_item SET days_since_last = 30 {U1}")
    with pytest.raises(DoorClosed, match="feat_user_item_decay_is_bounded"):
        check("features", attempt, context)


def test_a_date_before_the_first_target_event_may_have_nobody_however_old_the_views(
    attempt, context, spoil
):
    spoil("UPDATE marts.fct_interactions SET interaction_date = DATE '2026-05-20'")
    spoil("""INSERT INTO marts.fct_interactions BY NAME
        SELECT * REPLACE ('view' AS event_type, DATE '2026-04-20' AS interaction_date)
        FROM marts.fct_interactions""")
    for table in ("feat_user", "feat_user_item"):
        spoil(f"DELETE FROM features.{table} WHERE as_of < DATE '2026-05-20'")
    assert check("features", attempt, context).success
    with pytest.raises(DoorClosed, match="feat_user_knows_every_date_with_a_past"):
        check("features", attempt, replace(context, target_event="view"))


def test_what_was_taken_is_the_shop_s_own_event_on_discover(attempt, context, spoil):
    """Whoever carted an item of a shop that wants carts need not see its pin, and may not see the item."""
    spoil("UPDATE marts.fct_interactions SET event_type = 'cart_add'")
    spoil("INSERT INTO raw.rules VALUES (3, 'pin', 'item', 'i1', 'discover', NULL, 1, '', 'here')")
    spoil(
        "UPDATE recommendations.rec_discover SET item_id = 'i1' WHERE context_id = 'u1' AND rank = 4"
    )
    carts = replace(context, target_event="cart_add")
    with pytest.raises(DoorClosed, match="discover_shows_nothing_already_bought") as closed:
        check("shelves", attempt, carts)
    refused = str(closed.value).split("what_is_pinned_stands_at_its_rank")[1]
    assert "context_id='u0'" in refused
    assert "context_id='u1'" not in refused


FAMILIES = ("_key_is_given", "_key_is_unique", "_sees_strictly_before")
"""One promise, made about several tables. Their faults touch one table each and are planted
together, which saves twenty runs of the door."""


def _grouped() -> dict[str, list[tuple[str, str, str]]]:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for fault in FAULTS:
        family = next((suffix for suffix in FAMILIES if fault[1].endswith(suffix)), fault[1])
        groups.setdefault(family.strip("_"), []).append(fault)
    return groups


@pytest.mark.parametrize("faults", _grouped().values(), ids=_grouped())
def test_a_fault_closes_the_door_under_its_own_name(faults, attempt, context, spoil):
    for _, _, sql in faults:
        spoil(sql)
    with pytest.raises(DoorClosed) as closed:
        check(faults[0][0], attempt, context)
    named, planted = sorted(_named(str(closed.value))), sorted(rule for _, rule, _ in faults)
    if faults[0][0] == "raw":  # one fault there shows in several figures of its day
        assert set(planted) <= set(named)
    else:
        assert named == planted


@pytest.mark.parametrize("door", DOORS)
def test_every_rule_has_a_planted_fault(door, context):
    suite = importlib.import_module(f"expectations.{door}")
    planted = [rule for of_door, rule, _ in FAULTS if of_door == door]
    if door == "raw":
        planted += [rule for _, rule, _ in RAW]  # in tests/doors/test_mutations.py
    assert set(planted) == {rule.name for rule in suite.rules(context)}


@pytest.mark.parametrize("door", DOORS)
def test_every_rule_says_why_and_what_to_do(door, context):
    suite = importlib.import_module(f"expectations.{door}")
    for rule in suite.rules(context):
        assert len(rule.reason) > 15, rule.name
        assert len(rule.next_step) > 15, rule.name


def _named(message: str) -> list[str]:
    """The rules of a message: its lines indented by two."""
    lines = [line for line in message.splitlines() if line.startswith("  ")]
    return [line.split()[0] for line in lines if line[2] != " " and "Next:" not in line]


def test_how_long_before_the_night_the_log_ends_is_told_of_what_the_night_may_see(
    attempt, context, spoil
):
    """The log goes on after the night begins, at 22:00 UTC; what is before it ended three hours earlier."""
    spoil(
        "DELETE FROM landed.events"
        " WHERE occurred_at BETWEEN TIMESTAMP '2026-05-30 19:10:00' AND TIMESTAMP '2026-05-30 21:59:00'"
    )
    told = {rule.name: rule.observed for rule in check("raw", attempt, context).rules}
    assert told["events_reach_the_night"]["hours_between"] == 3
