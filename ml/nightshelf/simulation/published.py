"""What a night has for the page, as item codes."""

from __future__ import annotations

import numpy as np

from nightshelf.paths import Attempt
from nightshelf.simulation.shop import SimulatedShop
from nightshelf.simulation.truth import SLOTS, Shown
from nightshelf.simulation.visits import Page
from nightshelf.warehouse import connect

FOR_YOU = f"""
    select context_id, rank, item_id, is_exploration
    from recommendations.rec_for_you
    where rank <= {SLOTS}
"""
RANKED = f"""
    select user_id, row_number() over (partition by user_id order by score desc, item_id) as rank, item_id
    from ml.for_you
    qualify rank <= {SLOTS}
"""
COLD_START = f"""
    select 'all', rank, item_id
    from recommendations.rec_cold_start
    where context_type = 'all' and rank <= {SLOTS}
"""
RULES_EXPECTED = """
    select 1 - coalesce(ndcg / nullif(ndcg_without, 0), 1)
    from reports.rpt_rule_cost
    where placement = 'rec_for_you' and rule = 'every'
"""


def shown_by(attempt: Attempt, shop: SimulatedShop, bestsellers: np.ndarray) -> Shown:
    """`bestsellers` (SLOTS,) are item codes: of the log, and no shelf of the night's."""
    with connect(attempt.database) as db:
        for_you, ranked, cold = (db.execute(q).fetchall() for q in (FOR_YOU, RANKED, COLD_START))
        ((rules_expected,),) = db.execute(RULES_EXPECTED).fetchall()
    lists = _placed(shop, shop.users, for_you)
    (cold_start,) = _placed(shop, ["all"], cold)
    is_known = (lists >= 0).any(axis=1)
    return Shown(
        lists=np.where(is_known[:, None], lists, cold_start),
        is_exploration=_explores(shop, for_you),
        is_known=is_known,
        ranked=np.where(is_known[:, None], _placed(shop, shop.users, ranked), cold_start),
        cold_start=cold_start,
        bestsellers=bestsellers,
        rules_expected=rules_expected,
    )


def page_of(shown: Shown, night: str) -> Page:
    """Of `night`, a date. Who is not known is shown the list for strangers."""
    shelves = np.where(shown.is_known, "for_you", "cold_start/all")
    return Page(shown.lists, [f"{shelf}@{night}" for shelf in shelves])


def _placed(shop: SimulatedShop, contexts: list[str], rows: list[tuple]) -> np.ndarray:
    """(n_contexts, SLOTS) item codes of rows (context, rank, item, …), -1 for nothing."""
    of, items = ({name: n for n, name in enumerate(names)} for names in (contexts, shop.items))
    placed = np.full((len(contexts), SLOTS), -1)
    for context, rank, item, *_ in rows:
        placed[of[context], rank - 1] = items[item]
    return placed


def _explores(shop: SimulatedShop, rows: list[tuple]) -> np.ndarray:
    users = {name: n for n, name in enumerate(shop.users)}
    explores = np.zeros((len(users), SLOTS), dtype=bool)
    for user, rank, _, is_exploration in rows:
        explores[users[user], rank - 1] = is_exploration
    return explores
