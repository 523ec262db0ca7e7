"""The tables that the audience models read, filled by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

import duckdb
import pytest

NIGHT = date(2017, 12, 1)
TRAIN, JUDGED = NIGHT - timedelta(days=56), NIGHT - timedelta(days=28)
Interest = tuple[date, str, str, int, int, int, int]
"""(as_of, user, subject, lines in 28 days, in 84, in the year, days since the last)."""
Label = tuple[date, str, str, int]
"""(as_of, user, subject, lines in the 28 days after)."""

TABLES = """
create schema features; create schema audience;
create table features.feat_audience_cuts (role varchar, as_of date, window_days integer);
create table features.feat_user_interest (as_of date, user_id varchar, kind varchar, subject varchar,
    n_lines_28d integer, n_lines_84d integer, n_lines integer, days_since_last integer);
create table audience.label_interest (as_of date, user_id varchar, kind varchar, subject varchar,
    n_lines integer);
"""


@pytest.fixture
def interests() -> Iterator[Callable[..., duckdb.DuckDBPyConnection]]:
    """A database of a shop's interests and labels; the kind is category unless it is named."""
    with duckdb.connect() as db:

        def filled(
            seen: Iterable[Interest], taken: Iterable[Label], kind: str = "category"
        ) -> duckdb.DuckDBPyConnection:
            db.execute(TABLES)
            cuts = [("interest_train", TRAIN), ("interest_evaluate", JUDGED), ("serve", NIGHT)]
            db.executemany("insert into features.feat_audience_cuts values (?, ?, 28)", cuts)
            rows = [(day, user, kind, *rest) for day, user, *rest in seen]
            if rows:
                marks = ", ".join("?" * 8)
                db.executemany(f"insert into features.feat_user_interest values ({marks})", rows)
            rows = [(day, user, kind, *rest) for day, user, *rest in taken]
            if rows:
                db.executemany("insert into audience.label_interest values (?, ?, ?, ?, ?)", rows)
            return db

        yield filled
