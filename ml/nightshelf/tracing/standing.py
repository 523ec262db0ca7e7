"""Why an item is not on a user's shelf: the first stage of the night at which it fell out."""

from __future__ import annotations

from nightshelf.learning.scoring import kept_each
from nightshelf.paths import Attempt
from nightshelf.ranking.propose import per_source
from nightshelf.settings.shop import Shop
from nightshelf.tracing.ranked import Ranked
from nightshelf.tracing.ruled import fates, withheld_by
from nightshelf.warehouse import connect


def why_not(
    attempt: Attempt, found: Ranked, item: str, placement: str, user: str, shop: Shop
) -> str:
    """In words. Only for a placement that the models rank, and an item that is not on its list."""
    k = shop.placements.k
    if not _is_known(attempt, item):
        return "no catalogue line and no event before the night knows this item"
    withheld = withheld_by(attempt, item)
    if withheld:
        return f"{_stands(found, item)}, and withheld: {'; '.join(withheld)}"
    chance = _left_to_chance(attempt, user, item, placement, k)
    if chance is not None:
        return chance
    fate = fates(attempt, shop.rules, placement, user, k).get(item)
    if fate is not None:
        return f"{_stands(found, item)}, and {fate}"
    if found.row is None:
        return _not_proposed(attempt, found, item, placement, user, k)
    if item not in found.order:
        return f"proposed, but {found.recipe.source}, which ranks this shelf, does not rank it"
    return (
        f"{_stands(found, item)}: the score stage hands the best {kept_each(shop, placement)} of each user on,"
        f" for {k} slots"
    )


def _stands(found: Ranked, item: str) -> str:
    order = found.order
    return f"ranked {order.index(item) + 1:,} of {len(order):,}" if item in order else "not ranked"


def _left_to_chance(attempt: Attempt, user: str, item: str, placement: str, k: int) -> str | None:
    """Where the shelf explores: what passed the rules and is not shown, lost by the dice alone."""
    with connect(attempt.database) as db:
        if not db.execute("from duckdb_tables() where table_name = 'ruled_candidates'").fetchall():
            return None
        rank = db.execute(
            "select rank from exploration.ruled_candidates where placement = ? and context_id = ?"
            " and item_id = ? and placement in (select placement from raw.exploration)",
            [placement, user, item],
        ).fetchone()
    if rank is None:
        return None
    if rank[0] <= k:
        return f"its slot, at rank {rank[0]}, explores tonight and shows another item"
    return "it is one of the items that exploring slots may show, and none of them drew it tonight"


def _not_proposed(
    attempt: Attempt, found: Ranked, item: str, placement: str, user: str, k: int
) -> str:
    if not len(found.pool):
        return f"nothing was proposed for this user: {_why_nothing(attempt, user)}"
    if placement == "discover" and _was_bought(attempt, user, item):
        return "the user has bought it, and this shelf is of what is new to them"
    return (
        f"none of the {len(found.pool.ranks)} sources has it among the {per_source(k)} that each"
        f" proposes for this user ({len(found.pool):,} items together)"
    )


def _why_nothing(attempt: Attempt, user: str) -> str:
    with connect(attempt.database) as db:
        known = db.execute("from marts.dim_users where user_id = ?", [user]).fetchone()
    if known is None:
        return "no interaction before the night"
    return "whatever may be offered they have bought"


def _is_known(attempt: Attempt, item: str) -> bool:
    with connect(attempt.database) as db:
        found = db.execute("from marts.dim_items where item_id = ?", [item]).fetchone()
    return found is not None


def _was_bought(attempt: Attempt, user: str, item: str) -> bool:
    with connect(attempt.database) as db:
        found = db.execute(
            "from features.feat_user_item where as_of = ? and user_id = ? and item_id = ?",
            [attempt.night, user, item],
        ).fetchone()
    return found is not None
