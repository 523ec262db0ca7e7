"""The ranker's features: each one SQL expression over the pool and the feature tables.

Six families. Counts and days enter as logarithms: the step from 1 to 2 purchases says more than
the step from 11 to 12, and a linear model can only add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from nightshelf.ranking.pool import Pool
from nightshelf.ranking.proposals import Proposals

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
        "pair_in_last_basket": "(ui.days_since_last = u.days_since_last)::integer",
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
    some = pool.rows(rows)
    return with_sources(of_tables(db, some, as_of), some, pool.best)


def of_tables(db: duckdb.DuckDBPyConnection, pool: Pool, as_of: date) -> np.ndarray:
    """(n_rows, n) float32: the features of the tables' families alone, which no view changes."""
    matrix, tables = (
        empty(len(pool)),
        {
            "pool_rows": rows_table(pool),
            "pool_users": _present(pool.users, pool.user_codes),
            "pool_items": _present(pool.items, pool.item_codes),
        },
    )
    with registered(db, tables):
        fill(db, rows_with_features(), {"as_of": as_of}, matrix)
    return matrix


def empty(n_rows: int) -> np.ndarray:
    """For the features of the tables' families."""
    return np.empty((n_rows, sum(map(len, FAMILIES.values()))), dtype=np.float32, order="F")


def with_sources(
    tables: np.ndarray, pool: Pool, best: Mapping[str, np.ndarray], rows: np.ndarray | slice = ALL
) -> np.ndarray:
    """(n_rows, n_features) float32: beside the `rows` of `tables` that are the pool's what the sources make
    of them, each in units of its `best` for the user."""
    n_tables = tables.shape[1]
    matrix = np.empty((len(pool), n_tables + 2 * len(pool.scores)), dtype=np.float32, order="F")
    places = np.arange(len(tables))[rows]
    for n in range(n_tables):
        # A column by itself, into its place: a third of the time of tables[rows, n].
        np.take(tables[:, n], places, out=matrix[:, n], mode="clip")
    near = near_top(np.arange(1 + max((r.max(initial=0) for r in pool.ranks.values()), default=0)))
    for n, source in enumerate(pool.scores):
        # Sources speak in units of their own.
        units = best[source].take(pool.user_codes)
        np.divide(pool.scores[source], units, out=matrix[:, n_tables + 2 * n])
        np.take(near, pool.ranks[source], out=matrix[:, n_tables + 2 * n + 1], mode="clip")
    return matrix


def near_top(ranks: np.ndarray) -> np.ndarray:
    """(n_rows,) float32: 1 at the top, falling slowly, 0 where the rank is 0: not on the list."""
    ranks = ranks.astype(np.float32)
    return np.where(ranks > 0, 1 / np.log2(1 + np.maximum(ranks, 1)), 0)


OF = {
    "i": """
        select i.*, {of_items}
        from (
            select ids.code, i.* exclude (item_id, as_of), d.category, d.brand
            from pool_items as ids
            left join features.feat_item as i on i.item_id = ids.id and i.as_of = $as_of
            left join features.feat_catalogue as d on d.item_id = ids.id and d.as_of = $as_of
        ) as i""",
    "u": """
        select u.*, {of_users}
        from (
            select ids.code, u.* exclude (user_id, as_of)
            from pool_users as ids
            left join features.feat_user as u on u.user_id = ids.id and u.as_of = $as_of
        ) as u""",
    "ui": """
        select ids.code, items.code as item_code, ui.* exclude (user_id, item_id, as_of)
        from features.feat_user_item as ui
        join pool_users as ids on ids.id = ui.user_id
        join pool_items as items on items.id = ui.item_id
        where ui.as_of = $as_of""",
    "c": """
        select ids.code, c.* exclude (user_id, as_of)
        from features.feat_user_category as c join pool_users as ids on ids.id = c.user_id
        where c.as_of = $as_of""",
    "b": """
        select ids.code, b.* exclude (user_id, as_of)
        from features.feat_user_brand as b join pool_users as ids on ids.id = b.user_id
        where b.as_of = $as_of""",
}
"""What the items and users of a pool, under its codes, have in the feature tables: what they have in all of
their rows is worked out once for each of them. Ids are text, which hashes slowly; only what is of the
pool's users is joined at all."""
OF_USERS = ("u", "ui", "c", "b")
"""Of OF, those whose `code` is a user's."""

ROWS_WITH_FEATURES = """
select p.pool_row, {names}, {of_rows}
from pool_rows as p
join i on i.code = p.item_code
join u on u.code = p.user_code
left join ui on ui.code = p.user_code and ui.item_code = p.item_code
left join c on c.code = p.user_code and c.category = i.category
left join b on b.code = p.user_code and b.brand = i.brand
"""
"""In any order: sorting the rows costs as much as joining them."""


def of_pool() -> dict[str, str]:
    """OF, with the features that are of items and of users alone."""
    of_items, of_users, *_ = _expressions()
    return {
        name: sql.format(of_items=_named(of_items), of_users=_named(of_users))
        for name, sql in OF.items()
    }


def rows_with_features(of: Mapping[str, str] | None = None) -> str:
    """SQL for the features of `pool_rows`; `of` where what its users and items have is at hand."""
    of_items, of_users, *of_rows = _expressions()
    rows = ROWS_WITH_FEATURES.format(
        names=", ".join([*of_items, *of_users]), of_rows=", ".join(_named(f) for f in of_rows)
    )
    parts = [f"{name} as ({sql})" for name, sql in (of or of_pool()).items()]
    return f"with {', '.join(parts)} {rows}"


def _expressions() -> list[dict[str, str]]:
    return [
        {name: f"coalesce({e}, 0)::float" for name, e in family.items()}
        for family in FAMILIES.values()
    ]


def _named(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} as {name}" for name, expression in expressions.items())


def rows_table(pool: Pool | Proposals, first_user: int = 0) -> pa.Table:
    """pool_rows; `first_user` is the code of its user 0."""
    users = pool.user_codes + np.int32(first_user)
    return pa.table(
        {"pool_row": np.arange(len(pool)), "user_code": users, "item_code": pool.item_codes}
    )


@contextmanager
def registered(db: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    for name, table in tables.items():
        db.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            db.unregister(name)


def fill(
    db: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object], matrix: np.ndarray
) -> None:
    """Writes what the SQL finds of each row into its row of the matrix."""
    done = 0
    for batch in db.sql(sql, params=params).to_arrow_reader(BATCH_ROWS):
        rows, *found = (column.to_numpy() for column in batch.columns)
        for n, values in enumerate(found):
            matrix[rows, n] = values
        done += len(rows)
    if done != len(matrix):
        raise AssertionError(
            f"{len(matrix)} candidates became {done} rows: a feature table repeats a key"
        )


def _present(ids: np.ndarray, codes: np.ndarray) -> pa.Table:
    """code, id of those that have rows."""
    found = np.flatnonzero(np.bincount(codes, minlength=len(ids))).astype(np.int32)
    return pa.table({"code": found, "id": pa.array(ids[found].tolist(), pa.string())})
