"""The law against leakage: what an `as_of` stands on does not change with what comes at or after it.

Two builds of one night, from logs that agree before a cut, are laid over each other: every table
that has an `as_of`, and all that is learnt as of a date. What differs is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import duckdb
import numpy as np

from nightshelf.candidates import fingerprint
from nightshelf.dataset import InteractionLog, Interactions, load_catalogue, load_log
from nightshelf.dataset.catalogue import Catalogue
from nightshelf.learning.train import _label_arrays, _labels
from nightshelf.paths import Attempt
from nightshelf.ranking import features
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.propose import PER_SOURCE, propose
from nightshelf.settings.models import ModelSettings
from nightshelf.sql_text import literal, quoted
from nightshelf.steps import Run
from nightshelf.warehouse import connect


@dataclass(frozen=True, order=True)
class Leak:
    """Something that differs between two builds though both knew the same."""

    where: str
    """A table, or what was learnt: features.feat_item, model item_knn."""
    what: str
    """The column, the array; all columns of the key where a row is there in one build only."""
    as_of: date
    told: str = ""

    def __str__(self) -> str:
        return f"{self.where}.{self.what} as of {self.as_of}: {self.told}"


# ------------------------------------------------------------------ tables


def tables_that_leak(one: Attempt, other: Attempt, as_ofs: Iterable[date]) -> list[Leak]:
    """Compares the rows of these dates in every table of the attempts that has a column `as_of`."""
    with _laid_over(one, other) as db:
        dates = ", ".join(f"date '{day}'" for day in sorted(set(as_ofs)))
        tables = tables_with_as_of(db, "one")
        return [leak for table in tables for leak in _rows_that_differ(db, table, dates)]


def tables_that_differ(one: Attempt, other: Attempt) -> list[str]:
    """Whole tables in the attempts' own files, whatever their columns; but for reports, which count
    all that landed."""
    sql = """
        select schema_name || '.' || table_name from duckdb_tables()
        where database_name = 'one' and schema_name not in ('raw', 'landed', 'reports') order by 1"""
    with _laid_over(one, other) as db:
        names = [name for (name,) in db.execute(sql).fetchall()]
        return [name for name in names if _differs(db, f"from {{}}.{name}")]


def exposures_that_differ(one: Attempt, other: Attempt, cuts: Iterable[date]) -> list[date]:
    """Of the cuts those whose windows showed something else: int_exposures says `cut`, since it looks ahead."""
    with _laid_over(one, other) as db:
        rows = "from {{}}.intermediate.int_exposures where cut = date '{}'"
        return [cut for cut in sorted(cuts) if _differs(db, rows.format(cut))]


@contextmanager
def _laid_over(one: Attempt, other: Attempt) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        for name, attempt in (("one", one), ("other", other)):
            db.execute(f"attach {literal(str(attempt.database))} as {name} (read_only)")
        if tables_with_as_of(db, "one") != tables_with_as_of(db, "other"):
            raise AssertionError("the builds have other tables: they are of different projects")
        yield db


def _differs(db: duckdb.DuckDBPyConnection, rows: str) -> bool:
    one, other = (f"({rows.format(name)})" for name in ("one", "other"))
    ((n,),) = db.execute(
        f"select count(*) from (({one} except all {other}) union all ({other} except all {one}))"
    ).fetchall()
    return n > 0


def tables_with_as_of(db: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    """schema.table, sorted: a new table is among them by having the column."""
    rows = db.execute(
        "select schema_name || '.' || table_name from duckdb_columns()"
        " where database_name = ? and column_name = 'as_of' order by 1",
        [database],
    ).fetchall()
    return [name for (name,) in rows]


def _rows_that_differ(db: duckdb.DuckDBPyConnection, table: str, dates: str) -> list[Leak]:
    if not _differs(db, f"from {{}}.{table} where as_of in ({dates})"):
        return []
    columns = [c for c, *_ in db.execute(f"describe one.{table}").fetchall() if c != "as_of"]
    key = _key(db, table, columns, dates)
    same_key = " and ".join(f"a.{quoted(c)} is not distinct from b.{quoted(c)}" for c in key)
    which = "concat_ws(', ', " + ", ".join(f"coalesce(a.{quoted(c)}, b.{quoted(c)})" for c in key) + ")" if key else "''"  # fmt: skip
    compared = {", ".join(key) or "as_of": "a.is_there is distinct from b.is_there"}
    compared |= {
        c: f"a.is_there and b.is_there and a.{quoted(c)} is distinct from b.{quoted(c)}"
        for c in columns
        if c not in key
    }
    counts = [
        f"count(*) filter ({differs}), min({which} || {_before_and_after(c, columns)}) filter ({differs})"
        for c, differs in compared.items()
    ]
    found = db.execute(f"""
        select coalesce(a.as_of, b.as_of) as as_of, count(a.is_there), count(b.is_there),
            {", ".join(counts)}
        from (select *, true as is_there from one.{table} where as_of in ({dates})) as a
        full join (select *, true as is_there from other.{table} where as_of in ({dates})) as b
            on a.as_of = b.as_of {"and" if same_key else ""} {same_key}
        group by 1 order by 1""").fetchall()
    leaks = []
    for as_of, n_one, n_other, *told in found:
        for what, n, example in zip(compared, told[::2], told[1::2], strict=True):
            if n:
                leaks.append(Leak(table, what, as_of, f"{n} rows, such as {example}"))
        if n_one != n_other and not any(told[::2]):
            leaks.append(Leak(table, next(iter(compared)), as_of, f"{n_one} rows, then {n_other}"))
    return leaks


def _before_and_after(column: str, columns: Sequence[str]) -> str:
    if column not in columns:
        return "case when a.is_there then ': there before' else ': there after' end"
    sides = (f"coalesce({side}.{quoted(column)}::varchar, 'null')" for side in "ab")
    return f"': ' || {' || chr(32) || chr(8594) || chr(32) || '.join(sides)}"


def _key(
    db: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], dates: str
) -> list[str]:
    """The shortest run of leading columns that tells the rows of a date apart: ids come first in
    every table of ours."""
    for n in range(len(columns)):
        key = [quoted(c) for c in columns[:n]]
        ((unique,),) = db.execute(
            f"select count(*) = count(distinct ({', '.join(['as_of', *key])},))"
            f" from one.{table} where as_of in ({dates})"
        ).fetchall()
        if unique:
            return list(columns[:n])
    return list(columns)


# ------------------------------------------------------------------ what is learnt

Lesson = Mapping[tuple[str, str], str]
"""(where, what) → sha256 of the bytes."""


Arrays = dict[tuple[str, str], np.ndarray]


def lesson(run: Run, log: InteractionLog, as_of: date) -> Lesson:
    return _fingerprints(learnt(run, log, as_of))


def learnt(run: Run, log: InteractionLog, as_of: date) -> Arrays:
    """All that the train stage makes of a cut but its labels, which lie after it: what its models
    see, each array that they become, the pools that they propose, and each feature of the ranker's
    rows. Half a second of a core for the busy shop."""
    before = seen(run, log, as_of)
    models = {model.name: model.fit(before) for model in ModelSettings.of_files().models()}
    pools = propose(models, before.users, before.bought(), PER_SOURCE).by_view()
    with connect(run.attempt.database) as db:
        matrices = {view: features.attach(db, pool, as_of) for view, pool in pools.items()}
    arrays = _of_interactions(before)
    for name, model in models.items():
        arrays |= {(f"model {name}", what): value for what, value in model.arrays().items()}
    for view, pool in pools.items():
        arrays |= {(f"pool {view}", what): value for what, value in _columns_of(pool).items()}
        columns = zip(features.names(list(models)), matrices[view].T, strict=True)
        arrays |= {(f"training rows {view}", name): value for name, value in columns}
    return {place: _plain(value) for place, value in arrays.items()}


def _fingerprints(arrays: Arrays) -> Lesson:
    return {place: fingerprint({"": array}) for place, array in arrays.items()}


def _of_interactions(found: Interactions) -> Arrays:
    return {("interactions", name): _plain(value) for name, value in _arrays_of(found).items()}


def seen(run: Run, log: InteractionLog, as_of: date) -> Interactions:
    """What the models of a cut are fitted on."""
    types = [t for t, weight in run.shop.events.weights.items() if weight > 0]
    with connect(run.attempt.database) as db:
        return log.as_of(as_of, types, load_catalogue(db, as_of))


def interactions(run: Run, log: InteractionLog, as_of: date) -> Lesson:
    """The part of the lesson that costs little."""
    return _fingerprints(_of_interactions(seen(run, log, as_of)))


def labels(run: Run, log: InteractionLog, role: str) -> Lesson:
    """Who took what in the window after the role's cut."""
    before = seen(run, log, run.night.as_of(role))
    found, _ = _labels(log, run.shop, run.night, role, before)
    return _fingerprints(
        {
            (f"labels {view}", name): _plain(value)
            for view, of_view in found.items()
            for name, value in _label_arrays(of_view).items()
        }
    )


