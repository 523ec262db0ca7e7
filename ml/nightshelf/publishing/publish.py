"""Publishes an attempt's shelves: everything fsynced, a manifest, a fence, one rename.

Readers follow `nights/current`, a symlink that is replaced in one rename: they see the old night or
the new one, whole. A killed publish leaves a directory that no name points at; the next one
sweeps it.
"""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from filelock import FileLock

import nightshelf
from nightshelf.columns import AUDIENCE, AUDIENCE_KEYS, SHELF, SHELVES, TABLES
from nightshelf.errors import StaleAttempt, StorageError
from nightshelf.locks import held
from nightshelf.paths import PROJECT, Attempt, ShopHome
from nightshelf.publishing.nights import (
    PublishedNight,
    damage,
    published,
    readers_see,
    write_manifest,
)
from nightshelf.publishing.retention import LEAVING, prune
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.settings.shop import Keep
from nightshelf.sql_text import literal
from nightshelf.storage import sha256_of, sync_directory, sync_file
from nightshelf.warehouse import connect

PUBLISH_LOCK_SECONDS = 120
PARQUET = "(format parquet, parquet_version v2, compression zstd)"


@dataclass(frozen=True)
class Publication:
    path: Path
    rows: int
    already: bool
    """This very attempt had been published before; nothing was done."""
    is_current: bool
    """Readers see it now. False for an older night than the one they see, and for one taken back."""
    removed: list[str] = field(default_factory=list)
    """Nights and attempts that were beyond what the shop keeps."""


def publish(attempt: Attempt, more: dict, keep: Keep | None = None) -> Publication:
    """Publishes the attempt's tables. `more` goes into the manifest; what is beyond `keep` is removed
    afterwards.

    Raises StaleAttempt when a later attempt at the night has been published.
    """
    with alone(attempt.shop):
        done = _publish_locked(attempt, more)
        working = f"{attempt.night}/{attempt.number}"
        removed = prune(attempt.shop, keep, _newest(attempt.shop), working) if keep else []
        return replace(done, removed=removed)


def alone(shop: ShopHome) -> AbstractContextManager[None]:
    """One process at a time changes the shop's published nights; a dead one holds nothing."""
    shop.nights.mkdir(parents=True, exist_ok=True)
    return held(
        FileLock(shop.nights / ".publish.lock", timeout=PUBLISH_LOCK_SECONDS),
        lambda: (
            f"Another process has been publishing into {shop.nights} for {PUBLISH_LOCK_SECONDS} s."
        ),
        "Let it finish, or end it, then run this again.",
    )


def _publish_locked(attempt: Attempt, more: dict) -> Publication:
    refuse_no_link(attempt.shop)
    _sweep(attempt.shop)
    before = [p for p in published(attempt.shop) if p.night == attempt.night]
    _fence(attempt, before)
    already = any(p.attempt == attempt.number for p in before)
    if not already:
        _write_night(attempt, more)
    night = PublishedNight(attempt.night, attempt.number, attempt.published)
    _read_back(night)
    is_current = _point(attempt.shop, night)
    rows = sum(t["rows"] for t in night.manifest["tables"].values())
    return Publication(night.path, rows, already, is_current)


def _newest(shop: ShopHome) -> date:
    return max(p.night for p in published(shop))


def _sweep(shop: ShopHome) -> None:
    # With two dots: what an atomic write had beside an incoming page.
    kinds = (".incoming-*", "..incoming-*", ".current-*", f"{LEAVING}*")
    lefts = [left for kind in kinds for left in shop.nights.glob(kind)]
    for left in [*lefts, *shop.attempts.glob(f"{LEAVING}*")]:
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _fence(attempt: Attempt, before: list[PublishedNight]) -> None:
    newest = max((p.attempt for p in before), default=0)
    if attempt.number < newest:
        raise StaleAttempt(
            f"Attempt {attempt.number} at night {attempt.night} comes after attempt {newest} was"
            " published; nothing was changed.",
            "Nothing to mend: the newer attempt stands. To replace it, start a new night run.",
        )


