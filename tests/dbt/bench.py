"""dbt's compiled SQL on small logs in memory: a build takes a tenth of a second, dbt itself five."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
from jinja2 import Environment

from nightshelf.columns import CONTRACTS, PROVENANCE
from nightshelf.inputs import FILES
from nightshelf.transform import DBT_PROJECT

HISTORY = ("int_copies_found", "int_session_parts")
NIGHTLY = (
    "int_robots_found", "int_events_cleaned", "int_purchases_cancelled", "int_sessions_over_midnight",
    "int_session_parts_stitched", "fct_sessions", "int_visitors_joined", "int_sessions_joined",
    "fct_interactions",
)  # fmt: skip
"""In the order of their needs."""

Log = dict[str, list[dict]]
"""Landing file → its events: contract columns by name; what is left out is null."""


class Bench:
    """One shop's history and one attempt, as two databases in memory."""

    def __init__(self, project) -> None:
        self.project = project
        self.nodes = project.nodes("model")
        self.db = duckdb.connect()
        self.db.execute("set TimeZone = 'UTC'; set threads = 1")
        self.db.execute("attach ':memory:' as night; attach ':memory:' as history; use night")
        for schema in ("raw", "staging", "intermediate", "marts"):
            self.db.execute(f"create schema night.{schema}; create schema history.{schema}")
        self._tables()
        self._build("stg_events")
        copies, parts = HISTORY
        self._begin(copies)
        self._build("int_events_deduplicated")
        self._begin(parts)

    def _begin(self, model: str) -> None:
        """What dbt does on the first night: nothing is there, so every day is new."""
        self.db.execute(f"create table {self.name(model)} as {self._first(model)}")

    def _tables(self) -> None:
        for kind, contract in CONTRACTS.items():
            columns = ", ".join(f'"{c}" {t}' for c, t in (contract | PROVENANCE).items())
            self.db.execute(f"create table night.raw.{kind} ({columns})")
        files = ", ".join(f"{c} {t}" for c, t in FILES.items())
        self.db.execute(f"create table night.raw.files ({files})")
        self.db.execute("create table night.raw.facts as select false as sessions_are_visitors")
        self.db.execute("create table night.raw.days (occurred_on date, fingerprint varchar)")

    def name(self, model: str) -> str:
        return self.nodes[model]["relation_name"]

    def _first(self, model: str) -> str:
        """The compiled SQL without the one condition that looks at the table itself."""
        sql = self.project.compiled[model]
        begin = sql.index("where (occurred_on, ")
        end = sql.index(f"from {self.name(model)})") + len(f"from {self.name(model)})")
        return sql[:begin] + sql[end:]

    def land(self, log: Log) -> None:
        """The log as a night pins it: each file's events, and each day's fingerprint."""
        self.db.execute("delete from night.raw.events; delete from night.raw.days")
        columns = [*CONTRACTS["events"], *PROVENANCE]
        rows, days = [], {}
        for name, events in log.items():
            file_id = hashlib.sha256(repr((name, events)).encode()).hexdigest()[:8]
            for number, event in enumerate(events, start=1):
                given = {"source": "shop", **event, "file_id": file_id, "row_number": number}
                rows.append([(given | {"element": 1}).get(c) for c in columns])
                days.setdefault(event["occurred_at"].date(), set()).add(file_id)
        if rows:
            marks = ", ".join("?" * len(columns))
            self.db.executemany(f"insert into night.raw.events values ({marks})", rows)
            prints = [(day, "+".join(sorted(of))) for day, of in days.items()]
            self.db.executemany("insert into night.raw.days values (?, ?)", prints)

    def build_history(self) -> dict[str, set[date]]:
        """One night's dbt on the history; returns the days that each table built."""
        return {model: self._build_days(model) for model in HISTORY}

    def _build_days(self, model: str) -> set[date]:
        """As dbt's delete+insert does: the hook, the new rows, their days away, the new rows in."""
        table = self.name(model)
        self.db.execute(self._hook(model))
        self.db.execute(f"create or replace temp table fresh as {self.project.compiled[model]}")
        days = self.db.execute("select distinct occurred_on from fresh").fetchall()
        self.db.execute(f"delete from {table} where occurred_on in (select occurred_on from fresh)")
        self.db.execute(f"insert into {table} by name from fresh")
        return {day for (day,) in days}

    def _hook(self, model: str) -> str:
        (hook,) = self.nodes[model]["config"]["pre-hook"]
        macros = (DBT_PROJECT / "macros" / "history.sql").read_text()
        given = {
            "this": self.name(model),
            "is_incremental": lambda: True,
            "source": lambda schema, table: f"night.{schema}.{table}",
        }
        # `with context` hands the globals on to the macros.
        environment = Environment()
        environment.globals.update(given)
        return environment.from_string(macros + hook["sql"]).render()

    def build_night(self) -> None:
        for model in NIGHTLY:
            self._build(model)

    def _build(self, model: str) -> None:
        kind = "view" if self.nodes[model]["config"]["materialized"] == "view" else "table"
        sql = self.project.compiled[model]
        self.db.execute(f"create or replace {kind} {self.name(model)} as {sql}")

    def rows(self, model: str, what: str = "*", where: str = "true") -> list[tuple]:
        sql = f"select {what} from {self.name(model)} as i where {where} order by all"
        return self.db.execute(sql).fetchall()

    def parquet(self, model: str, path: Path, without: Iterable[str] = ()) -> bytes:
        """The table as ordered Parquet, byte for byte. It is copied first: the writer looks at a
        column's statistics, and those remember values that are gone."""
        left_out = f"exclude ({', '.join(without)})" if without else ""
        self.db.execute(
            f"create or replace temp table ordered as"
            f" select * {left_out} from {self.name(model)} order by all"
        )
        self.db.execute(f"copy ordered to '{path}' (format parquet)")
        return path.read_bytes()


def built(project, log: Log) -> Bench:
    """A shop that sees the whole log in its first night."""
    bench = Bench(project)
    bench.land(log)
    bench.build_history()
    bench.build_night()
    return bench
