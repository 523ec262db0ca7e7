"""Why an item is not on a user's shelf: the first stage of the night at which it fell out."""

from __future__ import annotations

from nightshelf.paths import Attempt
from nightshelf.tracing.ranked import PER_SOURCE, Ranked
from nightshelf.warehouse import connect


def why_not(attempt: Attempt, found: Ranked, item: str, placement: str, k: int) -> str:
    """In words. Only for a placement that the models rank, and an item that is not on its list."""
    state = _state(attempt, item)
    if state is None:
        return "no catalogue line and no event before the night knows this item"
    if found.row is None:
        return _not_proposed(attempt, found, item, placement)
    chance = _left_to_chance(attempt, found, item, placement, k)
    if chance is not None:
        return chance
    order = found.order
    if item not in order:
        return f"proposed, but {found.recipe.source}, which ranks this shelf, does not rank it"
    place = order.index(item) + 1
    is_offerable, in_stock = state
    if not is_offerable:
        return f"ranked {place:,} of {len(order):,}, and withheld: {_withheld(in_stock)}"
    better = _offerable(attempt, order[: place - 1])
    if better >= k:
        return (
            f"ranked {place:,} of {len(order):,}: {better:,} items that may be offered rank higher,"
            f" and the shelf has {k} slots"
        )
    return (
        f"ranked {place:,} of {len(order):,}, which is enough for a shelf of {k}: a rule of the shop"
        " withheld it"
    )


def _left_to_chance(
    attempt: Attempt, found: Ranked, item: str, placement: str, k: int
) -> str | None:
    """Where the shelf explores: what passed the rules and is not shown, lost by the dice alone."""
    user = found.pool.users[found.pool.user_codes[0]]
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


def _not_proposed(attempt: Attempt, found: Ranked, item: str, placement: str) -> str:
    if not len(found.pool):
        return "nothing was proposed for this user: no interaction before the night"
    user = found.pool.users[found.pool.user_codes[0]]
    if placement == "discover" and _was_bought(attempt, user, item):
        return "the user has bought it, and this shelf is of what is new to them"
    return (
        f"none of the {len(found.pool.ranks)} sources has it among the {PER_SOURCE} that each"
        f" proposes for this user ({len(found.pool):,} items together)"
    )


def _state(attempt: Attempt, item: str) -> tuple[bool, bool | None] | None:
    """(is_offerable, in_stock); None for an item that the night does not know."""
    with connect(attempt.database) as db:
        return db.execute(
            "select is_offerable, in_stock from marts.dim_items where item_id = ?", [item]
        ).fetchone()


def _withheld(in_stock: bool | None) -> str:
    if in_stock is False:
        return "it is out of stock"
    return "it may not be offered this night (no product, or outside the dates it is available)"


def _offerable(attempt: Attempt, items: list[str]) -> int:
    with connect(attempt.database) as db:
        return db.execute(
            "select count(*) from marts.dim_items"
            " where is_offerable and list_contains($items, item_id)",
            {"items": items},
        ).fetchall()[0][0]


def _was_bought(attempt: Attempt, user: str, item: str) -> bool:
    with connect(attempt.database) as db:
        found = db.execute(
            "from features.feat_user_item where as_of = ? and user_id = ? and item_id = ?",
            [attempt.night, user, item],
        ).fetchone()
    return found is not None