def read_log(run: Run) -> InteractionLog:
    with connect(run.attempt.database) as db:
        return load_log(db, run.shop.events.target)


def lessons_that_leak(one: Lesson, other: Lesson, as_of: date) -> list[Leak]:
    """What is learnt as of the date in one way by one build, and in another by the other."""
    places = sorted({*one, *other})
    return [Leak(*p, as_of, "other bytes") for p in places if one.get(p) != other.get(p)]


def _arrays_of(seen: Interactions) -> dict[str, Any]:
    found = {f.name: getattr(seen, f.name) for f in fields(seen)}
    found |= {
        f"{kind}.{f.name}": getattr(part, f.name)
        for kind, part in found.pop("by_type").items()
        for f in fields(part)
        if f.name not in ("by_type", "catalogue")
    }
    catalogue = found.pop("catalogue")
    return found | {f"catalogue.{f.name}": getattr(catalogue, f.name) for f in fields(Catalogue)}


def _columns_of(pool: Pool) -> dict[str, np.ndarray]:
    codes = {name: getattr(pool, name) for name in ("users", "items", "user_codes", "item_codes")}
    scores = {f"score_{name}": values for name, values in pool.scores.items()}
    return codes | scores | {f"rank_{name}": values for name, values in pool.ranks.items()}


def _plain(value: Any) -> np.ndarray:
    """Numbers as they are, ids and titles by their text, lengths told."""
    array = np.asarray(value)
    if array.dtype != object:
        return array
    return np.frombuffer(repr(array.tolist()).encode(), dtype=np.uint8)
