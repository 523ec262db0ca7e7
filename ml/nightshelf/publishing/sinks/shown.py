"""What a sink shows, in the one row of its table `current_night`; and whether tonight may replace it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nightshelf.errors import StaleAttempt
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight, current
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.storage import sha256_of

POINTER = "current_night"
"""The table, of one row: night, attempt, manifest_sha256, loaded_at."""


@dataclass(frozen=True)
class Shown:
    night: date
    attempt: int
    manifest_sha256: str

    @property
    def name(self) -> str:
        return f"{self.night}/{self.attempt}"


def shown_as(night: PublishedNight) -> Shown:
    return Shown(night.night, night.attempt, sha256_of(night.path / "manifest.json"))


def is_behind(shop: ShopHome, now: Shown | None, wanted: Shown) -> bool:
    """May `wanted` replace what the sink shows? The rule of publishing's fence: a newer night stays, a
    newer attempt at the same night is an error; but a night that was taken back gives way. To be asked
    with the sink's lock: where readers of the files have moved on meanwhile, whoever moved them delivers.

    Raises StaleAttempt.
    """
    seen = current(shop)
    if seen is None or seen.name != wanted.name:
        return False
    if now is None or now.name in withdrawn(shop):
        return True
    if now.night == wanted.night and now.attempt > wanted.attempt:
        raise StaleAttempt(
            f"The sink shows attempt {now.attempt} at night {now.night}, and readers of the files see"
            f" attempt {wanted.attempt}; the sink was not changed.",
            "Nothing to mend where another home fills that sink; else run the night again.",
        )
    return now.night <= wanted.night
