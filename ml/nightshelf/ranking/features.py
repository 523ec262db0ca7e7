"""The ranker's features: each one SQL expression over the pool and the feature tables.

Six families. Counts and days enter as logarithms: the step from 1 to 2 purchases says more than
the step from 11 to 12, and a linear model can only add.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from nightshelf.ranking.pool import Pool

BATCH_ROWS = 200_000
"""Rows of features in memory at a time as Arrow: some 50 MB."""
ALL = slice(None)

FAMILIES: dict[str, dict[str, str]] = {
    "item windows": {
        "item_buyers_7d": "ln(1 + coalesce(i.usual_buyers_7d, 0))",
        "item_buyers_28d": "ln(1 + coalesce(i.usual_buyers_28d, 0))",
        "item_buyers": "ln(1 + coalesce(i.usual_buyers, 0))",
        "item_rise": "ln((1 + coalesce(i.usual_buyers_7d, 0))"
        " / (1 + coalesce(i.usual_buyers_28d, 0) / 4.0))",
        "item_first_share": "coalesce(i.n_first_buyers_28d / nullif(i.n_buyers_28d, 0), 0)",
        "item_repeat_share": "coalesce(i.repeat_share, 0)",
        "item_gap": "ln(1 + coalesce(i.mean_gap_days, 365))",
        "item_category_share": "coalesce(i.category_share_28d, 0)",
        "item_days_since_last": "ln(1 + coalesce(i.days_since_last, 365))",
        "item_age": "ln(1 + coalesce(i.days_since_first, 365))",
    },
    "user windows": {
        "user_active_days_28d": "ln(1 + coalesce(u.n_active_days_28d, 0))",
        "user_items": "ln(1 + coalesce(u.n_items, 0))",
        "user_basket_items": "ln(1 + coalesce(u.mean_basket_items, 0))",
        "user_days_per_item": "ln(1 + coalesce(u.mean_days_per_item, 0))",
        "user_new_share": "coalesce(u.n_new_items_28d / nullif(u.n_lines_28d, 0), 0)",
        "user_gap": "ln(1 + coalesce(u.mean_gap_days, 365))",
        "user_repeat_share": "coalesce(u.repeat_share, 0)",
        "user_days_since_last": "ln(1 + coalesce(u.days_since_last, 365))",
    },
    "user and item": {
        "pair_days": "ln(1 + coalesce(ui.n_days, 0))",
        "pair_days_28d": "ln(1 + coalesce(ui.n_days_28d, 0))",
        "pair_days_91d": "ln(1 + coalesce(ui.n_days_91d, 0))",
        "pair_decayed": "ln(1 + coalesce(ui.decayed_count, 0))",
        "pair_share": "coalesce(ui.n_days / u.n_active_days, 0)",
        "pair_in_last_basket": "(ui.days_since_last is not distinct from u.days_since_last)::integer",
        # Days since the pair's last, in units of the gap that the item has for everybody.
        "pair_item_gaps": "ln(1 + coalesce(ui.days_since_last, 365) / (1 + coalesce(i.mean_gap_days, 365)))",
        "pair_never": "(ui.n_days is null)::integer",
        "pair_days_since_last": "ln(1 + coalesce(ui.days_since_last, 365))",
        # 0 when due exactly now; the user's own gap where the pair has none.
        "pair_overdue": "least(3, abs(ln((1 + ui.days_since_last)"
        " / (1 + coalesce(ui.mean_gap_days, u.mean_gap_days, ui.days_since_last)))))",
    },
    "price and category": {
        "price_ratio": "least(3, abs(ln(nullif(i.price, 0) / nullif(u.mean_price, 0))))",
        "category_share": "coalesce(c.share, 0)",
        "brand_share": "coalesce(b.share, 0)",
        "brand_days": "ln(1 + coalesce(b.n_days, 0))",
        "price_level": "coalesce(ln(nullif(i.price, 0) / nullif(u.mean_price, 0)), 0)",
        "category_days": "ln(1 + coalesce(c.n_days, 0))",
        "category_days_since_last": "ln(1 + coalesce(c.days_since_last, 365))",
    },
}


def names(sources: Sequence[str]) -> list[str]:
    """All feature names in their order: the tables' families, then each source's score and rank."""
    of_tables = [n for family in FAMILIES.values() for n in family]
    return of_tables + [f"{kind}_{s}" for s in sources for kind in ("score", "near_top")]


def attach(
    db: duckdb.DuckDBPyConnection, pool: Pool, as_of: date, rows: np.ndarray | slice = ALL
) -> np.ndarray:
    """(n_rows, n_features) float32, in the order of `rows`. Reads features as of `as_of` only.

    A row's features are the same whichever others are asked for: what they are held against, each source's
    best for the user, is of the whole pool. Columns lie in one piece each (Fortran's order), as rankers
    read them. About 1 core-second a million rows. A missing value is 0 after its expression's own default.
    """
    some, sources = pool.rows(rows), list(pool.scores)
    matrix = np.empty((len(some), len(names(sources))), dtype=np.float32, order="F")
    _attach_tables(db, some, as_of, matrix)
    first = matrix.shape[1] - 2 * len(sources)
    for position, source in enumerate(sources):
        # Sources speak in units of their own.
        matrix[:, first + 2 * position] = some.scores[source] / pool.best[source][some.user_codes]
        matrix[:, first + 2 * position + 1] = near_top(some.ranks[source])
    return matrix


def near_top(ranks: np.ndarray) -> np.ndarray:
    """(n_rows,) float32: 1 at the top, falling slowly, 0 where the rank is 0: not on the list."""
    ranks = ranks.astype(np.float32)
    return np.where(ranks > 0, 1 / np.log2(1 + np.maximum(ranks, 1)), 0)


ROWS_WITH_FEATURES = """
with i as (
    select i.*, {of_items}
    from (
        select ids.code, i.* exclude (item_id, as_of), d.category, d.brand
        from pool_items as ids
        left join features.feat_item as i on i.item_id = ids.id and i.as_of = $as_of
        left join features.feat_catalogue as d on d.item_id = ids.id and d.as_of = $as_of
    ) as i
),
u as (
    select u.*, {of_users}
    from (
        select ids.code, u.* exclude (user_id, as_of)
        from pool_users as ids
        left join features.feat_user as u on u.user_id = ids.id and u.as_of = $as_of
    ) as u
),
ui as (
    select users.code as user_code, items.code as item_code, ui.*
    from features.feat_user_item as ui
    join pool_users as users on users.id = ui.user_id
    join pool_items as items on items.id = ui.item_id
    where ui.as_of = $as_of
),
c as (
    select ids.code, c.*
    from features.feat_user_category as c join pool_users as ids on ids.id = c.user_id
    where c.as_of = $as_of
),
b as (
    select ids.code, b.*
    from features.feat_user_brand as b join pool_users as ids on ids.id = b.user_id
    where b.as_of = $as_of
)
select p.pool_row, {names}, {of_rows}
from pool_rows as p
join i on i.code = p.item_code
join u on u.code = p.user_code
left join ui on ui.user_code = p.user_code and ui.item_code = p.item_code
left join c on c.code = p.user_code and c.category = i.category
left join b on b.code = p.user_code and b.brand = i.brand
"""
"""In any order: sorting the rows costs as much as joining them. Joined by the pool's codes, as ids are
text, which hashes slowly; only what is of the pool's users is joined at all."""


def rows_with_features() -> str:
    """What items, and users, have in all of their rows is worked out once for each of them."""
    of_items, of_users, *of_rows = (
        {name: f"coalesce({e}, 0)::float" for name, e in family.items()}
        for family in FAMILIES.values()
    )
    return ROWS_WITH_FEATURES.format(
        of_items=_named(of_items),
        of_users=_named(of_users),
        names=", ".join([*of_items, *of_users]),
        of_rows=", ".join(_named(family) for family in of_rows),
    )


def _named(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} as {name}" for name, expression in expressions.items())


def _attach_tables(
    db: duckdb.DuckDBPyConnection, pool: Pool, as_of: date, matrix: np.ndarray
) -> None:
    tables = {
        "pool_rows": pa.table(
            {
                "pool_row": np.arange(len(pool)),
                "user_code": pool.user_codes,
                "item_code": pool.item_codes,
            }
        ),
        "pool_users": _present(pool.users, pool.user_codes),
        "pool_items": _present(pool.items, pool.item_codes),
    }
    for name, table in tables.items():
        db.register(name, table)
    done = 0
    try:
        sql = rows_with_features()
        for batch in db.sql(sql, params={"as_of": as_of}).to_arrow_reader(BATCH_ROWS):
            rows, *found = (column.to_numpy() for column in batch.columns)
            for n, values in enumerate(found):
                matrix[rows, n] = values
            done += len(rows)
    finally:
        for name in tables:
            db.unregister(name)
    if done != len(pool):
        raise AssertionError(
            f"{len(pool)} candidates became {done} rows: a feature table repeats a key"
        )


def _present(ids: np.ndarray, codes: np.ndarray) -> pa.Table:
    """code, id of those that have rows."""
    found = np.flatnonzero(np.bincount(codes, minlength=len(ids))).astype(np.int32)
    return pa.table({"code": found, "id": pa.array(ids[found].tolist(), pa.string())})
