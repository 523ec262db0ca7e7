"""Ranking candidates in blocks of users beside a materialised join and LightGBM's predict.

    python benchmarks/ranking.py              # half a million rows
    python benchmarks/ranking.py --big        # 5 million rows, then 50 million without the peer

Both begin with the pool's Parquet files and the feature tables of a night in a DuckDB file, and end with
the 20 best of each user by 35 features of the tables and six of three sources, through trees as many and
as large as the night's (200 of 7 leaves). The peer joins everything into one table, by the ids, reads it
whole and hands it to LightGBM; it would need some 25 GB for 50 million rows. The limit is one copy of the
features, block by block: memory bandwidth.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.side_by_side import answer, is_contender, machine, race
from nightshelf.learning.scoring import BLOCK_ROWS
from nightshelf.ranking import features
from nightshelf.ranking.boosting import Boosted, BoostingParams, fit_lightgbm
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.proposals import Proposals, write_proposals
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.rows import TrainingRows

NIGHT = date(2017, 12, 1)
DEEP, K = 100, 20
"""Candidates of a user, of which a third are items that the user has bought; kept of them."""
SOURCES = ("ials", "covisitation", "popularity")
VIEW = "all"
SEED = 20170101

TABLES = """
create schema features;
create table features.feat_item as
select date '{night}' as as_of, 'SKU' || n as item_id, 40 / (1 + n / 100.0) as usual_buyers_7d,
    160 / (1 + n / 100.0) as usual_buyers_28d, 900 / (1 + n / 100.0) as usual_buyers,
    hash(n) % 9 as n_first_buyers_28d, 9 as n_buyers_28d, hash(n) % 100 / 100.0::double as repeat_share,
    (hash(n, 1) % 60)::double as mean_gap_days, 0.01::double as category_share_28d,
    (hash(n, 2) % 30)::int as days_since_last, (hash(n, 3) % 300)::int as days_since_first,
    (1 + hash(n, 4) % 90)::double as price
from range({items}) as t(n);
create table features.feat_catalogue as
select date '{night}' as as_of, 'SKU' || n as item_id, 'category ' || n % 300 as category,
    'brand ' || n % 1000 as brand
from range({items}) as t(n);
create table features.feat_user as
select date '{night}' as as_of, 'customer ' || n as user_id, hash(n) % 20 as n_active_days_28d,
    hash(n, 1) % 90 as n_items, (1 + hash(n, 2) % 9)::double as mean_basket_items,
    2.0::double as mean_days_per_item, hash(n, 3) % 9 as n_new_items_28d, 9 as n_lines_28d,
    (hash(n, 4) % 40)::double as mean_gap_days, hash(n, 5) % 100 / 100.0::double as repeat_share,
    (hash(n, 6) % 30)::int as days_since_last, 10 as n_active_days, (5 + hash(n, 7) % 50)::double as mean_price
from range({users}) as t(n);
create table features.feat_user_item as
select date '{night}' as as_of, 'customer ' || user_code as user_id, 'SKU' || item_code as item_id,
    1 + hash(user_code, item_code) % 9 as n_days, hash(item_code) % 3 as n_days_28d,
    hash(item_code) % 5 as n_days_91d, 1.5::double as decayed_count,
    (hash(user_code, item_code, 1) % 90)::int as days_since_last,
    (hash(user_code, item_code, 2) % 40)::double as mean_gap_days
from read_parquet('{pool}') where hash(user_code, item_code) % 3 = 0;
create table features.feat_user_category as
select date '{night}' as as_of, 'customer ' || n as user_id, 'category ' || (n * 7 + r * 11) % 300 as category,
    0.1::double as share, r as n_days, (r * 3)::int as days_since_last
from range({users}) as t(n), range(1, 11) as r(r);
create table features.feat_user_brand as
select date '{night}' as as_of, 'customer ' || n as user_id, 'brand ' || (n * 3 + r * 17) % 1000 as brand,
    0.1::double as share, r as n_days
