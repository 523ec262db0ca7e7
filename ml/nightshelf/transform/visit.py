"""dbt, visited exactly twice a night: `prepare` (events to features), `shelve` (scores to shelves)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from nightshelf.errors import NightshelfError, TableRefused, TransformError
from nightshelf.ingest.adapters import adapter_for
from nightshelf.night import ROLES, Night
from nightshelf.paths import Attempt
from nightshelf.pinned.following import FOLLOWED_DAYS
from nightshelf.pinned.settings import pinned
from nightshelf.progress import Progress
from nightshelf.settings.models import ModelSettings
from nightshelf.settings.shop import Shop
from nightshelf.sql_text import literal
from nightshelf.transform.exploring import offer_exploration
from nightshelf.transform.parsed import DBT_PROJECT, key_of, parsed, project_sha256
from nightshelf.transform.rules import offer_lines
from nightshelf.transform.tested import keep_tested, offer_untested
from nightshelf.warehouse import connect, cores

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


SHOWN_ROWS = 3
"""Of what a failed test finds, in its error."""


def build(
    visit: str,
    shop: Shop,
    night: Night,
    attempt: Attempt,
    progress: Progress,
    only: Sequence[str] = (),
) -> int:
    """Runs `dbt build --select tag:<visit>` on the attempt's file. Returns the number of nodes built.
    `only` names models: what is not needed for them is left out.

    Raises TransformError naming what failed, TableRefused where that is nothing but tests.
    """
    variables = _variables(shop, night, pinned(attempt).settings)
    where = [
        "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--target-path", str(_target(attempt, visit)),
        "--log-path", str(_target(attempt, visit)), "--vars", json.dumps(variables), "--log-level", "none",
        # At debug, dbt's log is a quarter of a small shop's visit; its SQL is compiled into files anyway.
        "--log-level-file", "info",
    ]  # fmt: skip
    arguments = [
        "build", "--select", *_selected(visit, only), "--exclude", "test_type:unit", *_left_out(shop), "--fail-fast",
        # A test runs in the visit that has all it compares: at prepare there are no shelves yet.
        "--indirect-selection", "cautious" if visit == "prepare" else "eager", *where,
        # Three megabytes of manifest; both visits are of one project, and have the same.
        *([] if visit == "prepare" else ["--no-write-json"]),
    ]  # fmt: skip
    _same_project(visit, attempt)
    offer_lines(attempt, shop.rules, night.date)
    offer_exploration(attempt, shop, night.date)
    if visit == "prepare":
        offer_untested(attempt, key_of(variables))
    with _environment(attempt), closed_afterwards():
        try:
            manifest = parsed(attempt.shop.parsed, variables, where)
        except Exception as error:
            raise _unreadable(visit, error, attempt) from error
        result = _invoke(arguments, manifest, progress)
    if isinstance(result.exception, SystemExit | KeyboardInterrupt):
        raise result.exception  # dbt was ended from without; it did not fail
    if not result.success:
        raise _failure(visit, result, attempt)
    if not result.result.results:
        raise _unreadable(visit, RuntimeError("no model was built"), attempt)
    if visit == "prepare":
        passed = (r.node.unique_id for r in result.result.results if r.status == "pass")
        keep_tested(attempt, key_of(variables), manifest, passed)
    return len(result.result.results)


def _selected(visit: str, only: Sequence[str]) -> list[str]:
    return [f"tag:{visit},+{model}" for model in only] or [f"tag:{visit}"]


def _variables(shop: Shop, night: Night, settings: ModelSettings) -> dict:
    return {
        "night": night.date.isoformat(),
        "as_ofs": {role: night.as_of(role).isoformat() for role in ROLES},
        "time_zone": shop.time_zone,
        "target_event": shop.events.target,
        "event_weights": {t: w for t, w in shop.events.weights.items() if w > 0},
        "product_id_pattern": shop.cleaning.product_id_pattern,
        "max_quantity": shop.cleaning.max_quantity,
        "max_price": shop.cleaning.max_price,
        "sources_without_event_id": [
            s.name
            for s in shop.sources
            if adapter_for(s).kind == "events" and "event_id" not in adapter_for(s).expressions
        ],
        **_of_the_models(settings),
        "internal_ids": shop.cleaning.internal_ids,
        "max_views_per_day": shop.cleaning.max_views_per_day,
        "max_views_per_minute": shop.cleaning.max_views_per_minute,
        "followed_days": FOLLOWED_DAYS,
        **shop.placements.model_dump(),
        "rules": shop.rules.for_sql(night.date),
        "exploring": list(shop.exploration.budgets),
        "duckdb": version("duckdb"),
    }


def _same_project(visit: str, attempt: Attempt) -> None:
    """Both visits of a night are of one project: the manifest has one hash of it. Raises TransformError."""
    kept = _target(attempt, "prepare") / "project.sha256"
    now = project_sha256()
    if visit == "prepare":
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(now)
    elif kept.exists() and kept.read_text() != now:
        raise TransformError(
            f"dbt {visit}: the project in {DBT_PROJECT} is not the one that built the features.",
            "Run `nightshelf features` and the steps after it again, or bring the project back.",
        )


def _left_out(shop: Shop) -> list[str]:
    """A shop without exploration does not build what only exploration reads."""
    return [] if shop.exploration.budgets else ["tag:explore"]


def _of_the_models(params: ModelSettings) -> dict[str, float]:
    """What SQL must know of the models' settings, to go by the same windows and to say whether the
    log feeds them."""
    return {
        "min_buyers": params["item_knn"].min_buyers,
        # 0 stands for all of history.
        "similarity_days": params["item_knn"].similarity_days or 36_500,
        "min_baskets": params["bought_together"].min_baskets,
        "basket_days": params["bought_together"].days,
        "popularity_days": params["popularity"].window_days,
        "trend_days": params["trend"].recent_days,
        "arrival_days": params["new_arrivals"].window_days,
        "settle_days": params["new_arrivals"].settle_days,
        "shrink_days": params["new_arrivals"].shrink_days,
    }


@contextmanager
def _environment(attempt: Attempt) -> Iterator[None]:
    """dbt reads its profile from the environment; ours is put back afterwards."""
    values = {
        "NIGHTSHELF_NIGHT_DB": str(attempt.database),
        "NIGHTSHELF_WAREHOUSE": str(attempt.shop.warehouse),
        "NIGHTSHELF_SPILL": str(attempt.root / "spill"),
        "NIGHTSHELF_CORES": str(cores()),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    before = {k: os.environ.get(k) for k in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})


@contextmanager
def closed_afterwards() -> Iterator[None]:
    """dbt-duckdb keeps its database open for the process's life; nobody else could open it then."""
    try:
        yield
    finally:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()


