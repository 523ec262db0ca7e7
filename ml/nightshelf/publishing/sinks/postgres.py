"""The night that readers see, in PostgreSQL: tables loaded beside, then shown by one transaction.

Readers ask views, `<schema>.rec_for_you` and so on. A delivery is one transaction: it makes new tables,
fills them by COPY, gives them keys, takes the views from their readers for a moment, points them at the
new tables and drops the old ones. Whatever dies, the server undoes it all.

Who has read one of the views keeps them all until the end of the transaction, and so does the next
delivery wait. Rows are loaded frozen: a transaction whose snapshot is older than the delivery, and that
first asks after it, sees the new rows and not an empty table.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed, Identifier, Literal

from nightshelf.columns import TABLES
from nightshelf.errors import NightshelfError, SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight
from nightshelf.publishing.sinks.shown import POINTER, Shown, is_behind, shown_as
from nightshelf.publishing.sinks.tables import asked_by, files, key
from nightshelf.settings.shop import Postgres

BATCH_ROWS = 10_000
"""Rows in memory at once: some 20 MB of Python values."""
LOCK_SECONDS = 0.4
"""One wait for one view. Readers queue behind it, and below half of PostgreSQL's deadlock_timeout, 1 s,
no reader is ever picked as a deadlock's victim."""
PAUSE_SECONDS = 0.2
"""Between tries, for the readers that queued."""
OURS = f"^({'|'.join((*TABLES, POINTER))})__[0-9a-f]{{8}}$"
"""Names of loaded tables: the view's, and a token of the load."""
SESSION = """
set client_encoding = 'UTF8'; set timezone = 'UTC'; set synchronous_commit = on;
set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;
set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6
"""
"""Whatever the role's defaults are; and a loader whose machine is gone is noticed after two minutes."""
PATIENCE = {"connect_timeout": 15, "keepalives_idle": 60, "tcp_user_timeout": 120_000}
TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_float64, "double precision"),
    (pa.types.is_date32, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_decimal, "numeric"),
    (lambda t: pa.types.is_list(t) and pa.types.is_string(t.value_type), "text[]"),
)
AGAIN = "Mend that in the database."


def deliver(shop: ShopHome, sink: Postgres, url: str, night: PublishedNight) -> str:
    """Brings the schema to that night; says in words what was done. Raises StorageError, and
    WarehouseLocked where readers or another delivery did not let go in time."""
    wanted = shown_as(night)
    parquet = files(night, sink.tables)
    with _told(sink), _connected(url) as db:
        _alone(db, sink)
        now = _shown(db, sink.in_schema)
        if now == wanted and _views(db, sink.in_schema) == {*parquet, POINTER}:
            return f"had night {night.name} already"
        if not is_behind(shop, now, wanted):
            return f"goes on showing night {now.name if now else 'none'}"
        token = secrets.token_hex(4)
        rows = sum(_load(db, sink.in_schema, t, token, path) for t, path in parquet.items())
        _load_pointer(db, sink.in_schema, token, wanted)
        _swap(db, sink, token, [*parquet, POINTER])
    return f"night {night.name}, {len(parquet)} tables, {rows:,} rows"


# ------------------------------------------------------------------ the connection


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    """One transaction: committed at the end, undone by any error."""
    with psycopg.connect(**_parsed(url), **PATIENCE) as db:
        db.execute(SESSION)
        db.commit()
        yield db


