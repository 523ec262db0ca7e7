"""Door 3: what the shop will show. The rec_ tables, alone, against the marts, and against the
last published night."""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.audience import audience_rules
from expectations.declare import columns_rule, figures_rule, literal, rows_rule
from expectations.exploration import exploration_rules
from expectations.rules import shop_rules
from nightshelf.columns import SHELF

ALL = "recommendations.rec_*"
"""The label of rules on every shelf at once; their samples name the shelf."""

GRAIN = "shelf, placement, context_type, context_id"
LINE = f"{GRAIN}, rank, item_id"

NEWS = ("rec_trending", "rec_new_arrivals", "rec_on_sale")
"""Shelves that last night says nothing about: a sale that ends takes its lists along."""

MODELS = "Look at the model of the named shelf in dbt_project/models/recommendations, then shelve."


def rules(context: DoorContext) -> list[Rule]:
    """About 20 rules; one query looks at all shelves, so the cost does not grow with them."""
    return [
        *_tables(context),
        *_lines(context),
        *_lists(context),
        *_against_the_marts(context),
        *shop_rules(context, _stacked(context)),
        *exploration_rules(context, _stacked(context)),
        *_against_last_night(context),
        *audience_rules(context),
    ]


def _stacked(context: DoorContext) -> str:
    """One relation with the lines of every shelf, and the shelf's name as first column."""
    return " UNION ALL ".join(
        f"SELECT {literal(shelf)} AS shelf, * FROM recommendations.{shelf}"
        for shelf in context.shelves
    )


def _tables(context: DoorContext) -> list[Rule]:
    named = ", ".join(f"({literal(shelf)})" for shelf in context.shelves)
    return [
        columns_rule(
            "shelves_have_the_published_columns",
            ALL,
            {f"recommendations.{shelf}": SHELF for shelf in context.shelves},
            in_order=True,
            reason="The shop joins these tables by name and position; the schema is a promise.",
            next_step="Run `dbt build` on the named shelf; its contract names the column.",
        ),
        rows_rule(
            "shelves_are_not_empty",
            ALL,
            f"""
            SELECT shelf, 0 AS rows FROM (VALUES {named}) AS named(shelf)
            WHERE shelf NOT IN (SELECT shelf FROM {{batch}})
            """,
            over=_stacked(context),
            guards_table=True,
            reason="An empty shelf blanks a part of the shop's page.",
            next_step="Look at the views in schema ml: which source gave this shelf nothing?",
        ),
    ]


def _lines(context: DoorContext) -> list[Rule]:
    night = literal(context.night)
    stacked = _stacked(context)
    return [
        rows_rule(
            "shelves_are_of_this_night",
            ALL,
            f"""
            SELECT {LINE}, night, {night} AS wanted FROM {{batch}}
            WHERE night IS DISTINCT FROM {night}
            """,
            over=stacked,
            reason="A line of another night was left over from an earlier attempt.",
            next_step="Build the shelf anew in a fresh attempt.",
        ),
        rows_rule(
            "scores_are_finite",
            ALL,
            f"""
            SELECT {LINE}, score FROM {{batch}}
            WHERE isfinite(score) IS NOT TRUE
            """,
            over=stacked,
            reason="NaN sorts above every number: it would lead every list.",
            next_step="Look for a division by zero in the features of the named item.",
        ),
        rows_rule(
            "propensities_are_probabilities",
            ALL,
            f"""
            SELECT {LINE}, propensity FROM {{batch}}
            WHERE (propensity > 0 AND propensity <= 1) IS NOT TRUE
            """,
            over=stacked,
            reason="Whoever learns from the shown lists divides by the propensity.",
            next_step=MODELS,
        ),
        rows_rule(
            "no_item_recommends_itself",
            ALL,
            f"""
            SELECT {LINE} FROM {{batch}}
            WHERE (context_type = 'item' AND item_id = context_id)
                OR (context_type = 'pair' AND item_id IN (evidence[1], evidence[2]))
            """,
            over=stacked,
            reason="The shopper is looking at it, or has it in the cart already.",
            next_step=MODELS,
        ),
    ]


