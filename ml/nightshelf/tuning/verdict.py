"""Whether a challenger of settings becomes champion: from the next night on, or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from nightshelf.evaluation import Interval, paired_difference_interval
from nightshelf.paths import Attempt
from nightshelf.pinned import Pinned, pinned
from nightshelf.quality import SEED
from nightshelf.registry import Registry
from nightshelf.tuning.store import SettingsStore
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


@dataclass(frozen=True)
class Judged:
    """A night's word on a version of settings."""

    version: str
    verdict: str
    """"promoted", "refused", or "" where nothing could be decided."""
    why: str
    compared: tuple[Compared, ...] = ()

    @property
    def told(self) -> str:
        how = self.verdict or "left for a later night"
        more = ", from the next night on" if self.verdict == "promoted" else ""
        return f"settings version {self.version} {how}{more}"

    def report(self) -> dict:
        """For quality.json."""
        return asdict(self)


def compare(tried: PerUser) -> tuple[Compared, ...]:
    """Paired by user, as the gate compares models."""
    return tuple(
        Compared(name, view, paired_difference_interval(then, now, SEED))
        for (name, view), (now, then) in tried.items()
    )


def decide(compared: Sequence[Compared]) -> tuple[bool, str]:
    """Promoted where nothing that changed is surely worse in any view, and something is surely better
    or nothing is lower on average; and why."""
    worse = [c.told for c in compared if c.difference.high < 0]
    better = [c.told for c in compared if c.difference.low > 0]
    lower = [c.told for c in compared if c.difference.mean < 0]
    if worse:
        return False, f"surely worse: {', '.join(worse)}"
    if better:
        return True, f"nothing is surely worse; surely better: {', '.join(better)}"
    if lower:
        return False, f"nothing is surely better; lower: {', '.join(lower)}"
    return True, f"nothing is lower: {', '.join(c.told for c in compared)}"


def judge_settings(registry: Registry, attempt: Attempt) -> Judged | None:
    """The verdict on the attempt's challenger, written to its version; None where there is none."""
    going_by = pinned(attempt)
    if going_by.challenger is None:
        return None
    return _judge(SettingsStore(registry), going_by, compare(read_tried(attempt)), attempt)


def _judge(
    store: SettingsStore, going_by: Pinned, compared: tuple[Compared, ...], attempt: Attempt
) -> Judged:
    number, trouble = going_by.challenger.version, going_by.challenger.trouble
    if trouble or not going_by.changed:
        promoted, why = False, trouble or "it says nothing that is not so already"
    elif not any(c.difference.n_users for c in compared):
        return Judged(number, "", "nobody to examine it on: too short a history", compared)
    else:
        promoted, why = decide(compared)
    verdict, why = store.judge(number, attempt.night, going_by.version, promoted, why)
    return Judged(number, verdict, why, compared)


def told_of(judged: Mapping) -> str:
    """What `show` says of quality.json's `settings`."""
    how = judged["verdict"] or "left for a later night"
    return f"Settings, version {judged['version']}: {how}. {judged['why']}"
