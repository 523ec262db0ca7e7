"""Door 2: what the models learn from. Marts and features, as of the dates that the night learns from."""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import figures_rule, literal, not_empty_rule, rows_rule

KEYS = {
    "marts.dim_items": ("item_id",),
    "marts.dim_users": ("user_id",),
    "marts.fct_interactions": ("user_id", "item_id", "event_type", "interaction_date"),
    "features.feat_item": ("as_of", "item_id"),
    "features.feat_user": ("as_of", "user_id"),
    "features.feat_user_item": ("as_of", "user_id", "item_id"),
    "features.feat_user_category": ("as_of", "user_id", "category"),
    "features.feat_user_brand": ("as_of", "user_id", "brand"),
    "features.feat_catalogue": ("as_of", "item_id"),
}
"""The grain of every table the door looks at."""

SPLIT_BY = {"marts.fct_interactions": ("joined_on",)}
"""What tells rows of one key apart, and may be null: spans of knowing whose an event is."""

MAY_BE_EMPTY = {"features.feat_user_category", "features.feat_user_brand"}
"""A shop without a catalogue has no categories or brands; that costs it shelves, not the night."""

SHARES = {
    "features.feat_item": "repeat_share",
    "features.feat_user": "repeat_share",
    "features.feat_user_category": "share",
    "features.feat_user_brand": "share",
}

RECENT = (
    "features.feat_item",
    "features.feat_user",
    "features.feat_user_item",
    "features.feat_user_category",
)

REBUILD = "Run `dbt test` on the named model, mend its SQL, and run the prepare stage again."


def rules(context: DoorContext) -> list[Rule]:
    """About 40 rules. The dearest are the keys: one aggregation of each table."""
    return [
        *_tables(),
        *_dates(context),
        *_windows(),
        *_shares(),
        *_pairs(),
    ]


def _tables() -> list[Rule]:
    return [
        *(_not_empty(table) for table in KEYS if table not in MAY_BE_EMPTY),
        *(_key_is_given(table, keys) for table, keys in KEYS.items()),
        *(_key_is_unique(table, keys) for table, keys in KEYS.items()),
    ]


def _not_empty(table: str) -> Rule:
    return not_empty_rule(
        table,
        reason="Training on an empty table succeeds, and serves nobody.",
        next_step="Compare the row counts of the models upstream with last night's stage report.",
    )


def _key_is_given(table: str, keys: tuple[str, ...]) -> Rule:
    # A date cannot be blank, and 2 million of them take a second to write out.
    texts = [key for key in keys if key != "as_of" and not key.endswith("_date")]
    blank = " OR ".join([f"{key} IS NULL" for key in keys] + [f"trim({key}) = ''" for key in texts])
    return rows_rule(
        f"{table.split('.')[1]}_key_is_given",
        table,
        f"SELECT {', '.join(keys)} FROM {{batch}} WHERE {blank}",
        reason="A blank key joins with nothing, or with every other blank.",
        next_step=REBUILD,
    )


def _key_is_unique(table: str, keys: tuple[str, ...]) -> Rule:
    grain = ", ".join((*keys, *SPLIT_BY.get(table, ())))
    return rows_rule(
        f"{table.split('.')[1]}_key_is_unique",
        table,
        f"SELECT {grain}, count(*) AS copies FROM {{batch}} GROUP BY {grain} HAVING copies > 1",
        reason=f"The grain is one row per ({grain}); a second row doubles every join behind it.",
        next_step=REBUILD,
    )


def _dates(context: DoorContext) -> list[Rule]:
    roles = ", ".join(f"({literal(r)}, {literal(day)})" for r, day in context.as_ofs.items())
    night = literal(context.night)
    return [
        rows_rule(
            "feat_user_knows_every_date_with_a_past",
            "features.feat_user",
            f"""
            SELECT role, day AS as_of, 0 AS rows
            FROM (VALUES {roles}) AS roles(role, day)
            WHERE day NOT IN (SELECT as_of FROM {{batch}} WHERE as_of IS NOT NULL)
                AND day > (
                    -- What was cancelled, or had another id at first, was not seen as of every date.
                    SELECT min(interaction_date) FROM marts.fct_interactions
                    WHERE event_type = {literal(context.target_event)}
                        AND coalesce(cancelled_on, joined_on, left_on) IS NULL
                )
            """,
            reason="Models are fitted as of one date, judged as of another, served as of a third; "
            "only a date before the shop's first target event may have nobody.",
            next_step="Look for the missing date in int_as_ofs and feat_user.",
        ),
        rows_rule(
            "interactions_lie_before_the_night",
            "marts.fct_interactions",
            f"""
            SELECT user_id, item_id, event_type, interaction_date, {night} AS night
            FROM {{batch}} WHERE interaction_date >= {night}
            """,
            reason="An event of the night itself tells the model the answer.",
            next_step="Look for a filter in fct_interactions that does not use the as_of macro.",
        ),
        *(_strictly_before(table) for table in RECENT),
        rows_rule(
            "feat_item_first_day_precedes_its_last",
            "features.feat_item",
            """
            SELECT as_of, item_id, days_since_first, days_since_last FROM {batch}
            WHERE days_since_first < days_since_last
            """,
            reason="An item cannot have been bought last before it was bought first.",
            next_step=REBUILD,
        ),
    ]


def _strictly_before(table: str) -> Rule:
    name = table.split(".")[1]
    return rows_rule(
        f"{name}_sees_strictly_before",
        table,
        f"SELECT {', '.join(KEYS[table])}, days_since_last FROM {{batch}} "
        "WHERE days_since_last < 1",
        reason="An event on as_of itself is in the future of the features: 0 days is a leak.",
        next_step=f"Look for a window in {name} that does not use the as_of macro.",
    )


