"""Door 3, what is left to chance: no more than the shop's budget, and by the chances that are stated.

Whoever evaluates another policy divides by these chances, and nobody can tell afterwards that one was
wrong: so the lists are held against the budget and against each other before they are shown.
"""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import literal, rows_rule

ALL = "recommendations.rec_*"
LIST = "shelf, context_type, context_id"
STEP = (
    "Look at dbt_project/models/exploration and ml/nightshelf/exploration/explored.py, then shelve."
)
HAIR = 1e-6
"""Chances are integrals, exact to less than this."""
DEVIATIONS = 4
"""Standard deviations, each an upper bound: slots are spread evenly over a list, which varies less
than a coin for each slot does."""


def exploration_rules(context: DoorContext, stacked: str) -> list[Rule]:
    """`stacked`: the SQL of all lines of all shelves."""
    budgets = {f"rec_{p}": b for p, b in context.exploration.budgets.items()}
    rules = [_within_the_budget(budgets, stacked)]
    if budgets:
        rules += [_no_list_beyond(budgets, stacked), _as_often_as_stated(budgets, stacked)]
        rules += [_say_so(stacked)]
    return rules


def _budget(budgets: dict[str, float]) -> str:
    cases = "".join(f" WHEN shelf = {literal(shelf)} THEN {b!r}" for shelf, b in budgets.items())
    return f"CASE{cases} ELSE 0 END" if budgets else "0"


def _within_the_budget(budgets: dict[str, float], stacked: str) -> Rule:
    """What is no probability at all is left to propensities_are_probabilities."""
    return rows_rule(
        "propensities_keep_to_the_budget",
        ALL,
        f"""
        SELECT {LIST}, rank, item_id, is_exploration, propensity, {_budget(budgets)} AS budget
        FROM {{batch}} WHERE propensity > 0 AND propensity <= 1
            AND CASE WHEN is_exploration THEN propensity > {_budget(budgets)} + {HAIR}
                ELSE propensity < 1 - {_budget(budgets)} - {HAIR} END
        """,
        over=stacked,
        reason="A slot explores with the chance that the shop gave it, and never where it gave none.",
        next_step=STEP,
    )


def _no_list_beyond(budgets: dict[str, float], stacked: str) -> Rule:
    return rows_rule(
        "no_list_explores_beyond_its_budget",
        ALL,
        f"""
        SELECT {LIST}, count(*) FILTER (is_exploration) AS exploring,
            ceil({_budget(budgets)} * any_value(k) - {HAIR}) AS allowed
        FROM (SELECT *, max(rank) OVER (PARTITION BY shelf) AS k FROM {{batch}})
        GROUP BY {LIST} HAVING exploring > allowed ORDER BY ALL
        """,
        over=stacked,
        reason="A budget is what the shop is ready to give of every list, not of most.",
        next_step=STEP,
    )


def _as_often_as_stated(budgets: dict[str, float], stacked: str) -> Rule:
    """The Horvitz-Thompson count: slots that show their own item, each over its chance, are all slots."""
    return rows_rule(
        "slots_explore_as_often_as_their_chances_say",
        ALL,
        f"""
        SELECT shelf, count(*) AS slots, count(*) FILTER (is_exploration) AS exploring,
            round(sum(1 / propensity) FILTER (NOT is_exploration), 1) AS slots_by_chances,
            round({DEVIATIONS} * sqrt(
                sum((1 - propensity) / propensity ** 2) FILTER (NOT is_exploration)
            ), 1) AS off_by_at_most
        FROM {{batch}} WHERE shelf IN {literal([*budgets])} AND propensity > 0
        GROUP BY shelf HAVING (abs(slots_by_chances - slots) <= off_by_at_most + 1) IS NOT TRUE
        ORDER BY shelf
        """,
        over=stacked,
        reason="A stated chance that is not the real one makes every evaluation wrong, unseen.",
        next_step=STEP,
    )


def _say_so(stacked: str) -> Rule:
    return rows_rule(
        "exploring_slots_say_so",
        ALL,
        f"""
        SELECT {LIST}, rank, item_id, is_exploration, source, reason_code FROM {{batch}}
        WHERE is_exploration IS DISTINCT FROM (reason_code = 'exploring')
            OR is_exploration IS DISTINCT FROM (source = 'exploration')
        """,
        over=stacked,
        reason="'Because you bought' above an item that was drawn is a lie to the shopper.",
        next_step="Look at personal_shelf in dbt_project/macros/shelves.sql, then shelve.",
    )
