"""How near the top of a list an item was shown: the one feature that is known in training only.

What stood on top was taken more because it stood there. A ranker that sees the place while it learns
need not explain those takings by taste; when it ranks, every item counts as shown at the top, so that
the order does not depend on what was shown. Sources: Zinkevich, Rules of Machine Learning, rule 36;
Zhao et al. 2019, whose place has a tower of its own. docs/decisions/0041 says why so.
"""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np

from nightshelf.night import TRAIN_ROLES
from nightshelf.ranking.features import near_top
from nightshelf.ranking.pool import Pool

SHOWN = "shown"
"""The feature's name; a ranker that has it has it last."""
AT_THE_TOP = 1.0
"""What every row has when it is ranked: near_top(1)."""


def attach(db: duckdb.DuckDBPyConnection, pool: Pool, cut: date) -> np.ndarray | None:
    """(n_rows,) float32, in the pool's row order: `near_top` of the best place at which the item was
    shown to the user in the window after the cut, before it was taken; 0 where it was not shown.

    None where this window, or one of training, has no impressions: a ranker would take those that nobody
    logged for items that nobody saw. What the examination's window has decides nothing for training.
    Half a second of a core a million rows.
    """
    if not _is_logged(db, cut):
        return None
    db.register("pool_rows", pool.table())
    try:
        found = db.execute(
            """
            select coalesce(shown.position, 0) as position
            from (select user_id, item_id, row_number() over () as pool_row from pool_rows) as p
            left join intermediate.int_exposures as shown
                on shown.user_id = p.user_id and shown.item_id = p.item_id and shown.cut = $cut
            order by pool_row""",
            {"cut": cut},
        ).fetchnumpy()
    finally:
        db.unregister("pool_rows")
    return near_top(np.asarray(found["position"]))


def _is_logged(db: duckdb.DuckDBPyConnection, cut: date) -> bool:
    found = db.execute(
        """
        select count(distinct shown.cut) = count(distinct cuts.as_of)
        from intermediate.int_as_ofs as cuts
        left join intermediate.int_exposures as shown on shown.cut = cuts.as_of
        where list_contains($train, cuts.role) or cuts.as_of = $cut""",
        {"train": list(TRAIN_ROLES), "cut": cut},
    )
    return bool(found.fetchall()[0][0])
