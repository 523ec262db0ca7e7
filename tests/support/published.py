"""Published nights with every table, made by hand: real Parquet, strange ids, no models."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from nightshelf.columns import AUDIENCE, AUDIENCE_KEYS, REPORTS, SHELF, SHELVES
from nightshelf.paths import Attempt, ShopHome
from nightshelf.publishing.nights import PublishedNight, write_manifest
from nightshelf.publishing.publish import _place, point_at
from nightshelf.storage import sha256_of

HOSTILE = (
    "'; drop table rec_for_you; --",
    'quo"te',
    "back\\slash\\.",
    "\\N",
    "",
    " blank ",
    "tab\tnew\nline\r",
    "{brace,comma}",
    "%s $1 {}",
    "null",
    "emoji 🦉 and \u202e",
    "../../etc/passwd",
)
"""Ids that a quoting fault would betray: of users, items, categories, and whatever else is text."""

VALUES = {
    "VARCHAR": "ids()[1 + (i + {c}) % len(ids())] || '/' || i",
    "VARCHAR[]": "case i % 3 when 0 then [] when 1 then ids()[:i % 5 + 1] else [null, ids()[1 + i % len(ids())]] end",
    "INTEGER": "(i * 7 + {c})::integer",
    "BIGINT": "i::bigint",
    "DOUBLE": "case i % 11 when 0 then 'nan'::double when 1 then null else (i + {c}) / 7.0 end",
    "BOOLEAN": "i % 2 = 0",
    "DATE": "getvariable('night')::date",
}
"""Type → a value for row i of column c."""


def furnish(shop: ShopHome, name: str, n: int = 24, ids: tuple[str, ...] = HOSTILE, **more: str):
    """Publishes "2017-12-01/2" with `n` rows a table, all told by the night; readers see it at once.
    `more` gives a table its own rows: name → a query."""
    night, number = name.split("/")
    attempt = shop.attempt(date.fromisoformat(night), int(number))
    attempt.published.mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as db:
        _set(db, night, ids)
        tables = {
            f"{table}.parquet": _write(db, attempt.published / f"{table}.parquet", sql)
            for table, sql in (_queries(n) | more).items()
        }
    told = {"night": night, "attempt": int(number), "tables": tables, "models": {}}
    write_manifest(attempt.published / "manifest.json", told)
    made = PublishedNight(attempt.night, attempt.number, attempt.published)
    point_at(shop, made)
    return made


def shelve(attempt: Attempt, n: int = 24, ids: tuple[str, ...] = HOSTILE) -> Attempt:
    """The attempt's file as the step `shelve` leaves it, ready to be published."""
    attempt.root.mkdir(parents=True)
    with duckdb.connect(str(attempt.database), config={"threads": 1}) as db:
        _set(db, attempt.night.isoformat(), ids)
        for schema in ("recommendations", "audience", "reports"):
            db.execute(f"create schema {schema}")
        for table, sql in _queries(n).items():
            db.execute(f"create table {_place(table)[0]}.{table} as {sql}")
    return attempt


def _queries(n: int) -> dict[str, str]:
    queries = {t: _rows(t, SHELF, n) for t in SHELVES}
    queries |= {t: _rows(t, columns, n) for t, columns in AUDIENCE.items()}
    report = f"select i as n_rows, getvariable('night')::date as night from range({n}) t(i)"
    return queries | dict.fromkeys(REPORTS, report)


def _set(db: duckdb.DuckDBPyConnection, night: str, ids: tuple[str, ...]) -> None:
    db.execute("set variable ids = $ids", {"ids": list(ids)})
    db.execute("set variable night = $night", {"night": night})
    db.execute("create temp macro ids() as getvariable('ids')")


def _rows(table: str, schema: dict[str, str], n: int) -> str:
    key = ("rank",) if table in SHELVES else AUDIENCE_KEYS[table]
    columns = [
        f"{VALUES[kind].format(c=c)} as {name}" for c, (name, kind) in enumerate(schema.items())
    ]
    return f"select {', '.join(columns)} from range({n}) t(i) order by {', '.join(key)}"


def _write(db: duckdb.DuckDBPyConnection, path: Path, sql: str) -> dict:
    rows = db.execute(
        f"copy ({sql}) to '{path}' (format parquet, compression zstd, row_group_size 10000)"
    ).fetchall()[0][0]
    return {"rows": rows, "sha256": sha256_of(path)}