def _windows() -> list[Rule]:
    return [
        rows_rule(
            "feat_item_windows_are_nested",
            "features.feat_item",
            """
            SELECT as_of, item_id, n_buyers_7d, n_buyers_28d, n_buyers_91d, n_buyers FROM {batch}
            WHERE (n_buyers_7d BETWEEN 0 AND n_buyers_28d AND n_buyers_28d <= n_buyers_91d
                AND n_buyers_91d <= n_buyers) IS NOT TRUE
            """,
            reason="Who bought within 7 days bought within 28: anything else is a wrong window.",
            next_step=REBUILD,
        ),
        rows_rule(
            "feat_item_usual_buyers_are_buyers",
            "features.feat_item",
            """
            SELECT as_of, item_id, n_buyers_7d, usual_buyers_7d, n_buyers_28d, usual_buyers_28d,
                n_buyers, usual_buyers FROM {batch}
            WHERE (usual_buyers_7d BETWEEN 0 AND n_buyers_7d
                AND usual_buyers_28d BETWEEN usual_buyers_7d AND n_buyers_28d
                AND usual_buyers BETWEEN usual_buyers_28d AND n_buyers) IS NOT TRUE
            """,
            reason="Damping a burst can only take away; more would put it on every list.",
            next_step=REBUILD,
        ),
        rows_rule(
            "feat_user_windows_are_nested",
            "features.feat_user",
            """
            SELECT as_of, user_id, n_active_days_28d, n_active_days FROM {batch}
            WHERE (n_active_days_28d BETWEEN 0 AND least(28, n_active_days)) IS NOT TRUE
            """,
            reason="28 days hold at most 28 active days, and no more than all days do.",
            next_step=REBUILD,
        ),
        rows_rule(
            "feat_user_item_windows_are_nested",
            "features.feat_user_item",
            """
            SELECT as_of, user_id, item_id, n_days_28d, n_days_91d, n_days FROM {batch}
            WHERE (n_days_28d BETWEEN 0 AND least(28, n_days_91d)
                AND n_days_91d <= least(91, n_days)) IS NOT TRUE
            """,
            reason="28 days hold at most 28 days, and no more than 91 do.",
            next_step=REBUILD,
        ),
    ]


def _shares() -> list[Rule]:
    return [
        *(_within_one(table, column) for table, column in SHARES.items()),
        rows_rule(
            "category_shares_sum_to_one_at_most",
            "features.feat_user_category",
            # A millionth is for the rounding of a sum of doubles.
            """
            SELECT as_of, user_id, round(sum(share), 6) AS total FROM {batch}
            GROUP BY as_of, user_id HAVING sum(share) > 1.000001
            """,
            reason="Shares are parts of one user's days; more than all of them is a bad join.",
            next_step=REBUILD,
        ),
    ]


def _within_one(table: str, column: str) -> Rule:
    return rows_rule(
        f"{table.split('.')[1]}_{column}_is_a_share",
        table,
        f"SELECT {', '.join(KEYS[table])}, {column} FROM {{batch}} "
        f"WHERE NOT {column} BETWEEN 0 AND 1",
        reason="A share lies in 0..1; NULL stands for a share of nothing.",
        next_step=REBUILD,
    )


def _pairs() -> list[Rule]:
    table, pair = "features.feat_user_item", "as_of, user_id, item_id"
    return [
        rows_rule(
            "feat_user_item_quantity_is_positive",
            table,
            f"SELECT {pair}, quantity FROM {{batch}} WHERE (quantity > 0) IS NOT TRUE",
            reason="Interactions are net of refunds: what was wholly returned is no interest.",
            next_step=REBUILD,
        ),
        rows_rule(
            "feat_user_item_days_fit_their_span",
            table,
            # n distinct days span (n - 1) * mean_gap_days days: a mean below 1 is impossible.
            f"""
            SELECT {pair}, n_days, mean_gap_days FROM {{batch}}
            WHERE (n_days = 1 AND mean_gap_days IS NULL OR n_days > 1 AND mean_gap_days >= 1
                AND isfinite(mean_gap_days)) IS NOT TRUE
            """,
            reason="More days than lie between the first and the last were counted twice.",
            next_step=REBUILD,
        ),
        rows_rule(
            "feat_user_item_decay_is_bounded",
            table,
            # Beyond seven years a day that halves every quarter may round to nothing.
            f"""
            SELECT {pair}, n_days, days_since_last, decayed_count FROM {{batch}}
            WHERE (isfinite(decayed_count) AND decayed_count >= 0
                AND (decayed_count > 0 OR days_since_last > 7 * 365)
                AND decayed_count <= n_days + 1e-9) IS NOT TRUE
            """,
            reason="Each day counts for at most one, and a day of the last years for more than nothing.",
            next_step=REBUILD,
        ),
        figures_rule(
            "feat_user_item_users_have_features",
            table,
            """
            SELECT count(DISTINCT (as_of, user_id)) AS users,
                count(DISTINCT (as_of, user_id)) FILTER (
                    (as_of, user_id) NOT IN (SELECT (as_of, user_id) FROM features.feat_user)
                ) AS without_features
            FROM {batch} WHERE as_of IS NOT NULL AND user_id IS NOT NULL
                AND EXISTS (FROM features.feat_user)
            """,
            "without_features = 0",
            reason="A pair whose user has no row in feat_user would be ranked on blanks.",
            next_step=REBUILD,
        ),
    ]
