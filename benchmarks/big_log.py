"""A shop's log, made up by DuckDB: as large as asked for, and laid as ingest lays it.

    python benchmarks/big_log.py FOLDER --events 10000000

writes `FOLDER/log.toml` and `FOLDER/home`, from which a night can be run. A hundredth of the events
are users, a thousandth are items (at least 1,000). Items are taken by Zipf's law with exponent 1,
users somewhat unevenly, in sessions of 8 events on the average, most of them at midday. Ids are
texts. Lines arrive out of order: minutes late as a rule, and a session in a hundred with the next
file. 2 % of the lines are copies of another, 1 % of the sessions are of anonymous visitors. Nothing
hangs on the number of cores: one seed is one log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from nightshelf.columns import EVENTS, PROVENANCE
from nightshelf.ingest.damage import sealed
from nightshelf.ingest.ledger import Ledger, LedgerFile, Part
from nightshelf.ingest.taking import PARQUET, ROWS_AT_ONCE
from nightshelf.paths import Home, ShopHome

NAME = "log"
SOURCE = "web"
FIRST_DAY = date(2025, 1, 1)
EVENTS_A_SESSION = 8
LATE_DAYS = 4
"""How far a next day's late lines reach back."""

SHOP = """\
name = "log"
time_zone = "UTC"
currency = "EUR"

[[sources]]
name = "web"
adapter = "column_map"
path = "*.csv"
columns = { occurred_at = "at", event_type = "kind", user_id = "user", item_id = "item", event_id = "id" }
"""
"""No file lies in its landing folder: the ledger names what this module wrote."""

DRAWS = ("user", "length", "start", "anonymous", "late")
LINES = """
with sessions as (
    select
        j,
        -- Uniform draws. Of one number alone DuckDB's hash is one to one, and well mixed.
        {draw('user')} as u_user,
        {draw('length')} as u_length,
        {draw('start')} as u_start,
        {draw('anonymous')} < 0.01 as is_anonymous,
        {draw('late')} < 0.01 as is_late
    from range($since, $until) as t(j)
    where (j >= $begin) <> is_late
),

begun as (
    select
        *,
        -- A step each session, and up to a day off it.
        (j + u_start) / $sessions * $days as day,
        -- Geometric, so that the mean is as told.
        least(1 + floor(ln(1 - u_length) / ln(1 - 1.0 / {mean}))::bigint, 200) as n,
        floor(pow(u_user, 1.5) * $users)::bigint as who
    from sessions
),

lines as (
    select
        j, k, who, is_anonymous,
        hash(($seed::bigint * 1000000000 + j) * 256 + k) as hk,
        -- Dense at midday, thin by night; a look every minute or two.
        floor(day) * 86400 + floor((day - floor(day) + 0.13 * sin(2 * pi() * (day - floor(day)))) * 86400)
            + k * 70 + hk % 60 as second
    from begun, unnest(range(n)) as t(k)
),

events as (
    select
        format('{{:016x}}', hk) as event_id,
        case when hk // 7 % 100 < 80 then 'view' when hk // 7 % 100 < 91 then 'cart_add'
            when hk // 7 % 100 < 94 then 'wishlist_add' else 'purchase' end as event_type,
        timestamp '{first}' + to_microseconds((second * 1000000)::bigint) as occurred_at,
        case when not is_anonymous then format('U{{:09d}}', who) end as user_id,
        case when is_anonymous then format('{{:d}}.{{:d}}', 1000000000 + who, 1700000000 + j) end as anonymous_id,
        null as session_id,
        -- A uniform draw of the logarithm: the r-th item is taken in proportion to 1 / r.
        floor(pow($items, (hk // 1000 % 1000000) / 1e6))::bigint as item,
        format('SKU-{{:07d}}', item * 7919 % 10000000) as item_id,
        null as variant_id,
        case when hk % 20 = 0 then 2 else 1 end as quantity,
        (1 + item * 37 % 9999 / 100.0)::decimal(18, 4) as price,
        'EUR' as currency,
        case when event_type = 'purchase' then format('O-{{:010d}}', j) end as order_id,
        null as list_id, null as position, null as query, null as coupon, null as traffic,
        '{source}' as source,
        $file as file_id,
        1::integer as element,
        -- Seconds late; one in a hundred some hours.
        second + case when hk // 100 % 100 = 0 then 10000 else 100 end * (hk // 3 % 1000 / 1000.0) as arrived,
        hk
    from lines
),

copied as (
    select *, 0 as copy from events
    union all
    -- Sent twice: each fiftieth, a minute later.
    select * replace (arrived + 60 as arrived), 1 from events where hk // 11 % 49 = 0
)

select {columns}
from (select *, row_number() over (order by arrived, event_id, copy) as row_number from copied)
order by row_number
"""


