"""Impressions and policies from files, as arrays.

log       context_id, item_id, position, propensity, reward, and night where a context is shown a
          list on each; one row per slot shown
policy    item_id, probability, and context_id and position where they matter; one row per item that
          the policy may show to that context at that position
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.errors import InputError
from nightshelf.ope.log import SUM_WITHIN, LoggedImpressions, Policy

LOG = ("context_id", "item_id", "position", "propensity", "reward")
KEYS = ("context_id", "position")
NIGHT = "night"
NUMBERS = ("propensity", "reward", "probability")
CSV = "read_csv($file, header = true, all_varchar = true)"
"""By its looks 1.10 would be the number 1.1, and True the truth that true is."""
READERS = {".parquet": "read_parquet($file)", ".csv": CSV, ".gz": CSV}


def read_impressions(log: Path, policy: Path | None) -> LoggedImpressions:
    """The log's rows in the file's order; `None` evaluates the even policy over all items shown.

    A million impressions take 2 s.
    """
    with duckdb.connect() as db:
        _load_log(db, log)
        _load_policy(db, policy)
        for name, source in (
            ("item_id", "select item_id from log union select item_id from policy"),
            ("context_id", "select context_id from log"),
            ("position", "select position from log"),
            (NIGHT, f"select {NIGHT} from log"),
            ("about", "select about from log"),
        ):
            _number(db, name, source)
        _need_whole(db, policy)
        rows = _columns(db, _ROWS)
        chances = _chances(db)
    with _named(policy or log):
        asked = Policy(chances, rows.pop("about"))
    with _named(log):
        return LoggedImpressions.under(asked, rows.pop("item"), **rows)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors about arrays say the file they came from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{file}: {error.what}", error.next_step) from None


_ROWS = """
    select i.code as item, c.code as context, p.code as position,
        n.code as night, a.code as about, propensity, reward
    from log
    inner join item_id_codes as i using (item_id)
    inner join context_id_codes as c using (context_id)
    inner join position_codes as p using (position)
    inner join night_codes as n using (night)
    inner join about_codes as a using (about)
    order by row
"""
_CELLS = """
    select a.code as about, i.code as item, probability
    from policy
    inner join about_codes as a using (about)
    inner join item_id_codes as i using (item_id)
    order by about, item
"""
_SUMS = """
    select about, coalesce(sum(probability), 0) as total
    from about_codes
    left join policy using (about)
    group by about, code
    having not abs(total - 1) <= $within
    order by code
"""


def _load_log(db: duckdb.DuckDBPyConnection, file: Path) -> None:
    there = _load(db, "log", file, LOG, (NIGHT,))
    if NIGHT not in there:
        db.execute(f"alter table log add column {NIGHT} varchar default ''")
    for name in ("context_id", "item_id", "position", NIGHT):
        row, n = db.execute(f"select min(row), count(*) from log where {name} is null").fetchone()
        if n:
            raise InputError(
                f"{file} has no {name} in row {row:,}, and in {n:,} rows altogether.",
                "Leave these rows' lists out, or fill it in.",
            )


def _load_policy(db: duckdb.DuckDBPyConnection, file: Path | None) -> None:
    """And `about` in both tables: whose chances they are, in words."""
    keys: list[str] = []
    if file is None:
        db.execute(
            "create table policy as select item_id, 1 / count(*) over () as probability"
            " from (select distinct item_id from log)"
        )
    else:
        there = _load(db, "policy", file, ("item_id", "probability"), KEYS)
        _need_chances(db, file)
        keys = [key for key in KEYS if key in there]
    about = " || ', ' || ".join(f"'{key} ' || {key}" for key in keys) or "'every context'"
    for table in ("log", "policy"):
        db.execute(f"alter table {table} add column about varchar")
        db.execute(f"update {table} set about = {about}")


def _need_chances(db: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Here and not of the array, which has another order than the file."""
    wrong = db.execute(
        "select row, probability, count(*) over () from policy"
        " where (probability between 0 and 1) is not true order by row limit 1"
    ).fetchone()
    if wrong:
        row, probability, n = wrong
        raise InputError(
            f"{file}: the probability is {probability} in row {row:,}, and wrong in {n:,} rows; it"
            " must be between 0 and 1.",
            "Mend these rows.",
        )


