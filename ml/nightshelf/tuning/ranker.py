"""The ranker as a subject: it learns from the older fold's labels and is measured on the younger one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache

from nightshelf.paths import Attempt
from nightshelf.ranking import choice, features
from nightshelf.ranking.labelled import LabelledCut, labelled
from nightshelf.ranking.pool import VIEWS
from nightshelf.ranking.propose import per_source, propose
from nightshelf.settings.models import ModelSettings
from nightshelf.settings.shop import Shop
from nightshelf.tuning.folds import Fold
from nightshelf.tuning.search import OutOfTime, Subject
from nightshelf.tuning.space import RANKER, Range
from nightshelf.warehouse import connect

SHARE = 4.0
"""Of the budget: its first trial takes as long as twenty of a source's."""


def ranker_subject(
    ranges: tuple[Range, ...],
    folds: Sequence[Fold],
    settings: ModelSettings,
    shop: Shop,
    attempt: Attempt,
    end: float,
) -> Subject:
    """Over what the sources propose under the present settings. Its first trial costs a night's two
    train cuts, and is given up where they are not ready by `end` (of time.monotonic); each trial trains
    every kind of ranker, as a night does."""
    deep = per_source(shop.placements.k)

    def in_time() -> None:
        if time.monotonic() > end:
            raise OutOfTime

    @cache
    def lessons() -> dict[str, list[LabelledCut]]:
        cuts = [_lesson(fold, settings, deep, attempt, in_time) for fold in folds]
        return {view: [cut[view] for cut in cuts] for view in VIEWS}

    def measure(tried: ModelSettings, n: int) -> dict[str, float]:
        return {view: _reached(cuts, tried) for view, cuts in lessons().items()}

    return Subject(RANKER, ranges, 1, measure, SHARE)


def _lesson(
    fold: Fold,
    settings: ModelSettings,
    deep: int,
    attempt: Attempt,
    in_time: Callable[[], None],
) -> dict[str, LabelledCut]:
    models = {}
    for model in settings.models():
        in_time()
        models[model.name] = model.fit(fold.seen)
    everything, params = fold.labels["all"], settings.ranker.ranker
    found = {}
    for view, pool in propose(models, everything.users, everything.seen, deep).by_view().items():
        in_time()
        with connect(attempt.database) as db:
            # Each trial ranks all rows: their features are made once.
            matrix = features.attach(db, pool, fold.as_of)
            found[view] = labelled(
                db,
                pool,
                fold.as_of,
                fold.labels[view],
                fold.known,
                params.burst,
                matrix.__getitem__,
            )
    return found


def _reached(cuts: Sequence[LabelledCut], settings: ModelSettings) -> float:
    """nDCG@10 on the last cut of the ranker that would ship; 0 where there was nothing to compare."""
    names = features.names(list(cuts[-1].pool.ranks))
    params = settings.ranker.ranker
    lessons = [choice.lesson(cut, params, n) for n, cut in enumerate(cuts)]
    trained = choice.train(lessons, names, settings.ranker)
    return trained.compared.get(trained.ranker.kind, 0.0) if trained.ranker else 0.0