def _invoke(arguments: list[str], manifest: Manifest, progress: Progress):
    from dbt.cli.main import dbtRunner

    def tell(event) -> None:
        if event.info.name == "LogStartLine":
            place = f"{event.data.index} of {event.data.total}"
            progress.advance(f"dbt {place}: {event.data.node_info.node_name}")

    return dbtRunner(manifest, callbacks=[tell]).invoke(arguments)


def _unreadable(visit: str, error: BaseException, attempt: Attempt) -> TransformError:
    return TransformError(
        f"dbt {visit}: {error}",
        f"Mend the dbt project; the log is {_target(attempt, visit) / 'dbt.log'}.",
    )


def _failure(visit: str, result, attempt: Attempt) -> TransformError | TableRefused:
    if result.exception is not None:
        return _unreadable(visit, result.exception, attempt)
    failed = [r for r in result.result.results if r.status not in ("success", "pass", "skipped")]
    told = "\n".join(
        f"  {r.node.name} ({r.node.original_file_path}): {(r.message or r.status).strip()}"
        + _first_rows(r, attempt)
        for r in failed[:10]
    )
    refused = all(r.status == "fail" for r in failed)
    what = f"dbt {visit}: {len(failed)} of {len(result.result.results)} nodes failed:\n{told}"
    mend = "Mend the data, or the rule in that file. " if refused else ""
    next_step = f"{mend}The compiled SQL lies under {_target(attempt, visit)}; docs/runbook.md says how to rerun."
    return (TableRefused if refused else TransformError)(what, next_step)


def _first_rows(result, attempt: Attempt) -> str:
    """What the query of a failed test finds first, by column; "" for a model, and where it finds nothing
    without dbt: what failed is told then as dbt tells it."""
    if result.status != "fail" or not result.node.compiled_code:
        return ""
    try:
        with connect(attempt.database) as db:
            db.execute(f"attach {literal(attempt.shop.warehouse)} as history (read_only)")
            found = db.execute(result.node.compiled_code)
            columns, rows = [name for name, *_ in found.description], found.fetchmany(SHOWN_ROWS)
    except (duckdb.Error, NightshelfError):
        return ""
    told = (
        ", ".join(f"{name}: {value!r:.100}" for name, value in zip(columns, row, strict=True))
        for row in rows
    )
    return "".join(f"\n    {each}" for each in told)


def manifest_hash(attempt: Attempt) -> str:
    """sha256 over what every model, test and macro says, not over when it was parsed."""
    manifest = json.loads((_target(attempt, "prepare") / "manifest.json").read_text())
    nodes = sorted((k, v["checksum"]["checksum"]) for k, v in manifest["nodes"].items())
    ours = ((k, v["macro_sql"]) for k, v in manifest["macros"].items() if "nightshelf" in k)
    return hashlib.sha256(json.dumps([nodes, sorted(ours)]).encode()).hexdigest()


def _target(attempt: Attempt, visit: str) -> Path:
    """What dbt compiled, logged and measured in a visit."""
    return attempt.root / "dbt" / visit
