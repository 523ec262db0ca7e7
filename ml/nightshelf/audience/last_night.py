"""Last night's segments, as they were published: what tonight's numbers and names go on from."""

from __future__ import annotations

import duckdb
import numpy as np

from nightshelf.audience.segments import LastNight
from nightshelf.errors import StorageError
from nightshelf.paths import Attempt
from nightshelf.publishing.nights import PublishedNight, published
from nightshelf.storage import sha256_of

FILE = "user_segments.parquet"


def last_segments(attempt: Attempt) -> tuple[LastNight | None, str]:
    """The newest whole segments of an earlier night, and which night that was, in words.

    Earlier, not latest: a second attempt at a night begins where the first one did, and makes the
    same table. A night whose file is missing or was touched is passed over.
    """
    for night in reversed(published(attempt.shop)):
        if night.night < attempt.night:
            found = _read(night)
            if found is not None:
                return found, f"numbers and names go on from night {night.night}"
    return None, "no earlier night has segments"


def _read(night: PublishedNight) -> LastNight | None:
    path = night.path / FILE
    try:
        manifest = night.manifest
        if sha256_of(path) != manifest["tables"][FILE]["sha256"]:
            return None
    except (StorageError, OSError, KeyError):
        return None
    rows = duckdb.execute(
        "select user_id, segment, name from read_parquet($path) order by user_id",
        {"path": str(path)},
    ).fetchall()
    if not rows:
        return None
    users, numbers, names = zip(*rows, strict=True)
    highest = manifest.get("audience", {}).get("highest_segment", 0)
    return LastNight(
        np.array(users, dtype=object),
        np.array(numbers, dtype=np.int32),
        dict(zip(numbers, names, strict=True)),
        max(highest, max(numbers)),
    )
