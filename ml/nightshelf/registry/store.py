"""One shop's experiment and registered models in MLflow, and who reigns."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from nightshelf.errors import ModelError
from nightshelf.locks import held
from nightshelf.paths import Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.ranking.recipe import Recipe
from nightshelf.registry import patience
from nightshelf.registry.database import in_words, make_tables, refuse_emptied, uri_of
from nightshelf.registry.files import AGAIN, read_recipe, write_recipe
from nightshelf.storage import without_nan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_VALUE = 5_000
"""MLflow refuses longer tags and parameters than about this, and its databases longer descriptions."""
MAX_AT_ONCE = 100
"""MLflow takes as many parameters in one call."""
LOCK_SECONDS = 120
NOTE = "mlflow.note.content"
"""What MLflow shows at the top of a run or an experiment, as Markdown."""
ABOUT = {
    # MLflow's word for models that are no language models.
    "mlflow.experimentKind": "custom_model_development",
    NOTE: "A run a night, with a run inside for each model. Metrics begin with the"
    " placement that they judge. The night's run holds the pictures of each placement and"
    " `quality.json`; a ranker's holds its curves; a challenger's holds `model_card.md`, which its"
    " registered version shows.",
}
"""Tags of a shop's experiment."""
CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
MOVED_BY_NIGHTS = "champion_by_night"
"""Tag of a registered model: the version that a night made champion. Where the alias stands on
another, somebody moved it by hand. While a night moves it the tag names both: a night that dies in
between is no hand. Which of the two it is, the next examination settles; a hand that moves the alias
from one of them to the other before that is not told from the night."""
PROMOTED, NOT_PROMOTED = "promoted", "not promoted"
UNDER_WAY = "promotion under way"
"""Values of the tag `verdict`. A version is promoted once its alias stands: until then it says that it
is under way, and if its night dies meanwhile, the next examination says how it ended."""


@dataclass(frozen=True)
class Registered:
    """A version in the registry, not yet read."""

    version: str
    night: str
    """The night that made it, as an ISO date."""
    by_hand: bool
    """Somebody gave it its alias in MLflow, and no night."""
    source: str
    """Where it says that its files lie."""
    recipe_sha256: str


