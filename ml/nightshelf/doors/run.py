"""Judge one door: every rule of `expectations/<door>.py`, in the database, read-only.

The Great Expectations import comes with the first door of a process: about 5 s, or 12 s where
Python may not keep bytecode (`PYTHONDONTWRITEBYTECODE`). A rule then takes 10 to 40 ms plus its
SQL, which a SQL rule runs once to count, and again for figures or for samples of what it refuses.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import Any

import duckdb

from expectations import DoorContext, Rule
from nightshelf.doors import profile
from nightshelf.doors.results import (
    BROKEN,
    FAILED,
    PASSED,
    SKIPPED,
    DoorResult,
    RuleResult,
    printable,
    raise_if_shut,
    write,
)
from nightshelf.errors import StorageError, WarehouseLocked
from nightshelf.machine import in_words
from nightshelf.paths import Attempt
from nightshelf.warehouse import cores, memory_limit

__all__ = ["check"]

SAMPLES = 10
ERROR_LINES = 6
LONGEST_ERROR = 300

Progress = Callable[[str], None]


def check(
    door: str, attempt: Attempt, context: DoorContext, progress: Progress | None = None
) -> DoorResult:
    """Run every rule of `door`, write `<door>.json` and `<door>.html` under `attempt.doors`.

    `progress` is told a line before each rule. When this returns or raises, no connection to the
    attempt's database is left open. Raises DoorClosed when the data broke a rule, and names all
    that it broke; DoorBroken when a rule raised; WarehouseLocked or StorageError when the
    database cannot be opened.
    """
    started = time.perf_counter()
    _try_open(attempt)
    with _quiet():
        rules = _suite(door).rules(context)
        unmeasured = _measure(door, attempt, context)
        with _batches(attempt, unmeasured) as batches:
            judged = tuple(_judge_all(door, rules, batches, progress or _silent))
    seconds = round(time.perf_counter() - started, 3)
    result = DoorResult(door, context.night.isoformat(), judged, seconds)
    write(result, attempt.doors)
    raise_if_shut(result)
    return result


def _silent(line: str) -> None:
    """For callers who do not want to be told."""


def _try_open(attempt: Attempt) -> None:
    """Say what is wrong before Great Expectations wraps it."""
    try:
        duckdb.connect(str(attempt.database), read_only=True).close()
    except duckdb.ConnectionException as error:
        raise WarehouseLocked(
            f"{attempt.database} is open for writing in this very process.",
            "Close that connection before the door.",
        ) from error
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise WarehouseLocked(
                f"Another process is writing {attempt.database}: {printable(error, LONGEST_ERROR)}",
                "Wait for it to end, then run the door again.",
            ) from error
        known = in_words(error)
        if known and attempt.database.exists():
            raise known from error
        raise StorageError(
            f"{attempt.database} cannot be read: {printable(error, LONGEST_ERROR)}",
            "Run the stage before this door again; it makes the file.",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No analytics (read once, at import), no warnings, no log lines but errors.

    Loggers inside Great Expectations set levels of their own, so logging is lowered as a whole.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _measure(door: str, attempt: Attempt, context: DoorContext) -> str | None:
    """Door raw reads tables that are made here, before its connection opens; what went wrong, if
    it did. It is the rules' to say whether a missing column is the reason."""
    if door != "raw":
        return None
    try:
        profile.make(attempt.database, context)
    except duckdb.Error as error:
        return _first_lines(error)
    return None


def _suite(door: str) -> Any:
    return importlib.import_module(f"expectations.{door}")


class _Batches:
    """The batches of one datasource, one for each distinct SQL, made when first asked for."""

    def __init__(self, source: Any, unmeasured: str | None) -> None:
        self._source = source
        self._unmeasured = unmeasured
        self._made: dict[str, Any] = {}

    def lacks(self, rule: Rule) -> str | None:
        """Why the rule's figures could not be measured; None where they were."""
        return self._unmeasured if profile.feeds(rule.batch_sql) else None

    def of(self, rule: Rule) -> Any:
        sql = rule.batch_sql
        if sql not in self._made:
            asset = self._source.add_query_asset(f"batch_{len(self._made)}", query=sql)
            self._made[sql] = asset.add_batch_definition_whole_table("whole").get_batch()
        return self._made[sql]

    def figures(self, rule: Rule) -> dict[str, Any]:
        """The row that the rule measures; the same SQL that it judges."""
        return self._rows(rule, rule.figures)[0]

    def refused(self, rule: Rule) -> tuple[dict[str, Any], ...]:
        """The first rows that a SQL rule refuses."""
        query = rule.expectation.unexpected_rows_query
        return self._rows(rule, f"SELECT * FROM ({query}) LIMIT {SAMPLES}")

    def listed(self, rule: Rule) -> tuple[dict[str, Any], ...]:
        return self._rows(rule, rule.listed) if rule.listed else ()

    def _rows(self, rule: Rule, query: str) -> tuple[dict[str, Any], ...]:
        sql = query.format(batch=f"({rule.batch_sql}) AS batch")
        with self._source.get_engine().connect() as connection:
            return tuple(map(dict, connection.exec_driver_sql(sql).mappings()))


