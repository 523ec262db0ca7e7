"""A search's record in MLflow: a parent run "tune <night>", with a run inside for each model."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nightshelf.errors import NightshelfError
from nightshelf.judging.evaluate import data_fingerprint
from nightshelf.night import WINDOW_DAYS, Night
from nightshelf.paths import Attempt
from nightshelf.registry import Registry, pictures
from nightshelf.registry.card import prose
from nightshelf.registry.provenance import code_version
from nightshelf.registry.store import NOTE
from nightshelf.settings.models import Changes
from nightshelf.settings.shop import Shop
from nightshelf.tuning.folds import Fold
from nightshelf.tuning.search import MARGIN, SEED, Found
from nightshelf.tuning.store import SettingsStore

if TYPE_CHECKING:
    from nightshelf.tuning.run import Budget


@dataclass(frozen=True, eq=False)
class Record:
    """What is told to MLflow of one search."""

    registry: Registry
    night: Night
    attempt: Attempt
    tags: dict[str, str]
    parent: str

    @classmethod
    def begin(
        cls,
        registry: Registry,
        shop: Shop,
        night: Night,
        attempt: Attempt,
        budget: Budget,
        folds: Sequence[Fold],
        version: str,
    ) -> Record:
        data = data_fingerprint(attempt)
        tags = {
            "night": night.date.isoformat(),
            "attempt": str(attempt.number),
            "role": "tuning",
            **code_version(),
            **{f"data_{k}": str(v) for k, v in data.items()},
        }
        parent = registry.begin(f"tune {night.date}", None, tags)
        registry.log_data(parent, f"{shop.name}: marts.fct_interactions", data, str(data["hash"]))
        cuts = ", ".join(f"{fold.as_of} and {WINDOW_DAYS} days" for fold in folds)
        asked = {"minutes": budget.minutes, "trials": budget.trials, "seed": SEED, "margin": MARGIN}
        registry.log(parent, {**asked, "folds": cuts, "against": version or "ml/config"}, {})
        return cls(registry, night, attempt, tags, parent)

    def subject(self, found: Found) -> None:
        """A child run: the best values, its figures beside the present ones, and every trial."""
        run = self.registry.begin(found.subject, self.parent, self.tags)
        values = {f"{t}.{k}": v for t, keys in found.changes.items() for k, v in keys.items()}
        figures = {"best_over_present": found.value, "n_trials": len(found.trials)}
        figures |= {f"present_ndcg@10_{view}": value for view, value in found.present.items()}
        figures |= {f"best_ndcg@10_{view}": value for view, value in found.best.items()}
        figures |= {f"importance/{name}": share for name, share in found.importances.items()}
        history = [t.value if t.state == "complete" else None for t in found.trials]
        told = (value for value in history if value is not None)
        curve = {"best_so_far": list(itertools.accumulate(told, max))}
        self.registry.log(run, values, figures | {"seconds": found.seconds}, curve)
        self.registry.tag(run, {NOTE: prose(f"{found.subject}: {found.told}")})
        if found.trials:
            self.registry.keep_json(run, "trials.json", [asdict(t) for t in found.trials])
            drawn = {"history": pictures.history_picture(history, 1 + MARGIN)}
            self.registry.keep_pictures(run, "search", drawn)
        self.registry.finish(run)

    def register(self, store: SettingsStore, changes: Changes, better: Sequence[Found]) -> str:
        told = "\n".join(f"- {prose(f'{each.subject}: {each.told}')}" for each in better)
        description = (
            f"Found by a search as of {self.night.date}, on windows that end by"
            f" {self.night.as_of('evaluate')}. nDCG@10 over the present settings:\n\n{told}"
        )
        models = {"models": ", ".join(each.subject for each in better)}
        folder = self.attempt.models / "tuned" / "settings"
        return store.register(changes, self.parent, folder, {**self.tags, **models}, description)

    def end(self, told: str, version: str | None) -> None:
        more = {"settings_version": version} if version else {}
        self.registry.tag(self.parent, {NOTE: prose(told), **more})
        self.registry.finish(self.parent)

    def failed(self, status: str) -> None:
        """Marks the parent run; what went wrong is on its way up already."""
        with contextlib.suppress(NightshelfError), self.registry.told():
            self.registry.finish(self.parent, status)