def _parsed(url: str) -> dict:
    """The URL's parts. What is wrong with it is not repeated: it holds a password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        parts = {}
    if not parts or "@" in str(parts.get("host", "")):
        raise SettingsError(
            "The connection's URL cannot be read.",
            "Write postgresql://user:password@host:port/database, with %40 for an @ in the password.",
        )
    return {k: v for k, v in parts.items() if k not in PATIENCE}


@contextmanager
def _told(sink: Postgres) -> Iterator[None]:
    """What the driver or the server fails with inside, in words."""
    try:
        yield
    except psycopg.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
        raise StorageError(
            f"PostgreSQL, schema {sink.in_schema}: {said[0]}{detail}; no half night is shown.",
            AGAIN,
        ) from None


def _alone(db: psycopg.Connection, sink: Postgres) -> None:
    """One delivery into a schema at a time, until the transaction's end; a dead one holds nothing."""
    _wait_at_most(db, sink.wait_seconds)
    try:
        db.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"nightshelf:{sink.in_schema}"],
        )
    except pg.LockNotAvailable:
        raise _waited(sink, "another delivery into it is under way") from None


def _wait_at_most(db: psycopg.Connection, seconds: float) -> None:
    db.execute(SQL("set local lock_timeout = {}").format(Literal(max(int(seconds * 1000), 1))))


def _waited(sink: Postgres, why: str) -> NightshelfError:
    return WarehouseLocked(
        f"PostgreSQL, schema {sink.in_schema}: waited {sink.wait_seconds:g} s: {why}; it shows the"
        " night before.",
        "Let them end, or set wait_seconds of [sink.postgres] higher.",
    )


# ------------------------------------------------------------------ what is there


def _shown(db: psycopg.Connection, schema: str) -> Shown | None:
    """None where the schema shows nothing yet; it is made then."""
    if POINTER not in _views(db, schema):
        if not db.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone():
            db.execute(SQL("create schema {}").format(Identifier(schema)))
        return None
    row = db.execute(
        SQL("select night, attempt, manifest_sha256 from {}").format(Identifier(schema, POINTER))
    ).fetchone()
    return Shown(*row) if row else None


def _views(db: psycopg.Connection, schema: str) -> set[str]:
    """Our views in the schema."""
    found = db.execute(
        "select viewname from pg_views where schemaname = %s and viewname = any(%s)",
        [schema, [*TABLES, POINTER]],
    )
    return {name for (name,) in found}


# ------------------------------------------------------------------ loading beside


def _load(db: psycopg.Connection, schema: str, table: str, token: str, path: Path) -> int:
    """Makes and fills a table, and gives it its key; returns the number of rows."""
    place = Identifier(schema, f"{table}__{token}")
    with pq.ParquetFile(path, pre_buffer=False) as parquet:
        fields = parquet.schema_arrow
        _create(db, place, [(f.name, _type(table, f)) for f in fields])
        copy = SQL("copy {} from stdin (freeze)").format(place)
        with db.cursor() as cursor, cursor.copy(copy) as into:
            for batch in parquet.iter_batches(BATCH_ROWS):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    into.write_row(row)
        rows = parquet.metadata.num_rows
    _index(db, place, table)
    db.execute(SQL("analyze {}").format(place))
    return rows


def _create(db: psycopg.Connection, place: Identifier, columns: list[tuple[str, str]]) -> None:
    told = SQL(", ").join(SQL("{} {}").format(Identifier(n), SQL(t)) for n, t in columns)
    db.execute(SQL("create table {} ({})").format(place, told))


def _type(table: str, field: pa.Field) -> str:
    for matches, name in TYPES:
        if matches(field.type):
            return name
    raise StorageError(
        f"Column {field.name} of {table} is {field.type}, which has no type in PostgreSQL here.",
        "Name the other tables in `tables` of [sink.postgres].",
    )


def _index(db: psycopg.Connection, place: Identifier, table: str) -> None:
    """The key, and an index by user where the key does not begin with it. An id too long for a B-tree
    (2.7 kB) costs the table its key: a hash index finds the context's rows then."""
    by = Identifier(asked_by(table)) if key(table) else None
    if by is None:
        return
    columns = SQL(", ").join(map(Identifier, key(table)))
    try:
        with db.transaction():
            db.execute(SQL("alter table {} add primary key ({})").format(place, columns))
            if key(table)[0] not in ("context_type", asked_by(table)):
                db.execute(SQL("create index on {} ({})").format(place, by))
    except pg.ProgramLimitExceeded:
        db.execute(SQL("create index on {} using hash ({})").format(place, by))