def _number(db: duckdb.DuckDBPyConnection, name: str, source: str) -> None:
    """Codes by name and not by row, so that another order of the file changes none."""
    db.execute(
        f"create table {name}_codes as select {name}, row_number() over"
        f" (order by try_cast({name} as bigint), {name}) - 1 as code from ({source}) group by {name}"
    )


def _load(
    db: duckdb.DuckDBPyConnection,
    table: str,
    file: Path,
    columns: tuple[str, ...],
    more: tuple[str, ...],
) -> set[str]:
    """Ids as text and figures as numbers, NULL where they are none; `more` are taken where they are
    there. Returns the columns that the file has."""
    if not file.is_file():
        raise InputError(f"There is no file {file}.", "Name a Parquet or CSV file.")
    if file.suffix not in READERS:
        raise InputError(
            f"{file} is neither Parquet nor CSV.", "Name it .parquet, .csv or .csv.gz."
        )
    source, name = READERS[file.suffix], {"file": str(file)}
    try:
        there = {column for column, *_ in db.execute(f"describe from {source}", name).fetchall()}
        if lacking := [column for column in columns if column not in there]:
            raise InputError(
                f"{file} has no column {', '.join(lacking)}; it has {', '.join(sorted(there))}.",
                f"Give the columns {', '.join(columns)}.",
            )
        wanted = [c for c in (*columns, *more) if c in there]
        casts = ", ".join(f"{_cast(column, column)} as {column}" for column in wanted)
        db.execute(
            f"create table {table} as select row_number() over () as row, {casts} from {source}",
            name,
        )
        _need_numbers(db, file, source, [c for c in wanted if c in NUMBERS])
    except duckdb.Error as error:
        raise InputError(
            f"{file} cannot be read: {str(error).splitlines()[0]}", "Mend the file."
        ) from None
    return there


def _need_numbers(
    db: duckdb.DuckDBPyConnection, file: Path, source: str, columns: list[str]
) -> None:
    """Of a text that is no number the cast has left nothing to show."""
    for name in columns:
        row, text, n = db.execute(
            f"select min(row), min_by(text, row), count(*) from (select row_number() over () as row,"
            f" cast({name} as varchar) as text from {source}) where text is not null and {_cast('text', name)} is null",
            {"file": str(file)},
        ).fetchone()
        if n:
            raise InputError(
                f"{file}: {name} is {text[:40]!r} in row {row:,}, which is no number, and none in"
                f" {n:,} rows altogether.",
                "Write it as 0.7: neither 70% nor 0,7.",
            )


def _cast(value: str, name: str) -> str:
    """A reward may be `true`, which is 1."""
    if name not in NUMBERS:
        return f"cast({value} as varchar)"
    return f"coalesce(try_cast({value} as double), try_cast({value} as boolean)::double)"


def _need_whole(db: duckdb.DuckDBPyConnection, policy: Path | None) -> None:
    wrong = db.execute(_SUMS, {"within": SUM_WITHIN}).fetchall()
    if wrong:
        about, total = wrong[0]
        raise InputError(
            f"The probabilities in {policy} sum to {total:.4f} for {about}, and to something else "
            f"than 1 in {len(wrong):,} cases of the log.",
            "Give each item that the policy may show there, once, with its probability.",
        )


def _chances(db: duckdb.DuckDBPyConnection) -> csr_matrix:
    cells = _columns(db, _CELLS)
    shape = tuple(
        db.execute(f"select count(*) from {name}_codes").fetchone()[0]
        for name in ("about", "item_id")
    )
    return csr_matrix((cells["probability"], (cells["about"], cells["item"])), shape)


def _columns(db: duckdb.DuckDBPyConnection, query: str) -> dict[str, np.ndarray]:
    """NULL becomes NaN, which is refused with its row."""
    found = db.execute(query).fetchnumpy()
    return {name: np.ma.filled(values, np.nan) for name, values in found.items()}
