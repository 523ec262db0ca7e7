"""What the doors learn from nights that were published: which files they read, and their catalogues."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nightshelf.errors import StorageError
from nightshelf.paths import Attempt, ShopHome
from nightshelf.publishing.nights import PublishedNight, published
from nightshelf.warehouse import connect

NIGHTS = 8
"""A median of eight nights stands three bad catalogues."""


def new_files(attempt: Attempt, before: PublishedNight) -> tuple[str, ...]:
    """Ids of the files that the published night did not read, or read with other content."""
    known = before.manifest.get("inputs", {})
    with connect(attempt.database) as db:
        rows = db.execute(
            "SELECT file_id, source || ':' || name, sha256 FROM raw.files ORDER BY file_id"
        ).fetchall()
    return tuple(file_id for file_id, name, sha256 in rows if known.get(name) != sha256)


def gone_files(attempt: Attempt, landing: Path) -> tuple[str, ...]:
    """Ids of the files that lie in the landing folder no more, as it is now: a twin that the door found is taken away
    before the door is asked again."""
    with connect(attempt.database) as db:
        rows = db.execute("SELECT file_id, name FROM raw.files ORDER BY file_id").fetchall()
    return tuple(file_id for file_id, name in rows if not (landing / name).exists())


def catalogues(
    shop: ShopHome, night: date, since: date | None = None
) -> tuple[dict[str, float], ...]:
    """The catalogue's figures of the last nights published before this one, newest first.

    A night counts once, with its last attempt. One without a readable manifest is passed over, and so
    are those of before `since`: what changed on that day was meant.
    """
    since = since or date.min
    last = {p.night: p for p in published(shop) if since <= p.night < night}
    return tuple(filter(None, (_catalogue(last[n]) for n in sorted(last, reverse=True)[:NIGHTS])))


def _catalogue(night: PublishedNight) -> dict[str, float]:
    try:
        return night.manifest.get("catalogue", {})
    except StorageError:
        return {}


def catalogue_of(attempt: Attempt) -> dict[str, float | None]:
    """Measure → figure, for the manifest. Rounded: a mean's last digits depend on the threads."""
    with connect(attempt.database) as db:
        rows = db.execute("SELECT measure, observed FROM raw.catalogue_profile").fetchall()
    return {measure: None if v is None else round(v, 6) for measure, v in rows}