def _groups(key: str, columns: str, wrong: str) -> str:
    """The groups of lines that are `wrong`, sought by their hash first: to group fifty million lines by their
    text takes six gigabytes, and hardly a line is ever of such a group."""
    return f"""
        WITH suspects AS (
            SELECT hash({key}) AS suspect FROM {{batch}} GROUP BY suspect HAVING {wrong}
        )
        SELECT {key}, {columns} FROM {{batch}}
        WHERE hash({key}) IN (SELECT suspect FROM suspects)
        GROUP BY {key} HAVING {wrong}
        """


def _lists(context: DoorContext) -> list[Rule]:
    stacked = _stacked(context)
    return [
        rows_rule(
            "each_place_holds_one_item",
            ALL,
            _groups(f"{GRAIN}, rank", "count(*) AS copies", "count(*) > 1"),
            over=stacked,
            reason="The grain is one row per (placement, context, rank).",
            next_step=MODELS,
        ),
        rows_rule(
            "no_list_names_an_item_twice",
            ALL,
            _groups(f"{GRAIN}, item_id", "count(DISTINCT rank) AS places", "min(rank) < max(rank)"),
            over=stacked,
            reason="Two places for one item waste one.",
            next_step=MODELS,
        ),
        rows_rule(
            "ranks_have_no_holes",
            ALL,
            f"""
            SELECT {GRAIN}, min(rank) AS first, max(rank) AS last, count(DISTINCT rank) AS places
            FROM {{batch}} GROUP BY {GRAIN}
            HAVING (first = 1 AND last = places AND count(rank) = count(*)) IS NOT TRUE
            """,
            over=stacked,
            reason="A page asks for ranks 1 to k; a hole is an empty tile.",
            next_step="Rank again after the last filter, never before it.",
        ),
        rows_rule(
            "scores_fall_with_rank",
            ALL,
            # Exploration slots are drawn, not scored: they may stand above a better item.
            # NaN is left to scores_are_finite.
            f"""
            SELECT {LINE}, score,
                lag(score) OVER (PARTITION BY {GRAIN} ORDER BY rank, item_id) AS score_above
            FROM {{batch}} WHERE is_exploration IS NOT TRUE AND isfinite(score)
            QUALIFY score > score_above
            """,
            over=stacked,
            reason="The best stands first, or the order came from somewhere else.",
            next_step=MODELS,
        ),
    ]


def _against_the_marts(context: DoorContext) -> list[Rule]:
    stacked = _stacked(context)
    rules = [
        rows_rule(
            "offered_items_are_known",
            ALL,
            f"""
            SELECT {LINE} FROM {{batch}}
            WHERE item_id IS NULL OR item_id NOT IN (
                SELECT item_id FROM marts.dim_items WHERE item_id IS NOT NULL)
            """,
            over=stacked,
            reason="An item that the catalogue does not know has no page to lead to.",
            next_step=MODELS,
        ),
        rows_rule(
            "nobody_is_offered_an_item_out_of_stock",
            ALL,
            f"""
            SELECT {LINE} FROM {{batch}}
            WHERE item_id IN (SELECT item_id FROM marts.dim_items WHERE in_stock IS FALSE)
            """,
            over=stacked,
            reason="A tile that cannot be bought costs trust.",
            next_step="Look for the stock filter of the named shelf; stock unknown is not refused.",
        ),
    ]
    rules.append(_evidence_is_the_users_own(context))
    if "rec_discover" in context.shelves:
        rules.append(_discover_is_new(context))
    if "rec_for_you" in context.shelves:
        rules.append(_users_are_served(context))
        if context.is_personal:
            rules.append(_one_item_does_not_lead(context))
    return rules


