"""MLflow: a parent run a night, a child run a model, two registered models with aliases.

A registered version is a recipe.json and, for a ranker, one .npz; both are known by sha256, and
nothing in the store can name code to run. Raises ModelError for anything that does not match.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshelf.candidates import load_npz, save_npz
from nightshelf.errors import ModelError, StorageError
from nightshelf.paths import Home
from nightshelf.ranking.ranker import Ranker
from nightshelf.recipe import RANKER, Recipe
from nightshelf.storage import sha256_of, write_json

MAX_VALUE = 5_000
"""MLflow refuses longer tags and parameters than about this."""


@dataclass(frozen=True)
class Registered:
    """A recipe in the registry."""

    recipe: Recipe
    version: str
    night: str
    """The night that made it, as an ISO date."""


class Registry:
    """One shop's experiment and registered models. Opening it takes some 5 s, mostly the import."""

    def __init__(self, home: Home, shop: str) -> None:
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        from mlflow import MlflowClient

        # Imported, mlflow sets up its own logging; ours comes after.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

        home.mlflow.mkdir(parents=True, exist_ok=True)
        self.shop = shop
        self.artifacts = home.mlflow / "artifacts"
        with _told(home.mlflow_uri):
            self.client = MlflowClient(tracking_uri=home.mlflow_uri, registry_uri=home.mlflow_uri)
            self.experiment = self._experiment()

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.shop)
        if found is not None:
            return found.experiment_id
        location = (self.artifacts / self.shop).as_uri()
        return self.client.create_experiment(self.shop, artifact_location=location)

    def model_name(self, placement: str) -> str:
        return f"{self.shop}-{placement}"

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
        files: Mapping[str, Path] = {},
    ) -> None:
        """Parameters, metrics and files of a run, in one batch; metrics that are NaN are left out."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        told = [
            Metric(k.replace("@", "_at_"), float(v), now, 0)
            for k, v in metrics.items()
            if v is not None and math.isfinite(v)
        ]
        self.client.log_batch(
            run, metrics=told, params=[Param(k, v) for k, v in _short(parameters).items()]
        )
        for folder, path in files.items():
            self.client.log_artifact(run, str(path), folder or None)

    def finish(self, run: str, status: str = "FINISHED") -> None:
        self.client.set_terminated(run, status)

    def register(
        self, placement: str, recipe: Recipe, run: str, folder: Path, tags: Mapping[str, str]
    ) -> str:
        """A new version of the placement's model, called challenger; returns its number."""
        name = self.model_name(placement)
        self._ensure_model(name, placement)
        path, sha256 = write_recipe(recipe, folder)
        for file in sorted(path.iterdir()):
            self.client.log_artifact(run, str(file), "recipe")
        source = f"{self.client.get_run(run).info.artifact_uri}/recipe"
        version = self.client.create_model_version(
            name,
            source,
            run,
            tags={"recipe_sha256": sha256, **_short(tags)},
            description=tags.get("why", ""),
        )
        self.client.set_registered_model_alias(name, "challenger", version.version)
        return str(version.version)

    def _ensure_model(self, name: str, placement: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_registered_model(name)
        except MlflowException:
            self.client.create_registered_model(
                name, description=f"How `rec_{placement}` of shop {self.shop} is ranked."
            )

    def promote(self, placement: str, version: str) -> None:
        """Moves the alias `champion`; the one before it becomes `previous`."""
        name = self.model_name(placement)
        before = self._version_of(name, "champion")
        if before and str(before.version) != version:
            self.client.set_registered_model_alias(name, "previous", before.version)
        self.client.set_registered_model_alias(name, "champion", version)

    def _version_of(self, name: str, alias: str):
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def champion(self, placement: str) -> Registered | None:
        """The reigning recipe, checked against its sha256; None where there is none yet."""
        version = self._version_of(self.model_name(placement), "champion")
        if version is None:
            return None
        folder = _local(version.source)
        recipe = read_recipe(folder, version.tags.get("recipe_sha256", ""))
        return Registered(recipe, str(version.version), version.tags.get("night", ""))


@contextmanager
def _told(uri: str):
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StorageError(
            f"MLflow's database {uri} cannot be used: {str(error).splitlines()[0]}",
            "Let this user write there; after an upgrade run `mlflow db upgrade` on it.",
        ) from None


def _local(uri: str) -> Path:
    """The folder of an artefact URI. Models are files of this machine, never fetched."""
    from urllib.parse import unquote, urlparse

    parsed = urlparse(uri)
    if parsed.scheme not in ("", "file") or parsed.netloc:
        raise ModelError(f"{uri} is not a local file.", "Roll back to a version made by a night.")
    return Path(unquote(parsed.path))


def write_recipe(recipe: Recipe, folder: Path) -> tuple[Path, str]:
    """Writes the recipe into a folder of its own below `folder`; returns it and recipe.json's sha256."""
    path = folder / f"{recipe.view}_{recipe.source}"
    path.mkdir(parents=True, exist_ok=True)
    content = {"view": recipe.view, "source": recipe.source, "fingerprint": recipe.fingerprint()}
    if recipe.ranker is not None:
        content["ranker_sha256"] = save_npz(path / "ranker.npz", recipe.ranker.arrays())
        content["features"] = list(recipe.ranker.features)
    write_json(path / "recipe.json", content)
    return path, sha256_of(path / "recipe.json")


def read_recipe(folder: Path, sha256: str) -> Recipe:
    """The recipe in `folder`, if it is the one that was written. Raises ModelError otherwise."""
    again = "Roll back to another night, or promote a new model; this one cannot be trusted."
    path = folder / "recipe.json"
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}", again) from None
    if found != sha256:
        raise ModelError(
            f"{path}: sha256 is {found}, the registry says {sha256 or 'nothing'}.", again
        )
    content = json.loads(path.read_text())
    ranker = None
    if content["source"] == RANKER:
        arrays = load_npz(folder / "ranker.npz", content["ranker_sha256"])
        ranker = Ranker.from_arrays(arrays)
    recipe = Recipe(content["view"], content["source"], ranker)
    if recipe.fingerprint() != content["fingerprint"]:
        raise ModelError(f"{path}: the model's content is not what it says.", again)
    return recipe


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    return {k: str(v)[:MAX_VALUE] for k, v in values.items()}
