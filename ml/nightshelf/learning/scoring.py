"""The score stage: tonight's pools ranked by the reigning recipes, for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf import audience
from nightshelf.ahead import in_order
from nightshelf.candidates import NewArrivals
from nightshelf.errors import ModelError
from nightshelf.learning import placement_scores, trained
from nightshelf.night import Night
from nightshelf.paths import Attempt
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import Progress
from nightshelf.ranking import by_user, features
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.proposals import Proposals
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.settings.shop import Shop
from nightshelf.sql_text import literal
from nightshelf.storage import read_left, write_json
from nightshelf.warehouse import connect

SHELVES_DEEP = 2
"""Scored rows kept per shelf slot: rules may take half of a list away before it shortens."""
POOL_DEEP = 1
"""More of them where the shelf explores: exploring slots show what stands behind the list."""
NEW_SHARE = 0.5
"""Where the shelf explores, so many arrivals per slot are kept, too: hardly one of them is among the
best by score (1 in 600 of the demo's rows), and exploration is how the shop gets to know them."""
NEW_ARRIVALS = NewArrivals.name
BLOCK_ROWS = 500_000
"""Candidates that a core ranks at a time: half a gigabyte of features and of what they are joined from."""
SCORED = pa.schema(
    {"user_id": pa.string(), "item_id": pa.string(), "score": pa.float64(), "source": pa.string()}
)
VIEWS_OF_ML = (
    "for_you", "discover", "similar_items", "bought_together", *placement_scores.VIEWS, *audience.VIEWS,
)  # fmt: skip


def score_night(shop: Shop, night: Night, attempt: Attempt, progress: Progress) -> int:
    """Writes scores/for_you.parquet and scores/discover.parquet; returns their rows. Memory: a block's
    candidates and their features for each core, however many users there are."""
    recipes = read_recipes(attempt)
    attempt.scores.mkdir(parents=True, exist_ok=True)
    proposals = trained.proposals(attempt, "serve")
    asks = any(recipe.source == RANKER for recipe in recipes.values())
    rows = users = 0
    with connect(attempt.database) as db, ExitStack() as stack:
        files = {
            placement: stack.enter_context(
                pq.ParquetWriter(
                    attempt.scores / f"{placement}.parquet", SCORED, compression="zstd"
                )
            )
            for placement in PLACEMENT_VIEWS
        }

        if asks:
            progress.advance("laying the features out by user")
            spill = attempt.database.parent / "spill"
            stack.enter_context(by_user.laid_out(db, proposals, night.as_of("serve"), spill))

        def scored(block: Proposals) -> tuple[int, dict[str, pa.Table]]:
            with db.cursor() as own:
                tables = by_user.of_tables(own, block) if asks else None
            return len(block.users), _scored(block, tables, recipes, shop)

        blocks = in_order(scored, Proposals.blocks(proposals, BLOCK_ROWS))
        # Where writing fails, what is being scored ends before what it reads goes.
        for n_users, tables in stack.enter_context(closing(blocks)):
            for placement, table in tables.items():
                files[placement].write_table(table)
                rows += len(table)
            users += n_users
            progress.advance(f"{users:,} users")
    return rows


def _scored(
    block: Proposals, tables: np.ndarray | None, recipes: Mapping[str, Recipe], shop: Shop
) -> dict[str, pa.Table]:
    """SCORED by placement, of a block of users; `tables` is what its rows have in the feature tables."""
    found = {}
    for placement, view in PLACEMENT_VIEWS.items():
        recipe, rows = recipes[placement], block.rows_of(view)
        pool, matrix = block.of(view, rows), None
        if recipe.source == RANKER:
            matrix = features.with_sources(tables, pool, pool.best, rows)
        found[placement] = _kept(pool, recipe.score(pool, matrix), recipe, shop, placement)
    return found


def kept_rows(pool: Pool, scores: np.ndarray, shop: Shop, placement: str) -> np.ndarray:
    """(n_kept,) row numbers: the best of each user, best first; then, where the shelf explores, what the
    source of new arrivals puts first and is not among them."""
    k = shop.placements.k
    explores = placement in shop.exploration.budgets
    rows = pool.best_rows(scores, kept_each(shop, placement))
    if explores and NEW_ARRIVALS in pool.ranks:
        place = pool.ranks[NEW_ARRIVALS]
        new = np.flatnonzero((place > 0) & (place <= NEW_SHARE * k))
        rows = np.concatenate([rows, np.setdiff1d(new, rows)])
    # What the recipe does not rank at all is not on its list.
    return rows[scores[rows] > 0]


def kept_each(shop: Shop, placement: str) -> int:
    """The best rows that are kept of each user."""
    explores = placement in shop.exploration.budgets
    return (SHELVES_DEEP + POOL_DEEP * explores) * shop.placements.k


def _kept(pool: Pool, scores: np.ndarray, recipe: Recipe, shop: Shop, placement: str) -> pa.Table:
    """SCORED, of the rows that are kept."""
    rows = kept_rows(pool, scores, shop, placement)
    kept = pool.rows(rows)
    columns = (
        kept.users[kept.user_codes], kept.items[kept.item_codes], scores[rows], recipe.sources(kept)
    )  # fmt: skip
    return pa.table([column.tolist() for column in columns], schema=SCORED)


def offer_to_dbt(attempt: Attempt) -> None:
    """Schema `ml` in the attempt's file: views over what the models wrote, and their hashes."""
    with connect(attempt.database, read_only=False) as db:
        db.execute("create schema if not exists ml")
        db.execute("create or replace table ml.fingerprints (shelf varchar, fingerprint varchar)")
        shelves = read_left(attempt.root / "fingerprints.json", "evaluate")
        db.executemany("insert into ml.fingerprints values (?, ?)", list(shelves.items()))
        for name in VIEWS_OF_ML:
            path = literal(attempt.scores / f"{name}.parquet")
            db.execute(f"create or replace view ml.{name} as from read_parquet({path})")


def keep_recipes(attempt: Attempt, recipes: dict[str, Recipe]) -> None:
    """The recipes that serve tonight, so that scoring does not depend on what the registry says
    later."""
    from nightshelf.registry import write_recipe

    serving = {}
    for placement, recipe in recipes.items():
        folder, sha256 = write_recipe(recipe, attempt.models / "serving" / placement)
        serving[placement] = {"folder": folder.name, "sha256": sha256}
    write_json(attempt.models / "serving.json", serving)


def read_recipes(attempt: Attempt) -> dict[str, Recipe]:
    from nightshelf.registry import read_recipe

    try:
        serving = read_left(attempt.models / "serving.json", "evaluate")
        serving = {p: (e["folder"], e["sha256"]) for p, e in serving.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{attempt.models / 'serving.json'} is not what was written: {error!r}.",
            "Run `nightshelf evaluate` again; it writes the file.",
        ) from None
    return {
        placement: read_recipe(attempt.models / "serving" / placement / folder, sha256)
        for placement, (folder, sha256) in serving.items()
    }
