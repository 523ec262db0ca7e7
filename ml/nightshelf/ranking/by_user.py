"""What everybody has in the feature tables as of one date, laid out by user, to be joined block by block.

A feature table holds four cuts in no order, under ids that are text. To read all of it for each block of two
thousand users takes time with the square of the users: of 750 thousand, half a billion rows for each hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import numpy as np

from nightshelf.ranking import features
from nightshelf.ranking.proposals import Proposals, ids_file
from nightshelf.sql_text import literal


@contextmanager
def laid_out(
    db: duckdb.DuckDBPyConnection, proposals: Path, as_of: date, folder: Path
) -> Iterator[None]:
    """Inside, `of_tables` may be asked through any cursor of `db`, of blocks of that file. In a database of
    its own in `folder`, which goes afterwards: some 60 bytes for each pair of user and item."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "by_user.duckdb"
    _remove(file)
    db.execute(f"attach {literal(file)} as by_user (read_write)")
    try:
        for kind in ("users", "items"):
            db.execute(
                f"create temp view pool_{kind} as select file_row_number::integer as code, id"
                f" from read_parquet({literal(ids_file(proposals, kind))}, file_row_number = true)"
            )
        for name, sql in features.of_pool().items():
            db.execute(f"create table by_user.{name} as {sql} order by code", {"as_of": as_of})
        db.execute("drop view pool_users; drop view pool_items")
        yield
    finally:
        db.execute("detach by_user")
        _remove(file)


def of_tables(db: duckdb.DuckDBPyConnection, block: Proposals) -> np.ndarray:
    """`features.of_tables`, of what is laid out."""
    matrix = features.empty(len(block))
    last = block.first + len(block.users) - 1
    of = {
        name: f"from by_user.{name}"
        + " where code between $first and $last" * (name in features.OF_USERS)
        for name in features.OF
    }
    with features.registered(db, {"pool_rows": features.rows_table(block, block.first)}):
        given = {"first": block.first, "last": last}
        features.fill(db, features.rows_with_features(of), given, matrix)
    return matrix


def _remove(file: Path) -> None:
    for path in (file, file.with_suffix(".duckdb.wal")):
        path.unlink(missing_ok=True)