def _write_night(attempt: Attempt, more: dict) -> None:
    if attempt.published.exists():
        raise StorageError(
            f"{attempt.published} has no manifest: something has been taken out of it.",
            "Remove that folder, then publish again.",
        )
    incoming = attempt.shop.nights / f".incoming-{attempt.night}-{attempt.number}"
    incoming.mkdir()
    tables = _write_tables(attempt, incoming)
    write_manifest(incoming / "manifest.json", _manifest(attempt, tables, more))
    for path in incoming.iterdir():
        sync_file(path)
    sync_directory(incoming)
    attempt.published.parent.mkdir(exist_ok=True)
    incoming.rename(attempt.published)
    sync_directory(attempt.published.parent)
    sync_directory(attempt.shop.nights)


def _write_tables(attempt: Attempt, folder: Path) -> dict[str, dict]:
    """Ordered Parquet: equal tables are equal bytes. By how many threads they are written changes none:
    DuckDB cuts its row groups by place, not by thread."""
    tables = {}
    with connect(attempt.database) as db:
        for name in TABLES:
            schema, order = _place(name)
            path = folder / f"{name}.parquet"
            db.execute(f"copy (from {schema}.{name} order by {order}) to {literal(path)} {PARQUET}")
            columns = db.execute(f"describe {schema}.{name}").fetchall()
            rows = db.execute(f"select count(*) from {schema}.{name}").fetchall()[0][0]
            tables[path.name] = {
                "rows": rows,
                "sha256": sha256_of(path),
                "columns": {c[0]: c[1] for c in columns},
            }
    _check_schema(tables)
    return tables


def _place(name: str) -> tuple[str, str]:
    if name in SHELVES:
        return "recommendations", "context_type, context_id, rank"
    if name in AUDIENCE:
        return "audience", ", ".join(AUDIENCE_KEYS[name])
    return "reports", "all"


def _check_schema(tables: dict[str, dict]) -> None:
    promised = dict.fromkeys(SHELVES, SHELF) | AUDIENCE
    for name, schema in promised.items():
        found = tables[f"{name}.parquet"]["columns"]
        if list(found.items()) != list(schema.items()):
            raise StorageError(
                f"{name} has columns {found}, the published schema is {schema}.",
                f"Mend the model in dbt_project/models/{_place(name)[0]}.",
            )


def _manifest(attempt: Attempt, tables: dict[str, dict], more: dict) -> dict:
    return {
        "night": attempt.night.isoformat(),
        "attempt": attempt.number,
        "tables": tables,
        "code": {
            "nightshelf": nightshelf.__version__,
            "python": platform.python_version(),
            "requirements_lock_sha256": sha256_of(PROJECT / "requirements.lock"),
        },
        **more,
    }


def _read_back(night: PublishedNight) -> None:
    wrong = damage(night)
    if wrong:
        raise StorageError(
            f"{night.path} does not read back as written: {'; '.join(wrong)}; readers still see the"
            " night before.",
            "Check the disk, then run the night again.",
        )


def _point(shop: ShopHome, night: PublishedNight) -> bool:
    """Moves `current` forward. An older night than the one readers see does not take its place, nor
    does one that was taken back."""
    if night.name in withdrawn(shop):
        return False
    now = readers_see(shop)
    if now is not None and (now.night, now.attempt) > (night.night, night.attempt):
        return False
    point_at(shop, night)
    return True


def refuse_no_link(shop: ShopHome) -> None:
    """Raises StorageError where something lies in the pointer's place that no rename replaces."""
    if shop.current.is_dir() and not shop.current.is_symlink():
        raise StorageError(
            f"{shop.current} is a folder, where the link that leads readers to their night belongs.",
            "Move that folder away, then run this again.",
        )


def point_at(shop: ShopHome, night: PublishedNight) -> None:
    """Readers see that night, by one rename."""
    beside = shop.nights / f".current-{os.getpid()}"
    beside.unlink(missing_ok=True)  # a killed roll-back's: in a container numbers come again
    beside.symlink_to(night.path.relative_to(shop.nights))
    beside.replace(shop.current)
    sync_directory(shop.nights)


def inputs_of(attempt: Attempt) -> dict[str, str]:
    """Landing file → sha256, of all that the attempt could read."""
    with connect(attempt.database) as db:
        rows = db.execute(
            "select source || ':' || name, sha256 from raw.files order by 1"
        ).fetchall()
    return dict(rows)
