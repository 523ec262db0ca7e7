"""The audience's part of a night's steps: train, evaluate and score.

What it leaves in the attempt: models/audience/{forecast,churn,segments,tags_category,tags_brand}.npz,
models/audience/report.json, and the tables of VIEWS below scores/.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.audience import churn, forecast, segments, tags
from nightshelf.audience.figures import flat
from nightshelf.audience.interests import Cut, read_cut
from nightshelf.audience.last_night import last_segments
from nightshelf.audience.settings import Settings, audience_settings
from nightshelf.candidates import fingerprint, load_npz, save_npz
from nightshelf.night import Night
from nightshelf.paths import Attempt
from nightshelf.progress import Progress
from nightshelf.readiness import Placement, read_readiness
from nightshelf.storage import read_left, without_nan, write_json
from nightshelf.warehouse import connect

if TYPE_CHECKING:
    import duckdb

    from nightshelf.registry import Registry

VIEWS = {
    "interest_forecast": {
        "user_id": pa.string(),
        "rank": pa.int32(),
        "category": pa.string(),
        "probability": pa.float64(),
        "source": pa.string(),
    },
    "interest_tags": {
        "user_id": pa.string(),
        "kind": pa.string(),
        "subject": pa.string(),
        "probability": pa.float64(),
        "base_rate": pa.float64(),
    },
    "churn": {"user_id": pa.string(), "probability": pa.float64(), "source": pa.string()},
    "segments": {"user_id": pa.string(), "segment": pa.int32(), "name": pa.string()},
}
"""Tables of schema `ml` → their columns. A table of what could not be learnt is there, and empty."""

KINDS = ("category", "brand")
DIGITS = 6
"""Of a published chance: more would show the machine it was computed on, and nothing else."""

Learnt = tuple[Any, dict[str, object]]
"""A model that can be asked for its `arrays()`, or None; and its report."""


def learn(night: Night, attempt: Attempt, progress: Progress) -> dict[str, object]:
    """Fits and judges what the shop has data for, and says of the rest why not. Returns the report."""
    settings = audience_settings()
    folder = attempt.models / "audience"
    folder.mkdir(parents=True, exist_ok=True)
    told = {p.placement: p for p in read_readiness(attempt).placements}
    report: dict[str, Any] = {}
    with connect(attempt.database) as db:
        for name, table, fit in _parts(db, attempt, settings):
            progress.advance(f"audience: {name.replace('_', ' of ')}")
            started = time.perf_counter()
            placement = told[table]
            if placement.is_ready:
                model, report[name] = fit()
            elif placement.published_instead == forecast.BASELINE and name == "forecast":
                model, report[name] = _last_month(placement.told)
            else:
                model, report[name] = None, {"used": None, "told": _not_learnt(name, placement)}
            report[name]["seconds"] = round(time.perf_counter() - started, 3)
            report[name]["model"] = _saved(folder / f"{name}.npz", model)
    write_json(folder / "report.json", without_nan(report))
    return report


def _parts(
    db: duckdb.DuckDBPyConnection, attempt: Attempt, settings: Settings
) -> list[tuple[str, str, Callable[[], Learnt]]]:
    """(what is learnt, the table whose readiness decides, how)."""
    return [
        ("forecast", "user_interest_forecast", lambda: forecast.learn(db, settings.forecast)),
        *(
            (
                f"tags_{kind}",
                "user_interest_forecast",
                lambda kind=kind: tags.learn(db, kind, settings.tags),
            )
            for kind in KINDS
        ),
        ("churn", "user_churn_risk", lambda: churn.learn(db, settings.churn)),
        ("segments", "user_segments", lambda: _learn_segments(db, attempt, settings)),
    ]


def _not_learnt(name: str, placement: Placement) -> str:
    """Tags need what the forecast needs, but nothing stands in for them."""
    if not name.startswith("tags_"):
        return placement.told
    return f"{placement.has:,} {placement.needs}, {placement.wanted:,} wanted; no tags are made"


def _last_month(told: str) -> Learnt:
    return forecast.LastMonth(forecast.UNTUNED), {"used": forecast.BASELINE, "told": told}


def _learn_segments(db: duckdb.DuckDBPyConnection, attempt: Attempt, settings: Settings) -> Learnt:
    before, told = last_segments(attempt)
    model, report = segments.learn(segments.read_profiles(db), before, settings.segments)
    return model, {"used": "k_means" if model else None, "told": told, **report}


def _saved(path, model: Any) -> dict[str, str] | None:
    if model is None:
        path.unlink(missing_ok=True)
        return None
    arrays = model.arrays()
    return {"fingerprint": fingerprint(arrays), "sha256": save_npz(path, arrays), "file": path.name}


def read_report(attempt: Attempt) -> dict[str, Any]:
    return read_left(attempt.models / "audience" / "report.json", "train")


def record(registry: Registry, parent: str, attempt: Attempt, labels: Mapping[str, str]) -> None:
    """A child run of the night's run for each contender, and one for what has none."""
    settings, report = audience_settings(), read_report(attempt)
    for name, part in report.items():
        parameters = asdict(getattr(settings, name.split("_")[0]))
        contenders = part.get("contenders") or {part["used"] or "nothing": {}}
        for contender, found in contenders.items():
            used = contender == part["used"]
            run = registry.begin(
                f"audience, {name}: {contender}", parent, {**labels, "audience": name}
            )
            told = {"used": used, "told": part.get("told", ""), "contender": contender}
            model = part["model"] if used else None
            if model:
                told["fingerprint"] = model["fingerprint"]
            registry.log(run, {**parameters, **told}, {**flat(found), **flat(part)})
            registry.keep_json(run, "report.json", found or part)
            if model:
                registry.keep(run, "model", attempt.models / "audience" / model["file"])
            registry.finish(run)


