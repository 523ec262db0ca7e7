"""raw.identity_profile: one row, how many visitors of the window have an id that is a user's, too.

Users and visitors that are both numbered 1, 2, 3, … would become one person when sessions are stitched.
"""

from __future__ import annotations

import duckdb

SAMPLED_ROWS = 1_000_000
"""Beyond, every second, fourth, … id is looked at, with all of its events."""


def make(db: duckdb.DuckDBPyConnection, window: str, rows: int) -> None:
    """An id that stood as user and visitor of one event is one person's: logging out kept it.

    One scan of two columns. A million rows at most are grouped, in some 100 MB, however large the log.
    """
    every = 1
    while rows > every * SAMPLED_ROWS:
        every *= 2
    db.execute(f"""
        CREATE TABLE raw.identity_profile AS
        WITH ids AS (
            SELECT coalesce(user_id, anonymous_id) AS id, bool_or(user_id IS NULL) AS is_visitor,
                bool_or(user_id IS NOT NULL) AS is_user,
                coalesce(bool_or(user_id = anonymous_id), false) AS is_one_person
            FROM {window} WHERE hash(coalesce(user_id, anonymous_id)) % {every} = 0
            GROUP BY id
        )
        SELECT count(*) FILTER (is_visitor) * {every} AS visitors,
            count(*) FILTER (is_visitor AND is_user AND NOT is_one_person) * {every}
                AS with_a_user_s_id,
            min(id) FILTER (is_visitor AND is_user AND NOT is_one_person) AS for_example
        FROM ids WHERE id IS NOT NULL
    """)