class Registry:
    """Opening it takes some 5 s, mostly the import."""

    def __init__(self, home: Home, shop: str) -> None:
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        from mlflow import MlflowClient

        # Imported, mlflow sets up its own logging; ours comes after.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # Its errors are told by `told`; here they would be a traceback besides.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

        self.shop = shop
        self.uri = uri_of(home)
        with self.told():
            home.mlflow.mkdir(parents=True, exist_ok=True)
        refuse_emptied(home)
        if home.mlflow_uri_given:
            patience.watch()
        self.artifacts = home.mlflow / "artifacts" / shop
        self._lock = FileLock(home.mlflow / f".{shop}.lock", timeout=LOCK_SECONDS)
        # Two first nights of a home must not both make its tables.
        with self.told(), _one_at_a_time(FileLock(home.mlflow / ".open.lock", LOCK_SECONDS)):
            make_tables(home)
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self.experiment = self._experiment()

    @contextmanager
    def told(self) -> Iterator[None]:
        """What MLflow, its database or the disk fail with inside becomes a WarehouseLocked where another
        process holds the database, else a StorageError."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise in_words(self.uri, error) from None

    def alone(self) -> AbstractContextManager[None]:
        """One night of the shop at a time registers and moves aliases."""
        return _one_at_a_time(self._lock)

    # ------------------------------------------------------------------ runs

    def _experiment(self) -> str:
        """The shop's experiment: brought back where somebody deleted it; a new one where the home
        was moved or copied, since MLflow would go on writing to the old place."""
        found = self.client.get_experiment_by_name(self.shop)
        if found is not None and found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        if found is not None and not self._is_here(found.artifact_location):
            away = f"{self.shop} (artefacts elsewhere, {found.experiment_id})"
            self.client.rename_experiment(found.experiment_id, away)
            found = None
        if found is not None:
            return found.experiment_id
        made = self.client.create_experiment(self.shop, artifact_location=self.artifacts.as_uri())
        for key, value in ABOUT.items():
            self.client.set_experiment_tag(made, key, value)
        return made

    def _is_here(self, location: str) -> bool:
        try:
            return _local(location).resolve() == self.artifacts.resolve()
        except ModelError:
            return False

    def begin(self, name: str, parent: str | None, tags: Mapping[str, str]) -> str:
        """A new run; returns its id."""
        more = {"mlflow.parentRunId": parent} if parent else {}
        run = self.client.create_run(self.experiment, run_name=name, tags={**_short(tags), **more})
        return run.info.run_id

    def log(
        self,
        run: str,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Parameters and metrics of a run; a curve is a metric with steps 1, 2, …, which MLflow draws as a
        line. NaN is left out."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        points = [(k.replace("@", "_at_"), v, 0) for k, v in metrics.items()]
        for name, values in (curves or {}).items():
            points += [(name, v, step) for step, v in enumerate(values, start=1)]
        told = [
            Metric(name, float(v), now, step)
            for name, v, step in points
            if v is not None and math.isfinite(v)
        ]
        params = [Param(k, v) for k, v in _short(parameters).items()]
        # A call is a transaction of MLflow's database: the first parameters go along with the metrics.
        self.client.log_batch(run, metrics=told, params=params[:MAX_AT_ONCE])
        for start in range(MAX_AT_ONCE, len(params), MAX_AT_ONCE):
            self.client.log_batch(run, params=params[start : start + MAX_AT_ONCE])

    def log_data(self, run: str, name: str, facts: Mapping[str, Any], digest: str) -> None:
        """What a run was made of, in MLflow's column Dataset. `facts` become its profile."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps(facts, default=str)
        made = Dataset(name, digest[:36], "local", name, schema=None, profile=profile)
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(run, [DatasetInput(made, context)])

    def keep(self, run: str, folder: str, *paths: Path) -> None:
        """Files as artefacts in a folder of the run; "" is its root."""
        for path in paths:
            self.client.log_artifact(run, str(path), folder or None)

    def keep_linked(self, run: str, folder: str, path: Path) -> None:
        """A large file as artefact, at no cost in space: a second name for it, where the disk can."""
        place = _local(self.client.get_run(run).info.artifact_uri) / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).unlink(missing_ok=True)
        try:
            os.link(path, place / path.name)
        except OSError:
            shutil.copyfile(path, place / path.name)

    def keep_text(self, run: str, name: str, text: str) -> None:
        self.client.log_text(run, text, name)

    def keep_json(self, run: str, name: str, content: Any) -> None:
        self.keep_text(run, name, json.dumps(without_nan(content), indent=1))

    def keep_pictures(self, run: str, folder: str, pictures: Mapping[str, Figure]) -> None:
        """Figures as PNG: name → figure."""
        for name, figure in pictures.items():
            self.client.log_figure(run, figure, f"{folder}/{name}.png")

    def finish(self, run: str, status: str = "FINISHED") -> None:
        self.client.set_terminated(run, status)

    def running(self) -> dict[str, dict[str, str]]:
        """Run → its tags, of the shop's runs that nobody has ended; a thousand at most."""
        found = self.client.search_runs([self.experiment], "attributes.status = 'RUNNING'")
        return {run.info.run_id: dict(run.data.tags) for run in found}

    def close_killed(self, run: str, why: str) -> bool:
        """Ends a run as KILLED, and tags it with `why`; not one that has been ended since."""
        if self.client.get_run(run).info.status != "RUNNING":
            return False
        self.tag(run, {"why_killed": why})
        self.finish(run, "KILLED")
        return True

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        for key, value in _short(tags).items():
            self.client.set_tag(run, key, value)

    # ------------------------------------------------------------------ registered models

    def model_name(self, placement: str) -> str:
        return f"{self.shop}-{placement}"

    def register(
        self,
        placement: str,
        recipe: Recipe,
        run: str,
        folder: Path,
        tags: Mapping[str, str],
        description: str = "",
    ) -> str:
        """A new version of the placement's model, called challenger; returns its number."""
        path, sha256 = write_recipe(recipe, folder)
        tags = {"recipe_sha256": sha256, **tags}
        about = f"How `rec_{placement}` of shop {self.shop} is ranked."
        # One source may be the challenger of two placements, and has one run.
        return self.add_version(
            placement, sorted(path.iterdir()), f"{placement}/recipe", run, tags, description, about
        )

    def add_version(
        self,
        model: str,
        files: Sequence[Path],
        folder: str,
        run: str,
        tags: Mapping[str, str],
        description: str,
        about: str,
    ) -> str:
        """Files become artefacts of the run and a version of the shop's `model`, called challenger;
        `about` describes a model that is not there yet."""
        name = self.model_name(model)
        self._ensure_model(name, about)
        self.keep(run, folder, *files)
        source = f"{self.client.get_run(run).info.artifact_uri}/{folder}"
        version = self.client.create_model_version(
            name, source, run, tags=_short(tags), description=description[:MAX_VALUE]
        )
        self.client.set_registered_model_alias(name, CHALLENGER, version.version)
        return str(version.version)

    def end_challenge(self, model: str, version: str | None = None) -> None:
        """Takes the alias challenger away, since a champion challenges nobody; given a version, only
        from that one: a newer may have come."""
        name = self.model_name(model)
        found = self._version_of(name, CHALLENGER)
        if found is not None and version in (None, str(found.version)):
            self.client.delete_registered_model_alias(name, CHALLENGER)

    def _ensure_model(self, name: str, about: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self.client.create_registered_model(name, description=about)

    def promote(self, placement: str, version: str, keep_previous: bool = False) -> None:
        """Moves the alias `champion`; the one before it becomes `previous`, unless it is to keep the
        one it has. Killed in between, it can be called again."""
        name = self.model_name(placement)
        before = self._version_of(name, CHAMPION)
        came_from = str(before.version) if before else ""
        if came_from and came_from != version and not keep_previous:
            self.client.set_registered_model_alias(name, PREVIOUS, came_from)
        self.client.set_registered_model_tag(name, MOVED_BY_NIGHTS, f"{came_from} {version}")
        self.client.set_registered_model_alias(name, CHAMPION, version)
        self.client.set_registered_model_tag(name, MOVED_BY_NIGHTS, version)

    def give_verdict(self, placement: str, version: str, verdict: str, description: str) -> None:
        """Says how a promotion under way ended."""
        name = self.model_name(placement)
        self.client.update_model_version(name, version, description[:MAX_VALUE])
        self.client.set_model_version_tag(name, version, "verdict", verdict)

    def settle_cut_short(self, model: str) -> None:
        """Ends what a night that was killed has begun: by where the alias `champion` stands the tag names
        one version again, and versions under way get their verdict. To be called `alone`, or it would
        end a living night's."""
        name = self.model_name(model)
        if not self.client.search_registered_models(f"name = '{name}'"):
            return
        champion = self._version_of(name, CHAMPION)
        stands_on = str(champion.version) if champion else ""
        moved = self.client.get_registered_model(name).tags.get(MOVED_BY_NIGHTS, "").split()
        if len(moved) > 1:
            meant = stands_on if stands_on in moved else moved[-1]
            self.client.set_registered_model_tag(name, MOVED_BY_NIGHTS, meant)
        under_way = f"name = '{name}' and tags.verdict = '{UNDER_WAY}'"
        for version in self.client.search_model_versions(under_way):
            verdict = PROMOTED if str(version.version) == stands_on else NOT_PROMOTED
            why = "" if verdict == PROMOTED else ", since its night was killed before"
            card = version.description or ""
            card = card.replace(UNDER_WAY.capitalize(), verdict.capitalize() + why, 1)
            self.give_verdict(model, version.version, verdict, card)

    def champion(self, placement: str) -> Registered | None:
        """Who reigns, unread; None where nobody does, or where somebody took the alias away."""
        version = self._version_of(self.model_name(placement), CHAMPION)
        return None if version is None else self._registered(placement, version)

    def version(self, placement: str, number: str) -> Registered:
        """Any version, unread. Raises ModelError where it is gone."""
        from mlflow.exceptions import MlflowException

        name = self.model_name(placement)
        try:
            return self._registered(placement, self.client.get_model_version(name, number))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise ModelError(f"Version {number} of {name} is not in the registry.", AGAIN) from None

    def dismiss(self, placement: str) -> None:
        """Nobody reigns: the alias `champion` is taken away, if anyone has it."""
        name = self.model_name(placement)
        if self._version_of(name, CHAMPION) is not None:
            self.client.delete_registered_model_alias(name, CHAMPION)

    def _registered(self, placement: str, version: Any) -> Registered:
        name = self.model_name(placement)
        return Registered(
            version=str(version.version),
            night=version.tags.get("night", ""),
            by_hand=self._by_hand(name, version),
            source=version.source or "",
            recipe_sha256=version.tags.get("recipe_sha256", ""),
        )

    def aliased(self, model: str, alias: str) -> Any:
        """MLflow's own version of the shop's `model` that has the alias; None where none has."""
        return self._version_of(self.model_name(model), alias)

    def was_set_by_hand(self, model: str, champion: Any) -> bool:
        return self._by_hand(self.model_name(model), champion)

    def _by_hand(self, name: str, version: Any) -> bool:
        moved = self.client.get_registered_model(name).tags.get(MOVED_BY_NIGHTS)
        if moved is None:
            return version.tags.get("verdict") != PROMOTED
        return str(version.version) not in moved.split()

    def _version_of(self, name: str, alias: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def load(self, placement: str, registered: Registered) -> Recipe:
        """The version's recipe, from this shop's own artefacts, checked against its sha256. Raises
        ModelError for anything else."""
        folder = self.folder_of(registered.source)
        recipe = read_recipe(folder, registered.recipe_sha256)
        view = PLACEMENT_VIEWS[placement]
        if recipe.view != view:
            raise ModelError(
                f"{folder} ranks view '{recipe.view}', and rec_{placement} is view '{view}'.", AGAIN
            )
        return recipe

    def folder_of(self, source: str) -> Path:
        """Where a version's files lie. Raises ModelError unless that is among the shop's artefacts."""
        return self._inside(_local(source))

    def _inside(self, folder: Path) -> Path:
        """The folder, if it really lies among the shop's artefacts: no "..", no symlink leads out."""
        found = folder.resolve()
        if not found.is_relative_to(self.artifacts.resolve()):
            raise ModelError(f"{folder} is not among the artefacts in {self.artifacts}.", AGAIN)
        return found


def _one_at_a_time(lock: FileLock) -> AbstractContextManager[None]:
    return held(
        lock,
        lambda: f"Another night has held {lock.lock_file} for {LOCK_SECONDS} s.",
        "Let it finish, or end it, then run `nightshelf evaluate` again.",
    )


def _local(uri: str) -> Path:
    """The folder of an artefact URI. Models are files of this machine, never fetched."""
    from urllib.parse import unquote, urlparse

    try:
        parsed = urlparse(uri)
    except ValueError:
        raise ModelError(f"{uri!r} is no address.", AGAIN) from None
    path = unquote(parsed.path)
    if parsed.scheme not in ("", "file") or parsed.netloc or not path or "\0" in path:
        raise ModelError(f"{uri!r} is not a local file.", AGAIN)
    return Path(path)


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    return {k: str(v)[:MAX_VALUE] for k, v in values.items()}