def summary(attempt: Attempt) -> dict[str, Any]:
    """For the manifest: what each table is made by, and the highest segment number given so far."""
    report = read_report(attempt)
    used = {
        name: {"used": part["used"], "fingerprint": (part["model"] or {}).get("fingerprint")}
        for name, part in report.items()
    }
    return {"models": used, "highest_segment": report["segments"].get("highest", 0)}


# ------------------------------------------------------------------ tonight's tables


def score(night: Night, attempt: Attempt, progress: Progress) -> int:
    """Writes the tables of VIEWS for everyone; returns their rows."""
    settings, report = audience_settings(), read_report(attempt)
    attempt.scores.mkdir(parents=True, exist_ok=True)
    as_of = night.as_of("serve")
    rows = 0
    with connect(attempt.database) as db:
        tables = {
            "interest_forecast": lambda: _forecast(db, attempt, report, as_of, settings),
            "interest_tags": lambda: _tags(db, attempt, report, as_of, settings),
            "churn": lambda: _churn(db, attempt, report, as_of),
            "segments": lambda: _segments(db, attempt, report),
        }
        for name, make in tables.items():
            progress.advance(f"audience: {name.replace('_', ' ')}")
            schema = pa.schema(VIEWS[name])
            made = make() or {column: [] for column in schema.names}
            table = pa.table({c: pa.array(made[c], schema.field(c).type) for c in schema.names})
            pq.write_table(table, attempt.scores / f"{name}.parquet", compression="zstd")
            rows += len(table)
    return rows


def _arrays(attempt: Attempt, part: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Raises ModelError where the file is not what was written."""
    saved = part["model"]
    return load_npz(attempt.models / "audience" / saved["file"], saved["sha256"]) if saved else None


def _forecast(db, attempt: Attempt, report, as_of, settings: Settings) -> dict | None:
    part = report["forecast"]
    arrays = _arrays(attempt, part)
    if arrays is None:
        return None
    model = forecast.KINDS[part["used"]].from_arrays(arrays)
    cut = read_cut(db, "category", as_of)
    blocks = [
        best_shares(cut, users, np.round(model.shares(cut, taken), DIGITS), settings.forecast.shown)
        for users, taken in cut.blocks()
    ]
    made = {c: np.concatenate([b[c] for b in blocks]) for c in blocks[0]} if blocks else {}
    return made | {"source": [part["used"]] * len(made["user_id"])} if made else None


def best_shares(
    cut: Cut, users: np.ndarray, shares: np.ndarray, shown: int
) -> dict[str, np.ndarray]:
    """The `shown` best of each user's categories, and one row more, without a name, for all others: a
    user's rows sum to 1. Equal shares: the more common category first."""
    named = shares[:, :-1]
    shown = min(shown, named.shape[1])
    best = np.argsort(-named, axis=1, kind="stable")[:, :shown]
    chances = np.take_along_axis(named, best, axis=1)
    rest = np.round(1 - chances.sum(axis=1, keepdims=True), DIGITS)
    # Rounded up, all categories together may be a digit above 1: the largest, which tells it least, gives.
    chances[:, :1] = np.round(chances[:, :1] + np.minimum(rest, 0), DIGITS)
    rest = np.maximum(rest, 0.0)
    names = np.append(cut.subjects[best], np.full((len(users), 1), None), axis=1)
    return {
        "user_id": np.repeat(users, shown + 1),
        "rank": np.tile(np.arange(1, shown + 2, dtype=np.int32), len(users)),
        "category": names.ravel(),
        "probability": np.append(chances, rest, axis=1).ravel(),
    }


def _tags(db, attempt: Attempt, report, as_of, settings: Settings) -> dict | None:
    made: dict[str, list] = {c: [] for c in VIEWS["interest_tags"]}
    for kind in KINDS:
        part = report[f"tags_{kind}"]
        arrays = _arrays(attempt, part)
        if arrays is None:
            continue
        model = tags.KINDS[part["used"]].from_arrays(arrays)
        found = tags.tags(db, model, kind, as_of, settings.tags)
        for column, values in found.items():
            made[column].extend(values)
        made["kind"].extend([kind] * len(found["user_id"]))
    return made


def _churn(db, attempt: Attempt, report, as_of) -> dict | None:
    part = report["churn"]
    arrays = _arrays(attempt, part)
    if arrays is None:
        return None
    model = churn.ChurnModel.from_arrays(part["used"], arrays)
    rhythms = churn.read_rhythms(db, as_of, None)
    chances = np.round(model.chances(rhythms.matrix), DIGITS)
    return {
        "user_id": rhythms.users,
        "probability": chances,
        "source": [part["used"]] * len(chances),
    }


def _segments(db, attempt: Attempt, report) -> dict | None:
    arrays = _arrays(attempt, report["segments"])
    if arrays is None:
        return None
    model = segments.Segments.from_arrays(arrays)
    profiles = segments.read_profiles(db)
    numbers = model.of(profiles.matrix)
    names = {int(n): name for n, name in zip(model.numbers, model.names, strict=True)}
    return {
        "user_id": profiles.users,
        "segment": numbers,
        "name": [names[int(n)] for n in numbers],
    }
