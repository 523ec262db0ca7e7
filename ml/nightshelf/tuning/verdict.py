"""Which of a challenger's settings become champion, source by source, from the next night on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nightshelf.evaluation import Interval, paired_difference_interval
from nightshelf.judging.quality import SEED
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import Pinned, pinned
from nightshelf.ranking.recipe import RANKER
from nightshelf.registry import Registry
from nightshelf.settings.models import OF_RANKER
from nightshelf.tuning.store import Ruling, SettingsStore
from nightshelf.tuning.tried import PerUser, read_tried


@dataclass(frozen=True)
class Compared:
    """A changed source in one view: nDCG@10 under challenging less under present settings."""

    name: str
    view: str
    difference: Interval

    @property
    def told(self) -> str:
        return f"{self.name} ({self.view}) {self.difference.told()}"

    @property
    def is_surely_worse(self) -> bool:
        return self.difference.high < 0

    @property
    def is_surely_better(self) -> bool:
        return self.difference.low > 0


@dataclass(frozen=True)
class Judged:
    """A night's word on a version of settings."""

    version: str
    verdict: str
    """"promoted", "in part", "refused", or "" where nothing could be decided."""
    why: str
    held: tuple[str, ...] = ()
    """What is promoted, where not all is."""
    compared: tuple[Compared, ...] = ()

    @property
    def told(self) -> str:
        how = self.verdict or "left for a later night"
        if self.verdict == "in part":
            how = f"promoted in part ({', '.join(self.held)})"
        more = ", from the next night on" if self.verdict in ("promoted", "in part") else ""
        return f"settings version {self.version} {how}{more}"

    def report(self) -> dict:
        """For quality.json."""
        return asdict(self) | {"told": self.told}


def compare(tried: PerUser) -> tuple[Compared, ...]:
    """Paired by user, as the gate compares models."""
    return tuple(
        Compared(name, view, paired_difference_interval(then, now, SEED))
        for (name, view), (now, then) in tried.items()
    )


def holds(views: Sequence[Compared]) -> bool:
    """A changed source holds where it is surely worse in no view, and surely better in one or lower in
    none."""
    if not any(c.difference.n_users for c in views) or any(c.is_surely_worse for c in views):
        return False
    lower = any(c.difference.mean < 0 for c in views)
    return any(c.is_surely_better for c in views) or not lower


def sorted_out(compared: Sequence[Compared]) -> tuple[list[str], str]:
    """The changed sources that hold, and in words what did and what did not."""
    by_name: dict[str, list[Compared]] = {}
    for each in compared:
        by_name.setdefault(each.name, []).append(each)
    held = [name for name, views in by_name.items() if holds(views)]
    told = {True: [], False: []}
    for name, views in by_name.items():
        told[name in held].extend(c.told for c in views if c.difference.mean)
    parts = [f"held: {', '.join(told[True])}"] if held else []
    parts += [f"did not hold: {', '.join(told[False])}"] if len(held) < len(by_name) else []
    return held, "; ".join(parts)


def judge_settings(registry: Registry, attempt: Attempt) -> Judged | None:
    """The verdict on the attempt's challenger, written to its version; None where there is none."""
    going_by = pinned(attempt)
    if going_by.challenger is None:
        return None
    number, trouble = going_by.challenger.version, going_by.challenger.trouble
    compared = compare(read_tried(attempt))
    held, why = sorted_out(compared)
    store = SettingsStore(registry)
    if trouble or not going_by.changed:
        ruling = Ruling("refused", trouble or "it says nothing that is not so already")
    elif not any(c.difference.n_users for c in compared):
        why = "nobody to examine it on: too short a history"
        return Judged(number, "", why, compared=compared)
    else:
        ruling = _ruling(store, going_by, held, why)
    folder = attempt.models / f"held_{attempt.night}"
    verdict, why = store.judge(number, attempt.night, going_by.champion, ruling, folder)
    return Judged(number, verdict, why, tuple(held), compared)


def _ruling(store: SettingsStore, going_by: Pinned, held: Sequence[str], why: str) -> Ruling:
    if not held:
        return Ruling("refused", why)
    lost = [table for table in going_by.changed if _subject(table) not in held]
    if not lost:
        return Ruling("promoted", why)
    return Ruling(
        "in part", why, store.without(going_by.challenger.version, lost, going_by.version)
    )


def _subject(table: str) -> str:
    return RANKER if table in OF_RANKER else table