def _evidence_is_the_users_own(context: DoorContext) -> Rule:
    """rec_next_category names a category, and no item."""
    night = literal(context.night)
    return rows_rule(
        "evidence_on_a_users_shelf_is_the_users_own",
        ALL,
        f"""
        SELECT {LINE}, named.own_id FROM (
            SELECT {LINE}, unnest(evidence) AS own_id FROM {{batch}}
            WHERE context_type = 'user' AND placement <> 'next_category'
        ) AS named
        ANTI JOIN marts.fct_interactions AS own
            ON own.user_id = named.context_id AND own.item_id = named.own_id
            AND own.interaction_date < {night}
            AND (own.cancelled_on IS NULL OR own.cancelled_on >= {night})
            AND (own.left_on IS NULL OR own.left_on >= {night})
        """,
        over=_stacked(context),
        reason="'Because you bought' about what somebody else bought tells one shopper of another.",
        next_step=MODELS,
    )


def _discover_is_new(context: DoorContext) -> Rule:
    return rows_rule(
        "discover_shows_nothing_already_bought",
        "recommendations.rec_discover",
        f"""
        SELECT context_id, rank, item_id FROM {{batch}}
        WHERE context_type = 'user' AND (context_id, item_id) IN (
            SELECT (user_id, item_id) FROM marts.fct_interactions
            WHERE event_type = {literal(context.target_event)} AND cancelled_on IS NULL AND left_on IS NULL
        )
        """,
        reason="The shelf promises items new to the user; what was refunded counts as new.",
        next_step="Look for the anti-join with fct_interactions in rec_discover.",
    )


def _one_item_does_not_lead(context: DoorContext) -> Rule:
    return figures_rule(
        "no_single_item_leads_for_everybody",
        "recommendations.rec_for_you",
        # Below 20 users, or of a handful of items, one favourite is chance; and what most of them took
        # before is a favourite indeed.
        f"""
        SELECT coalesce(sum(users), 0)::BIGINT AS users, max_by(item_id, users) AS top_item,
            round(max(users) / nullif(sum(users), 0), 4) AS share,
            {context.max_first_rank_share} AS share_allowed,
            round(max_by(took, users) / nullif(sum(users), 0), 4) AS share_that_took_it,
            (SELECT count(DISTINCT item_id) FROM {{batch}}) AS items
        FROM (
            SELECT item_id, count(*) AS users, count(*) FILTER ((context_id, item_id) IN (
                SELECT (user_id, item_id) FROM marts.fct_interactions
            )) AS took
            FROM {{batch}} WHERE rank = 1 AND context_type = 'user' GROUP BY item_id
        )
        """,
        "users < 20 OR items < 10 OR share - share_that_took_it <= share_allowed",
        reason="A personal list that opens alike for half the shop is not personal: the model "
        "collapsed or the features are blank.",
        next_step="Compare the ranker's features with last night's; roll the champion back.",
    )


def _users_are_served(context: DoorContext) -> Rule:
    return figures_rule(
        "for_you_serves_the_users",
        "recommendations.rec_for_you",
        f"""
        SELECT count(*) AS users,
            count(*) FILTER (user_id IN (
                SELECT context_id FROM {{batch}} WHERE context_type = 'user'
            )) AS served,
            round(served / nullif(users, 0), 4) AS share,
            {context.min_users_served} AS share_required
        FROM marts.dim_users
        """,
        "served >= share_required * users",
        reason="Every known user gets a list; the popular fill what the models cannot.",
        next_step="Look for the users who lack rows in ml.for_you.",
    )


