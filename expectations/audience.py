"""Door 3, its second half: what the shop will know of its users. Keys, nights and chances; how good the
chances are is said by quality.json."""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import columns_rule, figures_rule, literal, rows_rule
from nightshelf.columns import AUDIENCE, AUDIENCE_KEYS

ALL = "audience.*"
"""The label of rules on every table at once; their samples name the table."""
WITH_CHANCES = ("user_interest_forecast", "user_churn_risk", "audiences")
MODELS = "Look at the model of the named table in dbt_project/models/audience, then shelve."


def audience_rules(context: DoorContext) -> list[Rule]:
    """Eight rules; those on every table share one batch."""
    return [
        columns_rule(
            "audience_has_the_published_columns",
            ALL,
            {f"audience.{table}": columns for table, columns in AUDIENCE.items()},
            in_order=True,
            reason="The shop joins these tables by name and position; the schema is a promise.",
            next_step="Run `dbt build` on the named table, and mend its columns.",
        ),
        *_keys(context),
        *_chances(),
        *_coverage(),
    ]


def _stacked() -> str:
    """One relation: every table's name, night, user and key as text."""
    return " UNION ALL ".join(
        f"SELECT {literal(table)} AS of_table, night, user_id,"
        f" concat_ws(' / ', {', '.join(AUDIENCE_KEYS[table])}) AS key FROM audience.{table}"
        for table in AUDIENCE
    )


def _keys(context: DoorContext) -> list[Rule]:
    night, stacked = literal(context.night), _stacked()
    return [
        rows_rule(
            "audience_is_of_this_night",
            ALL,
            f"SELECT of_table, night, key FROM {{batch}} WHERE night IS DISTINCT FROM {night}",
            over=stacked,
            reason="A row of another night was left over from an earlier attempt.",
            next_step="Build the table anew in a fresh attempt.",
        ),
        rows_rule(
            "audience_keys_are_unique",
            ALL,
            """
            SELECT of_table, key, count(*) AS copies FROM {batch}
            GROUP BY of_table, key HAVING copies > 1
            """,
            over=stacked,
            reason="A user who stands twice is written to twice, and doubles every join.",
            next_step=MODELS,
        ),
        rows_rule(
            "audience_users_are_known",
            ALL,
            """
            SELECT of_table, key, user_id FROM {batch}
            WHERE user_id IS NULL OR user_id NOT IN (SELECT user_id FROM marts.dim_users)
            """,
            over=stacked,
            reason="A visitor who has become a user since is nobody to write to.",
            next_step=MODELS,
        ),
    ]


def _chances() -> list[Rule]:
    stacked = " UNION ALL ".join(
        f"SELECT {literal(table)} AS of_table, user_id, probability FROM audience.{table}"
        for table in WITH_CHANCES
    )
    return [
        rows_rule(
            "chances_are_probabilities",
            ALL,
            # Lists that a rule makes have none.
            """
            SELECT of_table, user_id, probability FROM {batch}
            WHERE (probability BETWEEN 0 AND 1) IS NOT TRUE
                AND (probability IS NOT NULL OR of_table <> 'audiences')
            """,
            over=stacked,
            reason="Whoever weighs a mail's cost against a chance multiplies by it.",
            next_step="Look at the named model's report in models/audience/report.json.",
        ),
        rows_rule(
            "forecasts_sum_to_one",
            "audience.user_interest_forecast",
            """
            SELECT user_id, sum(probability) AS total, count(*) AS rows FROM {batch}
            GROUP BY user_id HAVING (abs(total - 1) <= 1e-6) IS NOT TRUE
            """,
            reason="The shares of a user's next month, the others together among them, are all of it.",
            next_step="Look at best_shares in ml/nightshelf/audience/run.py.",
        ),
    ]


def _coverage() -> list[Rule]:
    return [
        figures_rule(
            "every_user_has_a_profile",
            "audience.user_profiles",
            """
            SELECT count(*) AS users, count(*) FILTER (user_id IN (SELECT user_id FROM {batch})) AS profiled
            FROM features.feat_user WHERE as_of = (SELECT max(as_of) FROM features.feat_user)
            """,
            "profiled = users",
            reason="Who took something has a last date, and with it a profile.",
            next_step="Compare feat_user_rhythm with feat_user as of the night.",
        ),
        figures_rule(
            "a_risk_is_told_of_everybody_or_of_nobody",
            "audience.user_churn_risk",
            "SELECT count(*) AS told, (SELECT count(*) FROM audience.user_profiles) AS users FROM {batch}",
            "told = 0 OR told = users",
            reason="Who is missing from the list of risks would pass for a loyal user.",
            next_step="Look at ml.churn, and at feat_user_rhythm as of the night.",
        ),
    ]
