"""One subject's search: Optuna's TPE over time folds, the present settings as its first trial.

A trial's value is its nDCG@10 over that of the present settings, mean over folds and views: views and
folds of other levels have an equal say, and 1 means as good as now. Where a view is lower than now, the
trial is worth no more than that view: the night would not let one be bought with the other. Equal seeds
and numbers of trials give equal searches, unless time runs out before. Sources: Bergstra et al. 2011 (TPE); Akiba et al.
2019 (Optuna), its median pruning between folds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from nightshelf.errors import ModelError, SettingsError
from nightshelf.progress import counted
from nightshelf.settings.models import Changes, ModelSettings
from nightshelf.tuning.folds import Fold
from nightshelf.tuning.space import Range, changes_of, values_of

if TYPE_CHECKING:
    from optuna import Study, Trial

SEED = 20171201
MARGIN = 0.01
"""A setting must be better by this share of the present one's figure: two fits of one model on
neighbouring nights differ by as much, and the best of many trials is partly the luckiest."""
NO_TIME = "no time was left"
FEWEST_TO_EXPLAIN = 12
"""Trials, below which the importance of a setting is chance."""

Measure = Callable[[ModelSettings, int], Mapping[str, float]]
"""(settings, number of the fold) → view → mean nDCG@10."""


class OutOfTime(Exception):
    """Raised by a measure that cannot end in time."""


NOT_TO_BE_FITTED = (SettingsError, ModelError, ArithmeticError, MemoryError)
"""One such trial ends, not the search."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is searched: its ranges, and how a trial of it is measured."""

    name: str
    ranges: tuple[Range, ...]
    n_folds: int
    measure: Measure
    share: float = 1.0
    """Of the budget, beside the others'."""


@dataclass(frozen=True)
class TrialTold:
    """One trial. `value` is None for one that was given up."""

    number: int
    values: Mapping[str, Any]
    value: float | None
    state: str


@dataclass(frozen=True)
class Found:
    """A subject's search as it ended."""

    subject: str
    told: str
    changes: Changes = field(default_factory=dict)
    """Empty where the present settings stay."""
    value: float = 1.0
    """Of the best trial."""
    present: Mapping[str, float] = field(default_factory=dict)
    """View → nDCG@10 of the present settings, mean over folds."""
    best: Mapping[str, float] = field(default_factory=dict)
    trials: Sequence[TrialTold] = ()
    importances: Mapping[str, float] = field(default_factory=dict)
    """Range → its share of what made trials differ; empty where it was not measured."""
    seconds: float = 0.0


def source_subject(name: str, ranges: tuple[Range, ...], folds: Sequence[Fold]) -> Subject:
    """A candidate model on its own."""

    def measure(settings: ModelSettings, n: int) -> dict[str, float]:
        model = settings.model(name).fit(folds[n].seen)
        return {view: mean(values) for view, values in folds[n].measure(model).items()}

    return Subject(name, ranges, len(folds), measure)