def _against_last_night(context: DoorContext) -> list[Rule]:
    if context.previous is None:
        return []
    rest = {
        "over": _stacked(context),
        "next_step": "Compare tonight's stage report with last night's, from ingest on; if the "
        "shop did shrink, publish by hand.",
    }
    return [
        rows_rule(
            "shelves_serve_as_many_as_last_night",
            ALL,
            _shrunk(context, "count(DISTINCT context_id)", context.min_contexts_of_previous),
            reason="Shoppers who had a list yesterday should have one today.",
            **rest,
        ),
        rows_rule(
            "shelves_are_as_long_as_last_night",
            ALL,
            _shrunk(context, "count(*)", context.min_rows_of_previous),
            reason="A shelf of half the length lost a source of candidates.",
            **rest,
        ),
        *([_is_not_last_nights(context)] if _has_scores_that_decay(context) else []),
    ]


def _has_scores_that_decay(context: DoorContext) -> bool:
    """Popularity counts the buyers of a window: where a day without any comes in for another, it stands as it was."""
    lists = context.previous / "rec_for_you.parquet"
    return context.is_personal and "rec_for_you" in context.shelves and lists.exists()


def _is_not_last_nights(context: DoorContext) -> Rule:
    """A second attempt at a published night has its lists, as it should: only an older night counts.
    Below 20 users it may be chance."""
    path = literal(str(context.previous / "rec_for_you.parquet"))
    line = "context_id, rank, item_id, score"
    return figures_rule(
        "shelves_are_not_last_nights",
        "recommendations.rec_for_you",
        f"""
        WITH before AS (SELECT {line}, night FROM read_parquet({path}))
        SELECT count(DISTINCT context_id) AS users, count(*) AS lines,
            count(*) FILTER (({line}) IN (SELECT ({line}) FROM before)) AS same_lines,
            (SELECT max(night) FROM before) AS last_night
        FROM {{batch}} WHERE context_type = 'user'
        """,
        f"users < 20 OR same_lines < lines OR last_night >= {literal(context.night)}",
        reason="Scores of users' own events decay from night to night; lists that stand to the last digit "
        "were not made tonight.",
        next_step="Look for the scores that the shelves were built from: attempts/<night>/<n>/scores.",
    )


def _shrunk(context: DoorContext, measure: str, share: float) -> str:
    """The shelves where tonight's `measure` is below `share` of last night's. A category's bestsellers that stood in
    for pairs go, pins and all, when the pairs suffice; a region's list goes with its newcomers. Neither is missed."""
    return f"""
        WITH published AS ({_published(context)}),
        before AS (
            SELECT shelf, {measure} AS whole,
                {measure} FILTER (source NOT IN ('category', 'rules')) AS its_own
            FROM published WHERE context_type <> 'region' GROUP BY shelf
        ),
        today AS (
            SELECT shelf, {measure} AS tonight, bool_or(source = 'category') AS falls_back
            FROM {{batch}} WHERE context_type <> 'region' GROUP BY shelf
        ),
        compared AS (
            SELECT shelf, CASE WHEN falls_back THEN whole ELSE its_own END AS last_night, tonight
            FROM before JOIN today USING (shelf)
        )
        SELECT *, {share} AS share_required FROM compared
        -- Rounded down: where a shop has three categories, one may sell out.
        WHERE tonight < floor({share} * last_night) ORDER BY shelf
    """


def _published(context: DoorContext) -> str:
    """Last night's shelves but for the news, as far as tonight's lists go. One that is new tonight has nothing to
    be compared with; where no file is found at all we ask for every one, and DuckDB names what is missing."""
    compared = [shelf for shelf in context.shelves if shelf not in NEWS]
    files = {shelf: context.previous / f"{shelf}.parquet" for shelf in compared}
    found = {shelf: file for shelf, file in files.items() if file.exists()} or files
    return " UNION ALL ".join(
        f"SELECT {literal(shelf)} AS shelf, context_type, context_id, source"
        f" FROM read_parquet({literal(str(file))})"
        + (f" WHERE rank <= {context.lengths[shelf]}" if shelf in context.lengths else "")
        for shelf, file in found.items()
    )
