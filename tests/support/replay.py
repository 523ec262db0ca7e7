"""A night's first visit of dbt, played again on another log: the SQL that dbt ran, without dbt.

dbt takes eight seconds of a core to build a small shop, most of it for its tests and itself; the SQL
alone takes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from nightshelf.paths import Attempt
from nightshelf.transform.visit import _target
from nightshelf.warehouse import connect


@dataclass(frozen=True)
class Model:
    name: str
    relation: str
    """As dbt names it: "night"."features"."feat_item"."""
    kind: str
    """table or view."""
    sql: str
    parents: tuple[str, ...]
    """Names of the models that it reads."""

    @property
    def schema(self) -> str:
        """With its database: "night"."features"."""
        return self.relation.rpartition(".")[0]


def ran(attempt: Attempt) -> list[Model]:
    """What dbt ran in the prepare visit of a shop without history, in its order; reports apart."""
    target = _target(attempt, "prepare")
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    results = json.loads((target / "run_results.json").read_text())["results"]
    found = []
    for result in results:
        node = nodes[result["unique_id"]]
        if node["resource_type"] == "model" and node["schema"] != "reports":
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            parents = tuple(i.rpartition(".")[2] for i in node["depends_on"]["nodes"])
            found.append(
                Model(node["name"], result["relation_name"], kind, result["compiled_code"], parents)
            )
    return found


def edited(models: Sequence[Model], name: str, old: str, new: str) -> list[Model]:
    """The same with one text of one model replaced; ValueError where it does not stand there once."""
    (found,) = (m for m in models if m.name == name)
    if found.sql.count(old) != 1:
        raise ValueError(f"{name} has {found.sql.count(old)} times {old!r}:\n{found.sql}")
    other = replace(found, sql=found.sql.replace(old, new))
    return [other if m is found else m for m in models]


def downstream(models: Sequence[Model], name: str) -> list[Model]:
    """The model and all that read of it, in their order."""
    names = {name}
    for model in models:
        if names.intersection(model.parents):
            names.add(model.name)
    return [m for m in models if m.name in names]


def replay(models: Sequence[Model], attempt: Attempt) -> None:
    """Builds everything in the attempt's file, which has `raw`, and in its shop's history."""
    with _both(attempt) as db:
        for schema in dict.fromkeys(m.schema for m in models):
            db.execute(f"create schema if not exists {schema}")
        for model in models:
            db.execute(f"create or replace {model.kind} {model.relation} as {model.sql}")


@contextmanager
def _both(attempt: Attempt) -> Iterator[duckdb.DuckDBPyConnection]:
    history = str(attempt.shop.warehouse).replace("'", "''")
    with connect(attempt.database, read_only=False) as db:
        db.execute(f"attach '{history}' as history")
        yield db
