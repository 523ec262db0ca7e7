"""What the models are made with: the files of ml/config, and over them what a search has found.

An attempt keeps the whole of it in models/settings.toml, so that each of its steps, and a step that
is run again, goes by the same settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from nightshelf.candidates import MODELS, MODELS_TOML, BoughtTogetherParams, CandidateModel
from nightshelf.candidates.params import load_params, params_of
from nightshelf.errors import SettingsError
from nightshelf.paths import PROJECT
from nightshelf.ranking.boosting import BoostingParams
from nightshelf.ranking.choice import RankerParams, RankerSettings
from nightshelf.ranking.logistic import LogisticParams

RANKER_TOML = PROJECT / "ml" / "config" / "ranker.toml"
OF_SOURCES: Mapping[str, type] = {
    **{name: model.Params for name, model in MODELS.items()},
    "bought_together": BoughtTogetherParams,
}
OF_RANKER: Mapping[str, type] = {
    "ranker": RankerParams,
    "logistic": LogisticParams,
    "boosting": BoostingParams,
}
TABLES: Mapping[str, type] = {**OF_SOURCES, **OF_RANKER}
"""Table → dataclass, of both files."""

Changes = Mapping[str, Mapping[str, Any]]
"""Table → key → value: what is to be otherwise."""


@dataclass(frozen=True)
class ModelSettings:
    """One dataclass for each of TABLES."""

    tables: Mapping[str, Any]

    @classmethod
    def of_files(cls) -> ModelSettings:
        """ml/config/models.toml and ranker.toml; raises SettingsError naming file, table and key."""
        return cls(of_file(OF_SOURCES, MODELS_TOML) | of_file(OF_RANKER, RANKER_TOML))

    @classmethod
    def read(cls, path: Path) -> ModelSettings:
        """What `text` wrote."""
        return cls(of_file(TABLES, path))

    def __getitem__(self, table: str) -> Any:
        return self.tables[table]

    @property
    def ranker(self) -> RankerSettings:
        return RankerSettings(**{name: self.tables[name] for name in OF_RANKER})

    def model(self, name: str) -> CandidateModel:
        """An unfitted one."""
        return MODELS[name](self.tables[name])

    def models(self) -> list[CandidateModel]:
        """One unfitted model of each kind, in the order of `MODELS`."""
        return [self.model(name) for name in MODELS]

    def changed(self, changes: Changes, where: str) -> ModelSettings:
        """These settings, a few otherwise. Raises SettingsError for an unknown table or key, or a
        value that the dataclass refuses."""
        given = {name: asdict(params) for name, params in self.tables.items()}
        for table, keys in changes.items():
            given[table] = given.get(table, {}) | dict(keys)
        with _named(where):
            return ModelSettings(params_of(TABLES, given, where))

    def differ(self, other: ModelSettings) -> list[str]:
        """The tables that are not the same in both."""
        return [name for name in TABLES if self.tables[name] != other.tables[name]]

    def text(self) -> str:
        return toml_of({name: asdict(params) for name, params in self.tables.items()})

    def fingerprint(self) -> str:
        """sha256 hex of every key and value."""
        return sha256(self.text().encode()).hexdigest()


def of_file(classes: Mapping[str, type], path: Path) -> dict[str, Any]:
    """As `load_params`; every SettingsError names the file."""
    with _named(str(path)):
        return load_params(classes, path)


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        if where in error.what:
            raise
        raise SettingsError(f"{where}: {error.what}", error.next_step) from error


def toml_of(tables: Changes) -> str:
    """TOML of tables that hold text, numbers and booleans: each is written as JSON writes it."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name, keys in tables.items()
    )