def mean(values: np.ndarray) -> float:
    """Over users with something relevant; 0 without any."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def search(
    subject: Subject,
    settings: ModelSettings,
    trials: int,
    seconds: float,
    tell: Callable[[str], None] = lambda told: None,
) -> Found:
    """At most so many trials, the present settings among them; none begins once time is out."""
    started = time.monotonic()
    if trials < 1 or seconds <= 0:
        return Found(subject.name, NO_TIME)
    try:
        present = [subject.measure(settings, n) for n in range(subject.n_folds)]
    except OutOfTime:
        return Found(subject.name, NO_TIME, seconds=round(time.monotonic() - started, 1))
    if not any(value > 0 for fold in present for value in fold.values()):
        return Found(subject.name, "its present lists hit nothing, so nothing can be compared")
    study = _study(subject, settings)
    course = _Course(subject, settings, present, tell, trials)
    left = seconds - (time.monotonic() - started)
    if trials > 1 and left > 0:
        study.optimize(course.trial, trials - 1, timeout=left, callbacks=[course.after])
    return _found(subject, settings, study, course, time.monotonic() - started)


def _study(subject: Subject, settings: ModelSettings) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=SEED ^ crc32(subject.name.encode())),
        pruner=optuna.pruners.MedianPruner(),
    )
    now = values_of(subject.ranges, settings)
    # Present settings beyond the ranges are what trials are held against, but teach TPE nothing.
    if all(each.holds(now[each.name]) for each in subject.ranges):
        first = optuna.trial.create_trial(
            params=now,
            distributions={each.name: each.distribution() for each in subject.ranges},
            value=1.0,
            intermediate_values=dict.fromkeys(range(subject.n_folds), 1.0),
        )
        study.add_trial(first)
    return study


@dataclass(eq=False)
class _Course:
    """The objective, and what it has measured."""

    subject: Subject
    settings: ModelSettings
    present: list[Mapping[str, float]]
    tell: Callable[[str], None]
    trials: int
    measured: dict[tuple, list[Mapping[str, float]]] = field(default_factory=dict)
    """Values → figures by fold: what TPE asks for again is not fitted again."""

    def trial(self, trial: Trial) -> float:
        import optuna

        values = {each.name: each.suggest(trial) for each in self.subject.ranges}
        figures = self.measured.setdefault(self.key(values), [])
        for n in range(self.subject.n_folds):
            if n == len(figures):
                figures.append(self._measure(values, n))
            trial.report(self._relative(figures, n + 1), n)
            if n + 1 < self.subject.n_folds and trial.should_prune():
                raise optuna.TrialPruned
        return self._relative(figures, self.subject.n_folds)

    def _measure(self, values: Mapping[str, Any], n: int) -> Mapping[str, float]:
        import optuna

        try:
            changes = changes_of(self.subject.ranges, values)
            return self.subject.measure(self.settings.changed(changes, self.subject.name), n)
        except (*NOT_TO_BE_FITTED, np.linalg.LinAlgError) as error:
            # Values that do not go together, or that a model cannot be fitted with here.
            raise optuna.TrialPruned(str(error)) from None

    def _relative(self, figures: list[Mapping[str, float]], n_folds: int) -> float:
        ratios = [
            float(np.mean([figures[n][view] / self.present[n][view] for n in folds]))
            for view, folds in self._comparable(n_folds).items()
        ]
        if not ratios:
            return 1.0
        return min(ratios) if min(ratios) < 1 else float(np.mean(ratios))

    def _comparable(self, n_folds: int) -> dict[str, list[int]]:
        """View → folds where the present figure is above 0; where it is 0 a view has no say."""
        folds = {
            view: [n for n in range(n_folds) if self.present[n][view] > 0]
            for view in self.present[0]
        }
        return {view: there for view, there in folds.items() if there}

    def after(self, study: Study, trial: Any) -> None:
        best = max((t.value for t in study.trials if t.value is not None), default=1.0)
        n = len(study.trials)
        self.tell(f"{self.subject.name}: trial {n} of {self.trials}, best {best - 1:+.1%}")

    def key(self, values: Mapping[str, Any]) -> tuple:
        return tuple(values[each.name] for each in self.subject.ranges)

    def figures(self, values: Mapping[str, Any]) -> dict[str, float]:
        return _mean_of_folds(self.measured[self.key(values)])


def _mean_of_folds(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {view: float(np.mean([fold[view] for fold in figures])) for view in figures[0]}


def _found(
    subject: Subject, settings: ModelSettings, study: Study, course: _Course, seconds: float
) -> Found:
    told = [
        TrialTold(t.number, dict(t.params), t.value, t.state.name.lower())
        for t in study.get_trials(deepcopy=False)
    ]
    tried = [t for t in told if course.key(t.values) in course.measured]
    done = [t for t in tried if t.state == "complete"]
    best = max(done, key=lambda t: t.value, default=None)
    present = _mean_of_folds(course.present)
    common = {
        "present": present,
        "trials": told,
        "importances": _importances(study, done),
        "seconds": round(seconds, 1),
    }
    n = counted(len(tried) + 1, "trial")
    if best is None or best.value <= 1 + MARGIN:
        reached = (
            "none but the present settings' ended"
            if best is None
            else f"the best {best.value - 1:+.1%}"
        )
        return Found(
            subject.name, f"stays: {n}, {reached}", value=1.0 if best is None else best.value,
            best=present if best is None else course.figures(best.values), **common,
        )  # fmt: skip
    return Found(
        subject.name,
        f"{best.value - 1:+.1%} by {_otherwise(subject, settings, best.values)}, {n}",
        changes_of(subject.ranges, best.values),
        best.value,
        best=course.figures(best.values),
        **common,
    )


def _otherwise(subject: Subject, settings: ModelSettings, values: Mapping[str, Any]) -> str:
    now = values_of(subject.ranges, settings)
    return ", ".join(
        f"{each.key} {_short(now[each.name])} → {_short(values[each.name])}"
        for each in subject.ranges
        if now[each.name] != values[each.name]
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _importances(study: Study, done: Sequence[TrialTold]) -> dict[str, float]:
    """Hutter et al. 2014 (fANOVA). Under a second for some fifty trials."""
    if len(done) < FEWEST_TO_EXPLAIN or len({t.value for t in done}) < 2:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=SEED))
