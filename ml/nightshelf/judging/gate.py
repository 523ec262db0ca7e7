"""The gate: tonight's model against the baselines and the champion, and who serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nightshelf.evaluation import Interval
from nightshelf.judging.quality import BASELINES, CHAMPION, GATE_METRIC, Contender, rehearsed
from nightshelf.ranking.choice import Rehearsal
from nightshelf.ranking.recipe import RANKER

MARGIN = 0.02
"""A challenger may be worse by this share of the champion's figure, at the lower bound. Two
trainings of one model on neighbouring nights differ by about 1 %: without a margin none of them
could ever replace the other, and the champion would age for ever."""

ONE_SIDED = 0.90
"""The ranker has to be better than the best single source, which asks one side only: the lower end
of a 90 % interval is passed by chance once in twenty times."""


@dataclass(frozen=True)
class Comparison:
    """The challenger less another contender, on the gate's metric."""

    against: str
    difference: Interval

    @property
    def is_worse(self) -> bool:
        """Surely: the whole interval is below zero."""
        return self.difference.high < 0

    @property
    def told(self) -> str:
        if not self.difference.n_users:
            return f"not to be compared with {self.against}: nobody took anything"
        sure = "better than" if self.difference.low > 0 else "not surely better than"
        how = "worse than" if self.is_worse else sure
        return f"{how} {self.against}: {self.difference.told()}"


@dataclass(frozen=True)
class Verdict:
    """Who was tonight's challenger, who serves, and why, in words."""

    challenger: str | None
    """None where no model could be examined."""
    serves: str
    """The challenger's name, "champion", or a baseline's."""
    why: str
    comparisons: tuple[Comparison, ...] = field(default=())
    """Challenger less each baseline that speaks, and less the champion where it competes."""
    warning: str = ""
    """What somebody should look at, though the night goes on."""

    @property
    def promoted(self) -> bool:
        """The challenger takes the champion's place."""
        return self.challenger is not None and self.serves == self.challenger


def judge(
    found: Sequence[Contender],
    champion_stays: str = "",
    rehearsal: Rehearsal | None = None,
) -> Verdict:
    """Tonight's model against the baselines and the champion.

    Whether that model is the ranker is judged over the rehearsal's window too, if there is one.

    It is refused where it is surely worse than a baseline (paired interval below zero) or below it by
    more than MARGIN, and where it may be worse than the champion by more than MARGIN. Refused, the champion serves; without one the
    better baseline does. `champion_stays`, if given, says why the champion is not to be replaced
    whatever is found.
    """
    by_name = {c.name: c for c in found}
    champion = by_name.get(CHAMPION)
    challenger, because = _challenger(found, rehearsed(found, rehearsal))
    bars = [by_name[b] for b in BASELINES if b in by_name]
    baseline = strongest(bars).name if bars else BASELINES[-1]
    if challenger is None:
        return _refused(None, because, (), champion, bars, baseline)
    against = [Comparison(c.name, challenger.less(c)) for c in bars]
    failed = any(_falls_short(a, bar) for a, bar in zip(against, bars, strict=True))
    if champion is not None:
        against.append(Comparison(CHAMPION, challenger.less(champion)))
    others = [a.told for a in against if a.against != CHAMPION and a.told not in because]
    where = "on the newest window " if others and " over two windows" in because else ""
    told = "; ".join([because, *([where + "; ".join(others)] if others else [])])
    if failed:
        return _refused(challenger.name, told, tuple(against), champion, bars, baseline)
    if champion is None:
        told = f"{told}; so it passes the baselines, and there was no champion"
        return Verdict(challenger.name, challenger.name, told, tuple(against))
    return _against_champion(challenger, champion, told, tuple(against), bars, champion_stays)


def _falls_short(comparison: Comparison, bar: Contender) -> bool:
    """Chance does not excuse a source that lies well below what needs no learning."""
    difference = comparison.difference
    below = difference.mean < -MARGIN * bar.mean(GATE_METRIC)
    return not difference.n_users or comparison.is_worse or below