from range({users}) as t(n), range(1, 11) as r(r);
"""


def made_up(folder: Path, n_users: int, n_items: int) -> int:
    """A pool, the feature tables, and trees that were learnt from some of them; the pool's rows."""
    pool = _pool(n_users, n_items)
    write_pool(folder / "pool.parquet", pool)
    with duckdb.connect(str(folder / "night.duckdb")) as db:
        sizes = {"users": n_users, "items": n_items, "pool": folder / "pool.parquet"}
        db.execute(TABLES.format(night=NIGHT, **sizes))
        some = next(Proposals.blocks(folder / "pool.parquet", 50_000)).of(VIEW)
        matrix = features.attach(db, some, NIGHT)
    (folder / "trees.txt").write_text(_trees(matrix).text)
    return len(pool)


def write_pool(path: Path, pool: Pool) -> None:
    """As proposals for one view."""
    codes = pool.user_codes, pool.item_codes
    write_proposals(
        path, Proposals(pool.users, pool.items, *codes, pool.scores, {VIEW: pool.ranks})
    )


def _pool(n_users: int, n_items: int) -> Pool:
    generator = np.random.default_rng(SEED)
    users = np.array([f"customer {n}" for n in range(n_users)], dtype=object)
    items = np.array([f"SKU{n}" for n in range(n_items)], dtype=object)
    drawn = np.exp(generator.random((n_users, DEEP), dtype=np.float32) * np.log(n_items)) - 1
    codes = np.sort(np.minimum(drawn.astype(np.int32), n_items - 1), axis=1)
    distinct = np.diff(codes, axis=1, prepend=-1) > 0
    owners = np.repeat(np.arange(n_users, dtype=np.int32), distinct.sum(axis=1))
    n = len(owners)
    scores = {name: generator.random(n, dtype=np.float32) for name in SOURCES}
    ranks = {name: generator.integers(1, 61, n, dtype=np.int16) for name in SOURCES}
    return Pool(users, items, owners, codes[distinct], scores, ranks)


