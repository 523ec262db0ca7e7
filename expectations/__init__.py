"""What Nightshelf refuses, and why: one module a door, one `Rule` a promise.

Nothing here imports Great Expectations; the suites (`raw`, `features`, `shelves`) do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from nightshelf.columns import SHELVES
from nightshelf.night import ROLES, Night
from nightshelf.settings.exploration import Exploration
from nightshelf.settings.rules import Rules

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

__all__ = ["DOORS", "SHELVES", "DoorContext", "Rule"]

DOORS = ("raw", "features", "shelves")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class DoorContext:
    """What the doors know of the night, and how far the data may stray. Shares lie in 0..1."""

    night: date
    as_of_utc: datetime
    """Midnight at the start of `night` in the shop's zone, as UTC; aware, or naive and UTC."""
    previous: Path | None = None
    """Directory with the last published `<shelf>.parquet`; None on a shop's first night."""
    shelves: tuple[str, ...] = SHELVES
    """The shelves tonight makes. A shop whose logs cannot feed a shelf leaves it out."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Shelf → the slots of its lists, as the shop file says tonight: of last night's longer ones no more is
    wanted back."""
    is_personal: bool = True
    """False where popular items, the same for all, stand in for personal lists."""
    target_event: str = "purchase"
    """The event that shelves are made to bring about."""
    now_utc: datetime = field(default_factory=_now)
    rules: Rules = field(default_factory=Rules)
    """The shop's own, with the lines that hold on the night: each is looked for in every list."""
    exploration: Exploration = field(default_factory=Exploration)
    """What the shop leaves to chance."""

    zone: tzinfo = UTC
    """The shop's: its days and hours are judged by its own clock."""
    new_files: tuple[str, ...] | None = None
    """Ids of the files that the last published night did not read; their days are judged. None on a
    first night, when all are new: the last day is judged, by the days before it."""
    gone_files: tuple[str, ...] = ()
    """Ids of files whose rows are kept, and that lie in the landing folder no more: what another file repeats of
    them is no second delivery."""
    quiet_days: tuple[str, ...] = ()
    """Days, as YYYY-MM-DD or each year's MM-DD, that may be as small as they like."""
    learn_from: date | None = None
    """The first day that bands are learnt from; None: as far back as they reach."""
    catalogue_before: tuple[Mapping[str, float], ...] = ()
    """The catalogue's figures on the last published nights, newest first."""

    max_lag_days: int = 3
    """GA4 rewrites its tables for up to three days."""
    max_quarantined_share: float = 0.05
    max_anonymous_share: float = 0.5
    max_duplicate_share: float = 0.2
    """Collectors retry; one event in five twice is a loop, not a retry."""
    min_volume_share: float = 0.2
    """A bank holiday halves a day; a fifth of the usual day is a broken export, whatever was learnt."""
    max_quantity: int = 100_000
    """Pieces of a line. The largest honest one known to us is 80,995 (UCI Online Retail), and its refund; a shop
    that allows more in its `cleaning` is believed."""
    max_price: float = 100_000.0
    """Of one piece that was bought or given back: the shop's `cleaning.max_price`, above which cleaning drops it."""
    max_quarantined_of_file: float = 0.5
    """A file of which half is refused has another format than its source says."""
    max_first_rank_share: float = 0.5
    min_users_served: float = 0.95
    min_contexts_of_previous: float = 0.8
    min_rows_of_previous: float = 0.5

    @property
    def as_ofs(self) -> dict[str, date]:
        """The dates the features are built as of, by role."""
        night = Night(self.night, self.zone)
        return {role: night.as_of(role) for role in ROLES}

    def quiet_nights(self) -> list[date]:
        """The quiet days among the nine weeks before the night."""
        days = [self.night - timedelta(days=back) for back in range(1, 64)]
        return [d for d in days if {d.isoformat(), f"{d:%m-%d}"} & set(self.quiet_days)]


@dataclass(frozen=True)
class Rule:
    """One promise about one table, and what a person does when it is broken."""

    name: str
    """A fact in snake case: `events_reach_the_night`."""
    table: str
    expectation: Expectation
    reason: str
    """Why we refuse to go on without it."""
    next_step: str
    """One imperative sentence."""
    over: str | None = None
    """The SQL the batch is made of; None takes the whole of `table`."""
    figures: str | None = None
    """SQL over `{batch}` with one row: what was measured, shown when the rule holds, too."""
    listed: str | None = None
    """SQL over `{batch}` with a row for each figure; all are shown, also when the rule holds."""
    shown: tuple[str, ...] = ()
    """Columns shown beside a refused value. SQL expectations choose their own."""
    guards_table: bool = False
    """When it fails, the table's other rules are skipped: they would repeat it, or raise."""

    @property
    def batch_sql(self) -> str:
        return self.over or f"SELECT * FROM {self.table}"