def _against_champion(
    challenger: Contender,
    champion: Contender,
    told: str,
    against: tuple[Comparison, ...],
    bars: list[Contender],
    champion_stays: str,
) -> Verdict:
    diff = against[-1].difference
    allowed = -MARGIN * champion.gate.mean
    passes = diff.low >= allowed
    how = "not worse than" if passes else "may be worse than"
    told = f"{told}; against the champion {diff.told()}, {how} the allowed {allowed:+.4f}"
    if passes and not champion_stays:
        return Verdict(challenger.name, challenger.name, told, against)
    told = f"{champion_stays}; {told}" if champion_stays else told
    return Verdict(challenger.name, CHAMPION, told, against, _weak(champion, bars))


def _refused(
    challenger: str | None,
    told: str,
    against: tuple[Comparison, ...],
    champion: Contender | None,
    bars: list[Contender],
    baseline: str,
) -> Verdict:
    if champion is not None:
        told = f"{told}; no model is good enough tonight, so the champion goes on"
        return Verdict(challenger, CHAMPION, told, against, _weak(champion, bars))
    told = f"{told}; no model is good enough, and there is no champion, so {baseline} serves"
    return Verdict(challenger, baseline, told, against)


def _weak(champion: Contender, bars: list[Contender]) -> str:
    """A champion that goes on though a baseline is surely better."""
    for bar in bars:
        diff = Comparison(bar.name, champion.less(bar))
        if diff.is_worse:
            return (
                f"the champion serves and is {diff.told}. To let {bar.name} serve until a model"
                " passes, delete the alias `champion` in MLflow"
            )
    return ""


def _challenger(
    found: Sequence[Contender], over_all: Mapping[str, Contender]
) -> tuple[Contender | None, str]:
    """The ranker where it surely beats the best single source, over all windows that it had not
    learnt from; else the best that has learnt."""
    singles = [c for c in found if c.name not in (RANKER, CHAMPION)]
    learnt = [c for c in singles if c.name not in BASELINES]
    trained = next((c for c in found if c.name == RANKER), None)
    best = strongest(learnt) if learnt else None
    if trained is None:
        told = f"the best learnt source, {best.name}" if best else "nothing that has learnt"
        return best, f"no ranker (too few labels), so {told}"
    if not singles:
        return trained, "the ranker alone proposes anything"
    single = strongest([over_all[c.name] for c in singles if c.name in over_all])
    versus = Comparison(single.name, over_all[RANKER].less(single, level=ONE_SIDED))
    windows = "" if over_all[RANKER].per_user is trained.per_user else " over two windows"
    told = (
        f"of single sources {single.name} is the best{windows} ({single.mean(GATE_METRIC):.4f}), and the"
        f" ranker is {versus.told} there (90 % interval)"
    )
    if versus.difference.low > 0:
        return trained, told
    return best, f"{told}; so the challenger is {best.name}" if best else told


def strongest(some: Sequence[Contender]) -> Contender:
    """Equal or undefined quality: the earlier one."""
    return max(some, key=lambda c: np.nan_to_num(c.mean(GATE_METRIC), nan=-1.0))


def limits(found: Sequence[Contender], challenger: str | None) -> list[str]:
    """For which cohorts of users the challenger is surely worse than a baseline."""
    by_name = {c.name: c for c in found}
    mine = by_name.get(challenger)
    if mine is None:
        return []
    names = [m for m in mine.per_user if m.startswith(f"{GATE_METRIC}/users/")]
    compared = [
        (m.rsplit("/", 1)[1], Comparison(b, mine.less(by_name[b], m)))
        for m in names
        for b in BASELINES
        if b in by_name
    ]
    return [f"For {who} users it is {c.told}" for who, c in compared if c.is_worse]
