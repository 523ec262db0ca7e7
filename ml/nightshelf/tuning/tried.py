"""What a night makes of a challenger of settings: each changed source, and the ranker, under present and
under challenging settings, fitted on one cut and held against one window that the search never saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nightshelf.candidates import MODELS, CandidateModel, load_npz, save_npz
from nightshelf.dataset.interactions import Interactions
from nightshelf.evaluation import Labels
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import Pinned
from nightshelf.progress import Progress
from nightshelf.ranking.recipe import RANKER
from nightshelf.settings.models import OF_RANKER
from nightshelf.storage import sha256_of
from nightshelf.tuning.folds import K, ndcg

if TYPE_CHECKING:
    from nightshelf.ranking.choice import Lesson, Trained

FILE = "tried.npz"

PerUser = Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""(changed, view) → (n_users,) nDCG@10 under present and under challenging settings."""


class Tried:
    """Collects a night's figures; where there is no challenger it does nothing."""

    def __init__(self, going_by: Pinned) -> None:
        self.going_by = going_by
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def sources_changed(self) -> list[str]:
        return [name for name in self.going_by.changed if name in MODELS]

    @property
    def ranker_changed(self) -> bool:
        return any(name in OF_RANKER for name in self.going_by.changed)

    def sources(
        self,
        models: Mapping[str, CandidateModel],
        seen: Interactions,
        wanted: Mapping[str, Labels],
        progress: Progress,
    ) -> None:
        """Fits each changed source anew on what the night's own was fitted on."""
        for name in self.sources_changed:
            progress.advance(f"challenging settings: {name}")
            now = ndcg(models[name], wanted)
            then = ndcg(self.going_by.tried.model(name).fit(seen), wanted)
            for view in wanted:
                self._keep(name, view, now[view], then[view])

    def rankers(
        self,
        trained: Mapping[str, Trained],
        others: Mapping[str, Trained],
        examined: Mapping[str, Lesson],
    ) -> None:
        """Both rankers over the same pool; a view without one is left out."""
        for view, lesson in examined.items():
            now, then, cut = trained[view].ranker, others[view].ranker, lesson.cut
            if now is not None and then is not None:
                found = (cut.quality(raw, K) for raw in cut.raw([now, then]))
                self._keep(RANKER, view, *found)

    def _keep(self, name: str, view: str, now: np.ndarray, then: np.ndarray) -> None:
        self.arrays |= {f"{name}/{view}/now": now, f"{name}/{view}/then": then}

    def write(self, attempt: Attempt) -> None:
        """models/tried.npz; none where nothing was tried."""
        path = attempt.models / FILE
        path.unlink(missing_ok=True)
        if self.arrays:
            save_npz(path, self.arrays)


def read_tried(attempt: Attempt) -> PerUser:
    path = attempt.models / FILE
    if not path.exists():
        return {}
    arrays = load_npz(path, sha256_of(path))
    pairs = {tuple(key.split("/")[:2]) for key in arrays}
    return {
        (name, view): (arrays[f"{name}/{view}/now"], arrays[f"{name}/{view}/then"])
        for name, view in sorted(pairs)
    }