def _draw(name: str) -> str:
    nth = DRAWS.index(name) - len(DRAWS)
    return f"(hash(({nth} * 1000 - $seed::bigint) * 1000000000 - j) >> 11) / 9007199254740992.0"


@dataclass(frozen=True)
class BigLog:
    """A log of about `events` lines over `days` days, and of the day after them."""

    events: int
    days: int = 365
    seed: int = 7

    @property
    def users(self) -> int:
        return max(self.events // 100, 100)

    @property
    def items(self) -> int:
        return max(self.events // 1000, 1000)

    @property
    def sessions(self) -> int:
        return self.events // EVENTS_A_SESSION

    @property
    def night(self) -> date:
        """The night after the last day; the one after the next day is a day later."""
        return FIRST_DAY + timedelta(days=self.days)

    def write(self, folder: Path) -> Path:
        """Lays the log out; returns the shop file. Some 3 s a million events on two cores."""
        folder.mkdir(parents=True, exist_ok=True)
        shop_file = folder / f"{NAME}.toml"
        shop_file.write_text(SHOP)
        n_files = -(-self.events // ROWS_AT_ONCE)
        begins = [self.sessions * n // n_files for n in range(n_files + 1)]
        for before, begin, end in zip([0, *begins], begins, begins[1:], strict=False):
            self._take(self.home(folder), before, begin, end)
        return shop_file

    def write_next_day(self, folder: Path) -> None:
        """The day after, with the sessions of the last LATE_DAYS days that came late."""
        a_day = self.sessions // self.days
        before = self.sessions - LATE_DAYS * a_day
        self._take(self.home(folder), before, self.sessions, self.sessions + a_day)

    @staticmethod
    def home(folder: Path) -> ShopHome:
        return Home(folder / "home").shop(NAME)

    def _take(self, home: ShopHome, before: int, begin: int, end: int) -> None:
        """One landing file, as ingest leaves it: Parquet by UTC day, and its line in the ledger."""
        ledger = Ledger(home.ledger)  # begun before the rows, as ingest does
        file_id = hashlib.sha256(f"{self} {begin}".encode()).hexdigest()[:16]
        folder = home.raw / "events" / file_id / "1"
        folder.mkdir(parents=True)
        given = {
            "seed": self.seed, "since": before, "begin": begin, "until": end, "sessions": self.sessions,
            "days": self.days, "users": self.users, "items": self.items, "file": file_id,
        }  # fmt: skip
        with duckdb.connect() as db:
            db.execute("set TimeZone = 'UTC'")
            db.execute(f"create table lines as {_lines()}", given)
            db.execute(
                f"copy (select *, occurred_at::date as day from lines) to '{folder}'"
                f" ({PARQUET}, partition_by (day), filename_pattern 'part-{{i}}')"
            )
            by_day = db.execute(
                "select occurred_at::date::varchar, count(*) from lines group by all order by all"
            ).fetchall()
        n = sum(rows for _, rows in by_day)
        file = LedgerFile(
            file_id, SOURCE, "column_map", "events", f"{begin:012d}.csv", file_id, 0,
            n, n, n, 0, 0, "0", None, file_id,
        )  # fmt: skip
        ledger.commit([file], {file_id: dict(by_day)}, list(_parts(home, folder)))


def _lines() -> str:
    columns = ", ".join(f'"{c}"::{kind} as "{c}"' for c, kind in (EVENTS | PROVENANCE).items())
    sql = LINES
    for name in DRAWS:
        sql = sql.replace(f"{{draw('{name}')}}", _draw(name))
    return sql.format(mean=EVENTS_A_SESSION, first=FIRST_DAY, source=SOURCE, columns=columns)


def _parts(home: ShopHome, folder: Path) -> Iterator[Part]:
    for path in sorted(folder.rglob("*.parquet")):
        rows = duckdb.execute("select count(*) from read_parquet(?)", [str(path)]).fetchall()[0][0]
        day = path.parent.name.removeprefix("day=")
        name = path.relative_to(home.raw).as_posix()
        yield sealed(home, Part(name, "events", day, folder.parent.name, rows))


def main(
    folder: Path,
    events: Annotated[int, typer.Option(help="Lines, about.")] = 1_000_000,
    days: Annotated[int, typer.Option(help="UTC days.")] = 365,
    seed: Annotated[int, typer.Option(help="Another seed is another log.")] = 7,
) -> None:
    """Writes the log and its shop file."""
    log = BigLog(events, days, seed)
    print(f"{log.write(folder)}: nightshelf … --as-of {log.night}")


if __name__ == "__main__":
    typer.run(main)
