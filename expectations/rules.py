"""Door 3, the shop's own rules: each that is on holds in every list that will be published.

They are looked up where the shop wrote them (raw.rules, the shop file), not in what SQL made of them.
"""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import literal, rows_rule

ALL = "recommendations.rec_*"
LIST = "shelf, context_type, context_id"
STEP = "Look at the step of that rule in dbt_project/macros/rules.sql, then shelve."


def shop_rules(context: DoorContext, stacked: str) -> list[Rule]:
    """`stacked`: the SQL of all lines of all shelves."""
    return [
        _nothing_withheld(stacked),
        *([_nothing_blocked(stacked)] if context.rules.lines else []),
        *([_variants_once(stacked)] if context.rules.fold_variants else []),
        *(_cap(context, stacked, *cap) for cap in context.rules.caps.items()),
        *([_pins_stand(context, stacked)] if context.rules.lines else []),
        *([_bought_waits()] if _waits(context) else []),
    ]


def _waits(context: DoorContext) -> bool:
    return context.rules.withhold_bought and "rec_for_you" in context.shelves


def _named(context: DoorContext, placements: tuple[str, ...]) -> str:
    """Of these the shelves that tonight makes, as an SQL list."""
    return literal([f"rec_{p}" for p in placements if f"rec_{p}" in context.shelves] or ["none"])


def _nothing_withheld(stacked: str) -> Rule:
    return rows_rule(
        "no_withheld_item_is_offered",
        ALL,
        """
        SELECT shelf, context_id, rank, item_id, withheld_by FROM {batch}
        JOIN marts.dim_items USING (item_id)
        WHERE withheld_by <> [] ORDER BY ALL
        """,
        over=stacked,
        reason="The shop, its stock or its calendar keeps these items off every shelf.",
        next_step="Let the named shelf join marts.dim_items and keep what is_offerable, then shelve.",
    )


def _nothing_blocked(stacked: str) -> Rule:
    return rows_rule(
        "no_blocked_item_is_offered",
        ALL,
        """
        SELECT shelf, context_id, offered.rank, item_id, origin FROM (SELECT * FROM {batch}) AS offered
        JOIN marts.dim_items AS items USING (item_id)
        JOIN raw.rules AS lines ON lines.rule = 'block' AND CASE subject
            WHEN 'item' THEN item_id = value WHEN 'brand' THEN brand = value
            ELSE starts_with(category_path || ' > ', value || ' > ') END
        ORDER BY ALL
        """,
        over=stacked,
        reason="The shop said that it must not be shown.",
        next_step="Run the step features again: dim_items was made before the line was written.",
    )


def _variants_once(stacked: str) -> Rule:
    return rows_rule(
        "variants_stand_once_in_a_list",
        ALL,
        f"""
        SELECT {LIST}, product_id, count(DISTINCT item_id) AS variants FROM {{batch}}
        JOIN marts.dim_items USING (item_id)
        GROUP BY {LIST}, product_id HAVING variants > 1 ORDER BY ALL
        """,
        over=stacked,
        reason="Three sizes of one shirt are one choice and take three places.",
        next_step=STEP,
    )


def _cap(context: DoorContext, stacked: str, column: str, most: int) -> Rule:
    """What is pinned counts, and stands against the cap: a list of pins alone may be above it."""
    return rows_rule(
        f"no_list_has_too_many_of_a_{column}",
        ALL,
        f"""
        SELECT {LIST}, {column}, count(DISTINCT item_id) AS items, {most} AS allowed FROM {{batch}}
        JOIN marts.dim_items USING (item_id)
        WHERE {column} IS NOT NULL AND shelf IN {_named(context, tuple(context.rules.placements))}
            AND context_type <> 'category'
        GROUP BY {LIST}, {column}
        HAVING items > {most} AND count(*) FILTER (source <> 'rules') > 0 ORDER BY ALL
        """,
        over=stacked,
        reason=f"The shop wants at most {most} of one {column.replace('_', ' ')} on a list.",
        next_step=STEP,
    )


def _pins_stand(context: DoorContext, stacked: str) -> Rule:
    """At its rank, or behind all that is not pinned in a list that ends before. Of pinned variants one
    stands; what its user bought or took may be withheld from the user."""
    withholding = ["rec_discover", *(["rec_for_you"] if context.rules.withhold_bought else [])]
    taking = literal(sorted({"purchase", context.target_event}))
    return rows_rule(
        "what_is_pinned_stands_at_its_rank",
        ALL,
        f"""
        WITH pins AS (
            SELECT 'rec_' || placement AS shelf, item_id, product_id, rank AS pinned_at, origin
            FROM raw.rules JOIN marts.dim_items ON item_id = value
            WHERE rule = 'pin' AND withheld_by = []
            QUALIFY row_number() OVER (PARTITION BY placement, product_id ORDER BY rank) = 1
        ),
        bought AS (
            SELECT DISTINCT user_id, product_id FROM marts.fct_interactions
            JOIN marts.dim_items USING (item_id) WHERE event_type IN {taking}
        ),
        lists AS (
            SELECT {LIST}, max(rank) AS last, max(rank) FILTER (source <> 'rules') AS last_unpinned
            FROM {{batch}} WHERE context_type NOT IN ('category', 'onboarding') GROUP BY {LIST}
        ),
        places AS (
            SELECT {LIST}, item_id, min(rank) AS rank FROM {{batch}}
            WHERE source = 'rules' GROUP BY {LIST}, item_id
        )
        SELECT shelf, context_id, item_id, pinned_at, places.rank, origin
        FROM lists JOIN pins USING (shelf) LEFT JOIN places USING ({LIST}, item_id)
        WHERE places.rank IS DISTINCT FROM pinned_at
            AND coalesce(last_unpinned > places.rank, pinned_at <= last)
            AND NOT (context_type = 'item'
                AND (context_id, product_id) IN (SELECT (item_id, product_id) FROM marts.dim_items))
            AND NOT (context_type = 'pair'
                AND contains(' + ' || context_id || ' + ', ' + ' || item_id || ' + '))
            AND NOT (shelf IN ('rec_new_arrivals', 'rec_on_sale')
                AND (shelf, item_id) NOT IN (SELECT (shelf, item_id) FROM {{batch}}))
            AND NOT (shelf IN {literal(withholding)}
                AND (context_id, product_id) IN (SELECT (user_id, product_id) FROM bought))
        ORDER BY ALL
        """,
        over=stacked,
        reason="A pin is a promise of the shop's to whom it sold the place, or to itself.",
        next_step=STEP,
    )


def _bought_waits() -> Rule:
    return rows_rule(
        "what_was_bought_waits_for_its_time",
        "recommendations.rec_for_you",
        """
        WITH bought AS (
            SELECT user_id AS context_id, item_id, max(interaction_date) AS last_on
            FROM marts.fct_interactions
            WHERE event_type = 'purchase' AND cancelled_on IS NULL AND left_on IS NULL
            GROUP BY ALL
        )
        SELECT context_id, rank, item_id, last_on, replenished_after_days, is_once_only FROM {batch}
        JOIN bought USING (context_id, item_id)
        JOIN marts.dim_items AS items USING (item_id)
        JOIN features.feat_replenishment AS usual
            ON usual.as_of = night AND usual.category IS NOT DISTINCT FROM items.category
        WHERE is_once_only OR night - last_on < replenished_after_days ORDER BY ALL
        """,
        reason="What was just bought is the one thing that is not wanted now.",
        next_step=STEP,
    )
