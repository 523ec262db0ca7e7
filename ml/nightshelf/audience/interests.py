"""What users took by category or brand as of a cut, and what they took next, as matrices.

A subject is a category or a brand. The most taken ones stand alone; the last column, the rest, holds
all others together, also those that nobody had taken by the cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

MOST_SUBJECTS = 300
"""Bounds memory at 10 MB a matrix and a thousand users; whoever keeps more shelves than that has most
of them for a handful of users."""
MAX_USERS = 5_000
"""Read at a cut to learn from, drawn by a hash of their ids."""
BLOCK = 4_000
"""Users scored at a time."""
YEAR = 364
LATELY, QUARTER = 28, 84


@dataclass(frozen=True, eq=False)
class Taken:
    """Lines a user took of a subject, dense: (n_users, n_subjects + 1) float64 each."""

    lately: np.ndarray
    """In the 28 days before the cut."""
    quarter: np.ndarray
    """In the 84 days before it; those of `lately` are among them."""
    year: np.ndarray
    days_since: np.ndarray
    """Since the last one; YEAR where there is none."""

    def __len__(self) -> int:
        return len(self.lately)


@dataclass(frozen=True, eq=False)
class Cut:
    """One kind of subject as of one date. Entries are sorted by user, then subject."""

    kind: str
    as_of: date
    users: np.ndarray
    subjects: np.ndarray
    """(n_subjects,) object: the most taken first."""
    starts: np.ndarray
    """(n_users + 1,) int64: where each user's entries begin."""
    columns: np.ndarray
    values: np.ndarray
    """(4, n_entries) float64: lately, quarter, year, days_since."""
    shop: np.ndarray
    """(3, n_subjects + 1) float64: lines of all users lately, in the quarter, in the year."""

    def block(self, start: int, stop: int) -> Taken:
        begin, end = self.starts[start], self.starts[stop]
        rows = np.repeat(np.arange(stop - start), np.diff(self.starts[start : stop + 1]))
        found = np.zeros((4, stop - start, len(self.subjects) + 1))
        found[3] = YEAR
        found[:, rows, self.columns[begin:end]] = self.values[:, begin:end]
        return Taken(*found)

    def all(self) -> Taken:
        return self.block(0, len(self.users))

    def blocks(self) -> Iterator[tuple[np.ndarray, Taken]]:
        """(user ids, what they took), a few thousand users at a time."""
        for start in range(0, len(self.users), BLOCK):
            stop = min(start + BLOCK, len(self.users))
            yield self.users[start:stop], self.block(start, stop)


def read_cut(db: duckdb.DuckDBPyConnection, kind: str, as_of: date, most: int | None = None) -> Cut:
    """features.feat_user_interest; `most` users drawn by a hash of their ids, all without."""
    given = {"kind": kind, "as_of": as_of}
    subjects = db.execute(
        f"""
        select subject from features.feat_user_interest where kind = $kind and as_of = $as_of
        group by subject order by count(*) desc, subject limit {MOST_SUBJECTS}""",
        given,
    ).fetchall()
    drawn = f"order by md5(user_id), user_id limit {int(most)}" if most else "order by user_id"
    users = db.execute(
        f"""
        select user_id from (
            select distinct user_id from features.feat_user_interest
            where kind = $kind and as_of = $as_of
        ) {drawn}""",
        given,
    ).fetchall()
    names, people = (np.array([row[0] for row in r], dtype=object) for r in (subjects, users))
    entries, shop = _entries(db, given, names, people)
    starts = np.searchsorted(entries["row"], np.arange(len(people) + 1))
    values = np.stack([entries[n] for n in ("lately", "quarter", "year", "days_since")])
    return Cut(kind, as_of, people, names, starts, entries["place"], values, shop)


def _entries(
    db: duckdb.DuckDBPyConnection, given: dict, subjects: np.ndarray, users: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The users' entries by row and column, and the shop's lines by column."""
    coded = f"""
        with subjects as (select unnest($subjects::varchar[]) as subject,
                unnest(range(len($subjects::varchar[]))) as place),
        interests as (
            select user_id, coalesce(place, {len(subjects)})::integer as place, n_lines_28d,
                n_lines_84d, n_lines, days_since_last
            from features.feat_user_interest left join subjects using (subject)
            where kind = $kind and as_of = $as_of
        )"""
    asked = given | {"subjects": subjects.tolist()}
    entries = db.execute(
        f"""{coded}, users as (select unnest($users::varchar[]) as user_id,
                unnest(range(len($users::varchar[]))) as row)
        select row, place, sum(n_lines_28d)::double as lately, sum(n_lines_84d)::double as quarter,
            sum(n_lines)::double as year, min(days_since_last)::double as days_since
        from interests join users using (user_id) group by row, place order by row, place""",
        asked | {"users": users.tolist()},
    ).fetchnumpy()
    sums = db.execute(
        f"""{coded}
        select place, sum(n_lines_28d)::double, sum(n_lines_84d)::double, sum(n_lines)::double
        from interests group by place""",
        asked,
    ).fetchall()
    shop = np.zeros((3, len(subjects) + 1))
    for place, *lines in sums:
        shop[:, place] = lines
    return {name: np.asarray(column) for name, column in entries.items()}, shop


def read_next(db: duckdb.DuckDBPyConnection, cut: Cut) -> np.ndarray:
    """(n_users, n_subjects + 1) float64: lines of audience.label_interest after the cut. A row of
    zeros for a user who took nothing."""
    places = {name: place for place, name in enumerate(cut.subjects)}
    rows = {user: row for row, user in enumerate(cut.users)}
    found = np.zeros((len(cut.users), len(cut.subjects) + 1))
    taken = db.execute(
        "select user_id, subject, n_lines from audience.label_interest where kind = ? and as_of = ?",
        [cut.kind, cut.as_of],
    ).fetchall()
    for user, subject, n_lines in taken:
        if user in rows:
            found[rows[user], places.get(subject, len(cut.subjects))] += n_lines
    return found


def shares(lines: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
    """Each row as shares, `weight` lines of the prior mixed in; the prior alone without any line."""
    return (lines + weight * prior) / (lines.sum(axis=1, keepdims=True) + weight)


def shop_shares(lines: np.ndarray) -> np.ndarray:
    """(n,) shares of the whole shop; half a line each keeps a subject that nobody took above 0."""
    return (lines + 0.5) / (lines + 0.5).sum()


def dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A product on one BLAS thread, whose sums have one order."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return left @ right