@contextmanager
def _batches(attempt: Attempt, unmeasured: str | None) -> Iterator[_Batches]:
    """A datasource on the attempt, and both its engines closed afterwards.

    The path travels as a connect argument: in a URL its spaces and question marks would change.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    from nightshelf.doors import dialect

    dialect.register()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    arguments = {"database": str(attempt.database), "config": _settings(attempt)}
    source = context.data_sources.add_sql(
        "attempt", connection_string=dialect.URL, kwargs={"connect_args": arguments}
    )
    try:
        yield _Batches(source, unmeasured)
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _settings(attempt: Attempt) -> dict[str, Any]:
    """As every other connection of a night: beyond NIGHTSHELF_MEMORY it spills. What keeps the order of
    fifty million lines, which no rule asks for, cannot."""
    return {
        "access_mode": "read_only",
        "memory_limit": memory_limit(),
        "threads": cores(),
        "temp_directory": str(attempt.database.parent / "spill"),
        "preserve_insertion_order": False,
    }


def _judge_all(
    door: str, rules: list[Rule], batches: _Batches, progress: Progress
) -> Iterator[RuleResult]:
    """Guards stand first in their table; what they close is not looked at again.

    A guard's table may be a pattern (`recommendations.rec_*`).
    """
    closed: dict[str, str] = {}
    for number, rule in enumerate(rules, start=1):
        progress(f"door {door} {number}/{len(rules)}: {rule.name}")
        guard = next((name for name, held in closed.items() if fnmatch(rule.table, held)), None)
        if guard:
            yield _result(rule, SKIPPED, error=f"not looked at: {guard} comes first")
            continue
        if closed and batches.lacks(rule):
            first = next(iter(closed))
            yield _result(rule, SKIPPED, error=f"not measured: {first} comes first")
            continue
        verdict = _judge(rule, batches)
        if rule.guards_table and verdict.outcome != PASSED:
            closed[rule.name] = rule.table
        yield verdict


def _judge(rule: Rule, batches: _Batches) -> RuleResult:
    started = time.perf_counter()
    if batches.lacks(rule):
        return _result(rule, BROKEN, error=batches.lacks(rule))
    try:
        verdict = _read(rule, _validate(rule, batches.of(rule)), batches)
    except Exception as error:  # whatever an expectation raises is a broken door, not bad data
        verdict = {"outcome": BROKEN, "error": _first_lines(error)}
    return _result(rule, **verdict, seconds=round(time.perf_counter() - started, 3))


def _result(rule: Rule, outcome: str, **rest: Any) -> RuleResult:
    return RuleResult(rule.name, rule.table, rule.reason, rule.next_step, outcome, **rest)


def _validate(rule: Rule, batch: Any) -> Any:
    """For a column rule COMPLETE would fetch every refused value."""
    rule.expectation.notes = [rule.reason]
    rule.expectation.meta = {"rule": rule.name, "reason": rule.reason, "next": rule.next_step}
    shape = {
        "result_format": "SUMMARY",
        "unexpected_index_column_names": list(rule.shown),
        "partial_unexpected_count": SAMPLES,
    }
    return batch.validate(rule.expectation, result_format=shape)


def _read(rule: Rule, validation: Any, batches: _Batches) -> dict[str, Any]:
    """Great Expectations reports an exception as `success=False`: look for it first."""
    raised = _raised(validation)
    if raised:
        return {"outcome": BROKEN, "error": raised}
    result = validation.result
    counted = {"unexpected": _unexpected(rule, result), "listed": batches.listed(rule)}
    if validation.success:
        return {"outcome": PASSED, "observed": _observed(rule, result, batches), **counted}
    samples = batches.refused(rule) if _in_sql(rule) else _samples(result)
    observed = samples[0] if rule.figures else _observed(rule, result, batches)
    return {"outcome": FAILED, "observed": observed, "samples": samples, **counted}


def _raised(validation: Any) -> str | None:
    """The exception's text. Flat for the expectation's own, by metric id for a query's.

    A failure without any figure is one, too: nothing was measured.
    """
    info = validation.exception_info or {}
    reports = [info] if "raised_exception" in info else list(info.values())
    messages = [str(r["exception_message"]) for r in reports if r.get("raised_exception")]
    if messages:
        return _first_lines(messages[0])
    return None if validation.result else "no result and no exception"


def _first_lines(error: object) -> str:
    lines = [printable(line, LONGEST_ERROR) for line in str(error).splitlines() if line.strip()]
    return " | ".join(lines[:ERROR_LINES]) or type(error).__name__


def _observed(rule: Rule, result: dict[str, Any], batches: _Batches) -> dict[str, Any]:
    if rule.figures:
        return batches.figures(rule)
    if _in_sql(rule):
        return {}  # without figures it counts refused rows, nothing else
    names = {"element_count": "rows", "missing_count": "missing", "unexpected_percent": "percent"}
    counts = {shown: result[name] for name, shown in names.items() if result.get(name) is not None}
    return counts or {"observed": result.get("observed_value")}


def _unexpected(rule: Rule, result: dict[str, Any]) -> int | None:
    """How many rows were refused; None where the verdict is about the table as a whole."""
    if rule.figures:
        return None
    if _in_sql(rule):
        return result["observed_value"]
    return result.get("unexpected_count")


def _in_sql(rule: Rule) -> bool:
    return hasattr(rule.expectation, "unexpected_rows_query")


def _samples(result: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    rows = result.get("partial_unexpected_index_list") or []
    return tuple(dict(row) for row in rows[:SAMPLES])
