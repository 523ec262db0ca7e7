"""What is kept: published nights by number and age, attempts by number. A home does not grow for ever.

Never removed: the night that readers see, the one that a roll-back leads to, the attempts that made them,
and what a night may be working on. A folder is renamed before its files go, so that a removal cut short
leaves no half night; the next publish sweeps the rest.
"""

from __future__ import annotations

import shutil
import time
from datetime import date, timedelta
from pathlib import Path

from nightshelf.paths import Attempt, ShopHome
from nightshelf.publishing.nights import PublishedNight, current, published
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.settings.shop import Keep
from nightshelf.storage import sync_directory

LEAVING = ".leaving-"
AT_WORK_SECONDS = 24 * 3600
"""An attempt that was touched so lately, and has neither failed nor been published, may be at work."""


def prune(shop: ShopHome, keep: Keep, today: date, working: str = "") -> list[str]:
    """Removes what is beyond `keep`; returns its names. Ages are counted in nights before `today`, the
    newest night published. To be called with the lock of `publish`, and the name of the attempt that
    calls: its steps have not all ended."""
    seen = current(shop)
    if seen is None:
        return []
    dear = [seen, *before(shop, seen)]
    old = _superfluous(published(shop), keep, today)
    gone = [n for n in old if n not in dear and n.name != working]
    for night in gone:
        _remove(night.path)
    attempts = _old_attempts(shop, keep.attempts, {working, *(n.name for n in dear)})
    for attempt in attempts:
        _remove(attempt.root)
    return [n.name for n in gone] + [f"attempt {a.night}/{a.number}" for a in attempts]


def before(shop: ShopHome, now: PublishedNight) -> list[PublishedNight]:
    """Where a roll-back leads, as a list of one or none: the newest before `now` that was not taken
    back."""
    back = withdrawn(shop)
    return [n for n in published(shop) if n < now and n.name not in back][-1:]


def _superfluous(nights: list[PublishedNight], keep: Keep, today: date) -> list[PublishedNight]:
    oldest = today - timedelta(days=keep.days)
    return [
        night
        for place, night in enumerate(reversed(nights), start=1)
        if place > keep.nights or night.night < oldest
    ]


def _old_attempts(shop: ShopHome, n: int, dear: set[str]) -> list[Attempt]:
    """All but the `n` that were written to last."""
    found = [shop.attempt_in(folder) for folder in shop.attempts.glob("????-??-??/*")]
    newest_first = sorted((a for a in found if a is not None), key=_touched, reverse=True)
    old = [a for a in newest_first[n:] if f"{a.night}/{a.number}" not in dear]
    return [a for a in old if not _may_be_at_work(a)]


def _may_be_at_work(attempt: Attempt) -> bool:
    """A killed one looks the same for a day."""
    ends = ("publish.json", "*.failed.json")
    has_ended = attempt.published.exists() or any(
        found for end in ends for found in attempt.stages.glob(end)
    )
    return not has_ended and time.time() - _touched(attempt) < AT_WORK_SECONDS


def _touched(attempt: Attempt) -> float:
    places = (attempt.root, attempt.stages, attempt.models, attempt.scores)
    return max(p.stat().st_mtime for p in places if p.exists())


def _remove(folder: Path) -> None:
    leaving = folder.parent.parent / f"{LEAVING}{folder.parent.name}-{folder.name}"
    folder.rename(leaving)
    sync_directory(folder.parent)
    shutil.rmtree(leaving)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()