def _trees(matrix: np.ndarray) -> Boosted:
    """As many and as large as the night's; what they say does not matter here."""
    generator = np.random.default_rng(SEED)
    wanted = matrix[:, ::3].sum(axis=1)
    taken = wanted + generator.normal(scale=wanted.std(), size=len(wanted)) > np.quantile(
        wanted, 0.9
    )
    groups = np.full(len(matrix) // 50, 50, dtype=np.int32)
    groups = np.append(groups, len(matrix) - groups.sum())
    rows = TrainingRows(matrix, taken, groups[groups > 0], 1.0)
    return fit_lightgbm(rows, "lambdarank", BoostingParams(), SEED)


def _ours(inputs: Path, settings: dict):
    trees = Boosted((inputs / "trees.txt").read_text())
    trees.raw(np.zeros((1, len(features.names(SOURCES))), dtype=np.float32))
    ranker = Ranker(tuple(features.names(SOURCES)), ("lightgbm_lambdarank",), (trees,), (1.0,))
    db = _connected(inputs, settings)

    def run() -> str:
        kept = []
        for block in Proposals.blocks(inputs / "pool.parquet", BLOCK_ROWS):
            pool = block.of(VIEW)
            scores = ranker.score(features.attach(db, pool, NIGHT))
            kept.append(scores[pool.best_rows(scores, K)])
        return _told(np.concatenate(kept))

    return run


JOINED = """
create or replace temp table joined as
select p.file_row_number as pool_row, p.user_code, p.item_code, {columns}
from read_parquet('{pool}/pool.parquet', file_row_number = true) as p
join read_parquet('{pool}/pool.users.parquet', file_row_number = true) as users
    on users.file_row_number = p.user_code
join read_parquet('{pool}/pool.items.parquet', file_row_number = true) as items
    on items.file_row_number = p.item_code
left join features.feat_item as i on i.item_id = items.id
left join features.feat_user as u on u.user_id = users.id
left join features.feat_user_item as ui on ui.user_id = users.id and ui.item_id = items.id
left join features.feat_catalogue as d on d.item_id = items.id
left join features.feat_user_category as c on c.user_id = users.id and c.category = d.category
left join features.feat_user_brand as b on b.user_id = users.id and b.brand = d.brand
"""


def plain_columns() -> str:
    """The features of the tables, f0, f1, …, each worked out for each row."""
    expressions = [e for family in features.FAMILIES.values() for e in family.values()]
    return ", ".join(f"coalesce({e}, 0)::float as f{n}" for n, e in enumerate(expressions))


def _materialised(inputs: Path, settings: dict):
    trees = Boosted((inputs / "trees.txt").read_text())
    trees.booster.predict(np.zeros((1, len(features.names(SOURCES)))))
    db = _connected(inputs, settings)

    def run() -> str:
        db.execute(JOINED.format(columns=plain_columns(), pool=inputs))
        found = db.sql("from joined order by pool_row").to_arrow_table()
        pool = Proposals.read(inputs / "pool.parquet").of(VIEW)
        of_sources = [
            column
            for name in SOURCES
            for column in (
                pool.scores[name] / pool.best[name][pool.user_codes],
                features.near_top(pool.ranks[name]),
            )
        ]
        matrix = np.column_stack([*(c.to_numpy() for c in found.columns[3:]), *of_sources])
        raw = trees.booster.predict(matrix, raw_score=True, num_threads=settings["cores"])
        scores = 1 / (1 + np.exp(-raw))
        return _told(scores[pool.best_rows(scores, K)])

    return run


def _one_copy(inputs: Path, settings: dict):
    n_rows = pq.read_metadata(inputs / "pool.parquet").num_rows
    block = np.ones((BLOCK_ROWS, len(features.names(SOURCES))), dtype=np.float32)
    copy = np.empty_like(block)

    def run() -> None:
        for first in range(0, n_rows, BLOCK_ROWS):
            last = min(BLOCK_ROWS, n_rows - first)
            copy[:last] = block[:last]

    return run


def _connected(inputs: Path, settings: dict) -> duckdb.DuckDBPyConnection:
    limits = {"threads": settings["cores"], "memory_limit": settings["memory"]}
    spill = {"temp_directory": str(inputs / "spill")}
    return duckdb.connect(str(inputs / "night.duckdb"), read_only=True, config=limits | spill)


def _told(scores: np.ndarray) -> str:
    return f"{scores.mean():.6f} of {len(scores):,}"


CONTENDERS = {
    "nightshelf": _ours,
    "join, then predict": _materialised,
    "limit: one copy": _one_copy,
}


def main(
    users: Annotated[int, typer.Option(help="Users with some 95 candidates each.")] = 5_000,
    items: Annotated[int, typer.Option(help="Items of the shop.")] = 20_000,
    memory: Annotated[str, typer.Option(help="DuckDB's, of each contender.")] = "3GB",
    rounds: Annotated[int, typer.Option(help="Runs of each contender.")] = 2,
    cores: Annotated[int, typer.Option(help="Threads of each contender.")] = 2,
    folder: Annotated[Path | None, typer.Option(help="Where to work: 8 GB if big.")] = None,
    big: Annotated[
        bool, typer.Option("--big", help="53 thousand users, then 530 thousand.")
    ] = False,
) -> None:
    """Prints core-microseconds a row, peak memory and ratios."""
    title = f"The {K} best of each user, {len(features.names(SOURCES))} features, 200 trees\n"
    versions = machine(cores, "duckdb", "lightgbm", "numpy")
    table = Table(title=title + versions, title_justify="left")
    for name in ("rows", "", "seconds", "core s", "core µs/row", "× ours", "peak MB", "mean score"):
        table.add_column(name, justify="left" if not name else "right")
    settings = {"cores": cores, "memory": memory}
    if big:
        _measure(table, 53_000, 100_000, list(CONTENDERS), settings, rounds, folder)
        alone = [name for name in CONTENDERS if name != "join, then predict"]
        _measure(table, 530_000, 100_000, alone, settings, 1, folder)
    else:
        _measure(table, users, items, list(CONTENDERS), settings, rounds, folder)
    Console(width=120).print(table)


def _measure(table: Table, users, items, contenders, settings, rounds, folder) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        n_rows = made_up(Path(work), users, items)
        found = race(__file__, contenders, Path(work), settings, rounds, settings["cores"])
    ours = found["nightshelf"].core_seconds
    for name, f in found.items():
        costs = f"{f.seconds:.1f}", f"{f.core_seconds:.1f}", f"{f.core_seconds / n_rows * 1e6:.2f}"
        ratio = f"{f.core_seconds / ours:.2f}"
        table.add_row(f"{n_rows:,}", name, *costs, ratio, f"{f.peak_mb:,}", f.said or "")
    table.add_section()


if __name__ == "__main__":
    answer(CONTENDERS) if is_contender() else typer.run(main)
