"""What a search sees: cuts in time whose windows end before the night's own examination begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from nightshelf.candidates import CandidateModel
from nightshelf.dataset.catalogue import load_catalogue
from nightshelf.dataset.interactions import InteractionLog, Interactions, day_number, load_log
from nightshelf.errors import InputError
from nightshelf.evaluation import METRICS, Labels, labels
from nightshelf.night import TRAIN_ROLES, WINDOW_DAYS, Night
from nightshelf.paths import Attempt
from nightshelf.ranking.pool import VIEWS
from nightshelf.settings.shop import Shop
from nightshelf.warehouse import connect

K = 10
"""Lists are compared at the length that the gate goes by."""
MOST_USERS = 5_000
"""Users of a fold who are asked. Between neighbouring settings a user's nDCG@10 differs by some .05: of
so many the mean difference is known to .001."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One cut: what was seen before it, and by view what users took in the window after it."""

    role: str
    as_of: date
    seen: Interactions
    labels: Mapping[str, Labels]
    known: Interactions
    """The target's rows before the end of the labels' window."""

    def measure(self, model: CandidateModel) -> dict[str, np.ndarray]:
        """View → (n_users,) nDCG@10 of a model fitted on `seen`; NaN for a user who took nothing."""
        return ndcg(model, self.labels)


def ndcg(model: CandidateModel, wanted: Mapping[str, Labels]) -> dict[str, np.ndarray]:
    """View → (n_users,) nDCG@10 of the model's own lists; both views for one scoring."""
    users, seen = wanted["all"].users, wanted["all"].seen
    answers = model.recommend_each(users, K, [None, seen])
    return {
        view: METRICS["ndcg"](answer.lists(len(users), K), wanted[view].relevant, K)
        for view, answer in zip(VIEWS, answers, strict=True)
    }


def load_folds(shop: Shop, night: Night, attempt: Attempt) -> list[Fold]:
    """The cuts of TRAIN_ROLES, oldest first; one before which, or in whose window, nobody took anything
    is left out. Nothing of the night's examination window is seen: not even which earlier purchases
    are given back in it. About 1 s a million rows; memory as the interactions of two cuts."""
    types = [t for t, w in shop.events.weights.items() if w > 0]
    with connect(attempt.database) as db:
        log = load_log(db, shop.events.target)
        catalogues = {role: load_catalogue(db, night.as_of(role)) for role in TRAIN_ROLES}
    found = []
    for role in TRAIN_ROLES:
        try:
            seen = log.as_of(night.as_of(role), types, catalogues[role])
            wanted, known = _labels(log, shop, night, role, seen)
        except InputError:
            continue
        if len(wanted["all"].users):
            found.append(Fold(role, night.as_of(role), seen, wanted, known))
    return found


def _labels(
    log: InteractionLog, shop: Shop, night: Night, role: str, seen: Interactions
) -> tuple[dict[str, Labels], Interactions]:
    first = day_number(night.as_of(role))
    end = first + WINDOW_DAYS
    known = log.as_of(night.as_of("evaluate"), [shop.events.target]).before(end)
    window = known.window(first, end)
    return {view: labels(seen, window, view).of_some(MOST_USERS) for view in VIEWS}, known
