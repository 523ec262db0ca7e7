"""dbt's compiled SQL on small logs in memory: a build takes a tenth of a second, dbt itself five."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import duckdb
from jinja2 import Environment

from nightshelf.columns import CONTRACTS, PROVENANCE
from nightshelf.pinned.inputs import FILES
from nightshelf.transform.visit import DBT_PROJECT

HISTORY = ("int_copies_found", "int_session_parts")
"""Kept by UTC day."""
BY_DATE = ("int_robots_found", "int_sessions_by_date", "int_interactions_by_date")
"""Kept by date."""
NIGHTLY = (
    "int_dates", "int_robots_found", "int_events_cleaned", "int_purchases_cancelled", "int_sessions_over_midnight",
    "int_session_parts_stitched", "int_dates_of_sessions", "int_sessions_by_date", "fct_sessions", "int_visitors_joined",
    "int_sessions_joined", "int_dates_of_interactions", "int_interactions_by_date", "fct_interactions",
)  # fmt: skip
"""In the order of their needs."""
EVENTS_AT_ONCE = 3
"""Few, so that most logs are built in several slices."""
NIGHT = "date '2017-12-01'"
"""The project's own, as it stands in compiled SQL."""

Log = dict[str, list[dict]]
"""Landing file → its events: contract columns by name; what is left out is null."""


class Bench:
    """One shop's history and one attempt, as two databases in memory. `settings`: texts of the compiled
    SQL → what stands there instead, such as another time zone."""

    def __init__(self, project, settings: dict[str, str] | None = None) -> None:
        self.project = project
        self.settings = settings or {}
        self.nodes = project.nodes("model")
        self.db = duckdb.connect()
        self.db.execute("set TimeZone = 'UTC'; set threads = 1")
        self.db.execute("attach ':memory:' as night; attach ':memory:' as history; use night")
        for schema in ("raw", "staging", "intermediate", "marts"):
            self.db.execute(f"create schema night.{schema}; create schema history.{schema}")
        self._tables()
        for model in ("stg_events", HISTORY[0], "int_events_deduplicated", HISTORY[1], *NIGHTLY):
            self._begin(model)

    def _tables(self) -> None:
        for kind, contract in CONTRACTS.items():
            columns = ", ".join(f'"{c}" {t}' for c, t in (contract | PROVENANCE).items())
            self.db.execute(f"create table night.raw.{kind} ({columns})")
        self.db.execute(
            "create view night.raw.events_by_day as"
            " select *, occurred_at::date as occurred_on from night.raw.events"
        )
        files = ", ".join(f"{c} {t}" for c, t in FILES.items())
        self.db.execute(f"create table night.raw.files ({files})")
        self.db.execute("create table night.raw.items_once (item_id varchar)")
        self.db.execute("create table night.raw.facts as select false as sessions_are_visitors")
        self.db.execute(
            "create table night.raw.days (occurred_on date, fingerprint varchar, n_events bigint)"
        )

    def name(self, model: str) -> str:
        return self.nodes[model]["relation_name"]

    def _sql(self, model: str) -> str:
        sql = self.project.compiled[model]
        for old, new in self.settings.items():
            sql = sql.replace(old, new)
        return sql

    def _begin(self, model: str) -> None:
        """What dbt does on the first night, when nothing is there."""
        if model in (*HISTORY, *BY_DATE):
            sql = f"create table {self.name(model)} as from ({self._sql(model)}) limit 0"
            self.db.execute(sql)
        else:
            self._build(model)

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
                days.setdefault(event["occurred_at"].date(), []).append(file_id)
        if rows:
            marks = ", ".join("?" * len(columns))
            self.db.executemany(f"insert into night.raw.events values ({marks})", rows)
            told = [(day, "+".join(sorted(set(of))), len(of)) for day, of in days.items()]
            self.db.executemany("insert into night.raw.days values (?, ?, ?)", told)

    def build_history(self) -> dict[str, set[date]]:
        """One night's dbt on the history by day; returns the days that each table built."""
        return {model: self.build(model) for model in HISTORY}

    def build_night(self, night: date | None = None, until: str = "") -> dict[str, set[date]]:
        """What follows; returns the dates that each table by date built. `night`: another than the
        project's. `until`: the model at which dbt is killed, when it has deleted and not yet inserted."""
        if night:
            self.settings = self.settings | {NIGHT: f"date '{night}'"}
        done = {}
        for model in NIGHTLY:
            if model == until:
                if model in BY_DATE:
                    self.db.execute(self._hook(model))
                break
            days = self.build(model)
            if model in BY_DATE:
                done[model] = days
        return done

    def build(self, model: str) -> set[date]:
        """One model, its needs built; returns the days or dates of history that it built."""
        if model in (*HISTORY, *BY_DATE):
            return self._build_new(model)
        self._build(model)
        return set()

    def _build_new(self, model: str) -> set[date]:
        """As the materialization does: the hook, then slice by slice."""
        built = set()
        for days in self._slices(model):
            self.db.execute(f"insert into {self.name(model)} by name {self._sql(model)}")
            built |= days
        self.db.execute("reset variable slice")
        return built

    def _slices(self, model: str) -> Iterator[set[date]]:
        """The hook, then for each slice, which is at work meanwhile, its days or dates."""
        self.db.execute(self._hook(model))
        ((slices,),) = self.db.execute("select getvariable('slices')").fetchall()
        for number, found in enumerate(slices, start=1):
            self.db.execute(f"set variable slice = getvariable('slices')[{number}]")
            yield set(found["keys"])

    def lay(self, folder: Path) -> None:
        """The log as ingest lays it: Parquet, a folder for each UTC day."""
        self.db.execute(
            f"copy (select *, occurred_at::date as day from night.raw.events) to '{folder}'"
            " (format parquet, partition_by (day))"
        )
        self.db.execute(
            "create or replace view night.raw.events_by_day as select * rename (day as occurred_on)"
            f" from read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
        )

    def files_planned(self, model: str) -> set[int]:
        """Of the laid log, how many files each scan would read: said by the plan alone, before anything is.
        Where no file is left aside, it says nothing: that is -1."""
        next(self._slices(model))
        ((_, plan),) = self.db.execute(f"explain (format json) {self._sql(model)}").fetchall()
        return {
            int(scan["extra_info"].get("Scanning Files", "-1").partition("/")[0])
            for scan in _nodes(json.loads(plan))
            if scan["extra_info"].get("Function") == "READ_PARQUET"
        }

    def _hook(self, model: str) -> str:
        (hook,) = self.nodes[model]["config"]["pre-hook"]
        macros = (DBT_PROJECT / "macros" / "history.sql").read_text()
        given = {
            "this": self.name(model),
            "var": {"events_at_once": EVENTS_AT_ONCE}.get,
            "source": lambda schema, table: f"night.{schema}.{table}",
            "ref": self.name,
        }
        # `with context` hands the globals on to the macros.
        environment = Environment(extensions=["jinja2.ext.do"])
        environment.globals.update(given)
        return environment.from_string(macros + hook["sql"]).render()

    def _build(self, model: str) -> None:
        kind = "view" if self.nodes[model]["config"]["materialized"] == "view" else "table"
        self.db.execute(f"create or replace {kind} {self.name(model)} as {self._sql(model)}")

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


def _nodes(plan: list[dict]) -> Iterator[dict]:
    for node in plan:
        yield node
        yield from _nodes(node["children"])


def built(project, log: Log) -> Bench:
    """A shop that sees the whole log in its first night."""
    bench = Bench(project)
    bench.land(log)
    bench.build_history()
    bench.build_night()
    return bench