def _load_pointer(db: psycopg.Connection, schema: str, token: str, wanted: Shown) -> None:
    """A table like the others, so that it is shown with them, and to the same readers."""
    place = Identifier(schema, f"{POINTER}__{token}")
    columns = {"night": "date", "attempt": "integer", "manifest_sha256": "text"}
    _create(db, place, [*columns.items(), ("loaded_at", "timestamptz")])
    row = (wanted.night, wanted.attempt, wanted.manifest_sha256, datetime.now(UTC))
    with (
        db.cursor() as cursor,
        cursor.copy(SQL("copy {} from stdin (freeze)").format(place)) as into,
    ):
        into.write_row(row)


# ------------------------------------------------------------------ showing


def _swap(db: psycopg.Connection, sink: Postgres, token: str, tables: list[str]) -> None:
    """Points every view at its new table, and drops what the sink does not show any more."""
    schema = sink.in_schema
    there = _views(db, schema)
    _take(db, sink, sorted(there))
    for table in tables:
        _show(db, schema, table, token)
    for table in sorted(there - set(tables)):
        db.execute(SQL("drop view {}").format(Identifier(schema, table)))
    _sweep(db, schema, token)


def _take(db: psycopg.Connection, sink: Postgres, views: list[str]) -> None:
    """Waits until no transaction that has read a view is open, in short tries: readers go between."""
    if not views:
        return
    names = SQL(", ").join(Identifier(sink.in_schema, view) for view in views)
    until = time.monotonic() + sink.wait_seconds
    _wait_at_most(db, LOCK_SECONDS)
    while True:
        try:
            with db.transaction():
                db.execute(SQL("lock table {} in access exclusive mode").format(names))
                return
        except pg.LockNotAvailable:
            if time.monotonic() > until:
                raise _waited(sink, f"readers hold it{_holders(db, sink.in_schema)}") from None
        time.sleep(PAUSE_SECONDS)


def _holders(db: psycopg.Connection, schema: str) -> str:
    """Whose open transactions those are, as far as the server tells us."""
    found = db.execute(
        "select distinct a.pid, coalesce(a.usename::text, '?'), a.xact_start from pg_locks l"
        " join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace"
        " join pg_stat_activity a on a.pid = l.pid"
        " where n.nspname = %s and l.granted and l.pid <> pg_backend_pid()"
        " order by a.xact_start nulls last limit 5",
        [schema],
    )
    told = [f"process {pid} of {user} since {since:%H:%M:%S} UTC" if since else f"process {pid}"
            for pid, user, since in found]  # fmt: skip
    return f" ({'; '.join(told)})" if told else ""


def _show(db: psycopg.Connection, schema: str, table: str, token: str) -> None:
    """Replaced, the view keeps its grants and what hangs on it; with other columns it cannot be."""
    view = Identifier(schema, table)
    body = SQL("view {} as select * from {}").format(view, Identifier(schema, f"{table}__{token}"))
    try:
        with db.transaction():
            db.execute(SQL("create or replace {}").format(body))
    except pg.InvalidTableDefinition:
        db.execute(SQL("drop view {}").format(view))
        db.execute(SQL("create {}").format(body))


def _sweep(db: psycopg.Connection, schema: str, token: str) -> None:
    """Drops the tables of every other load."""
    found = db.execute(
        "select tablename from pg_tables where schemaname = %s and tablename ~ %s"
        " and right(tablename, 8) <> %s order by 1",
        [schema, OURS, token],
    ).fetchall()
    if found:
        names: Composed = SQL(", ").join(Identifier(schema, name) for (name,) in found)
        db.execute(SQL("drop table {}").format(names))
