"""What a run of Airflow's made of its night so far: the attempt that it began, and its steps' own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nightshelf.morning.opened import DOORS
from nightshelf.morning.page import place_of
from nightshelf.paths import Attempt, Home, ShopHome
from nightshelf.publishing.nights import readers_see
from nightshelf.steps import DAG_RUN, STEPS, failure, stage_records
from nightshelf.storage import read_json


@dataclass(frozen=True)
class Begun:
    """`steps` is one row per step: {stage, state, seconds, rows, peak_mb, told}; state is done, failed,
    or waiting, which a step that was killed is, too."""

    attempt: Attempt
    steps: tuple[dict[str, Any], ...]
    failure: dict[str, Any] | None
    doors: tuple[str, ...]
    """Those that have a page."""
    has_page: bool
    readers_see: str | None
    """The night that readers see, as "2017-12-01/1"."""


def attempt_of(home: Home, dag_run: str) -> Attempt | None:
    """The newest attempt that the run began; None where it has not come to that, or its folder is gone."""
    return max(_begun_by(home, dag_run), key=lambda a: (a.night, a.number), default=None)


def _begun_by(home: Home, dag_run: str) -> Iterator[Attempt]:
    for path in home.root.glob(f"shops/*/attempts/*/*/{DAG_RUN}"):
        shop = home.shop(path.relative_to(home.root / "shops").parts[0])
        attempt = shop.attempt_in(path.parent)
        if attempt is not None and _run_id(path) == dag_run:
            yield attempt


def _run_id(path: Path) -> str | None:
    """None of an attempt that is pruned meanwhile, or whose file is damaged."""
    try:
        return read_json(path).get("run_id")
    except (OSError, ValueError):
        return None


def stopped(shop: ShopHome) -> Attempt | None:
    """The newest attempt at the newest night, where it failed: what a reader of the page should hear of
    first. None where it was published, still runs, or was killed without a word."""
    newest = max(_attempts(shop), key=lambda a: (a.night, a.number), default=None)
    if newest is None or newest.published.exists() or failure(newest) is None:
        return None
    return newest


def _attempts(shop: ShopHome) -> Iterator[Attempt]:
    found = (shop.attempt_in(folder) for folder in shop.attempts.glob("*/*") if folder.is_dir())
    return (attempt for attempt in found if attempt is not None)


def begun(attempt: Attempt) -> Begun:
    """Reads small files only: a step may be writing the attempt's tables."""
    seen = readers_see(attempt.shop)
    return Begun(
        attempt=attempt,
        steps=tuple(_steps(attempt)),
        failure=failure(attempt),
        doors=tuple(d for d in DOORS if door_page(attempt, d).is_file()),
        has_page=place_of(attempt).is_file(),
        readers_see=seen.name if seen else None,
    )


def _steps(attempt: Attempt) -> Iterator[dict[str, Any]]:
    done = {record["stage"]: record for record in stage_records(attempt)}
    failed = failure(attempt)
    for name in STEPS:
        if name in done:
            yield {**done[name], "state": "done"}
        else:
            state = "failed" if failed and failed["stage"] == name else "waiting"
            none = dict.fromkeys(("seconds", "rows", "peak_mb"))
            yield {"stage": name, "state": state, **none, "told": ""}


def door_page(attempt: Attempt, door: str) -> Path:
    return attempt.doors / f"{door}.html"


def mlflow_page(attempt: Attempt) -> str | None:
    """The address of the night's run in MLflow; None before it has one. `NIGHTSHELF_MLFLOW_SITE` says where
    people find MLflow; without it, where `nightshelf up` serves it."""
    if not attempt.mlflow_run.exists():
        return None
    told = read_json(attempt.mlflow_run)
    port = os.environ.get("NIGHTSHELF_MLFLOW_PORT") or 5000
    base = os.environ.get("NIGHTSHELF_MLFLOW_SITE") or f"http://127.0.0.1:{port}"
    place = f"experiments/{quote(told['experiment'])}/runs/{quote(told['run'])}"
    return f"{base.rstrip('/')}/#/{place}"
