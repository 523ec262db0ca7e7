"""The model settings of an attempt: chosen once, when it begins, and read by every step.

models/settings.toml           what the night goes by, whole
models/settings.json           its sha256, whose it is, and the challenger, if one is to be judged
models/settings_challenger.toml
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshelf.errors import ModelError, StorageError
from nightshelf.paths import Attempt, Home
from nightshelf.settings.models import ModelSettings
from nightshelf.storage import read_json, sha256_of, write_atomically, write_json

if TYPE_CHECKING:
    from nightshelf.tuning.store import SettingsStore, Version

FILES = "ml/config"
"""Whose settings they are where no search has found others."""
SETTINGS, TRIED, TOLD = "settings.toml", "settings_challenger.toml", "settings.json"
OF_ATTEMPT = (SETTINGS, TRIED, TOLD)
"""Files of models/ that are there before training."""
AGAIN = "Begin a new attempt: `nightshelf open`, or the whole `nightshelf night`."


@dataclass(frozen=True)
class Challenger:
    """A version of `<shop>-settings` that this night judges."""

    version: str
    trouble: str = ""
    """Why it cannot be tried; it is refused then."""


@dataclass(frozen=True)
class Pinned:
    """What an attempt goes by."""

    settings: ModelSettings
    sha256: str
    version: str = ""
    """Of `<shop>-settings`, laid over the files; "" for the files alone."""
    champion: str = ""
    """The version that should serve: `version`, unless that was refused."""
    warning: str = ""
    challenger: Challenger | None = None
    tried: ModelSettings | None = None
    """The challenger's; None where there is none, or it cannot be read."""
    retrains: bool = True
    """Off: sources are fitted to tonight's data as ever, and the reigning champions rank what they
    propose; no ranker is trained and nothing is examined."""

    @property
    def whose(self) -> str:
        return f"version {self.version} over {FILES}" if self.version else FILES

    @property
    def changed(self) -> list[str]:
        """The tables in which the challenger differs."""
        return self.tried.differ(self.settings) if self.tried else []

    def told(self) -> dict[str, Any]:
        """For the manifest and MLflow."""
        told = {
            "settings_of": self.whose,
            "settings_version": self.version,
            "settings_sha256": self.sha256,
        }
        if not self.retrains:
            told["retrained"] = False
        return told | ({"settings_warning": self.warning} if self.warning else {})


def pin(home: Home, shop: str, attempt: Attempt, retrains: bool = True) -> Pinned:
    """Chooses the attempt's settings and writes them down. MLflow is opened, some 5 s, only in a shop
    that has ever been searched."""
    files = ModelSettings.of_files()
    found = Pinned(files, "")
    if attempt.shop.tuned.exists():
        found = _of_store(home, shop, attempt, files)
    _write(attempt, replace(found, retrains=retrains))
    return pinned(attempt)


def _of_store(home: Home, shop: str, attempt: Attempt, files: ModelSettings) -> Pinned:
    from nightshelf.registry import Registry
    from nightshelf.tuning.store import SettingsStore

    registry = Registry(home, shop)
    store = SettingsStore(registry)
    with registry.told():
        serving, pending = store.serving(attempt.night), store.pending(attempt.night)
    found = Pinned(files, "")
    if serving is not None:
        found = _served_by(store, serving, files)
    if pending is None:
        return found
    try:
        tried, _ = store.load(pending, files)
    except ModelError as error:
        return replace(found, challenger=Challenger(pending.number, error.what))
    return replace(found, challenger=Challenger(pending.number), tried=tried)


def _served_by(store: SettingsStore, serving: Version, files: ModelSettings) -> Pinned:
    who = serving.number
    try:
        return Pinned(store.load(serving, files)[0], "", who, who)
    except ModelError as error:
        told = f"settings version {who} is refused, so {FILES} serves: {error.what}"
        return Pinned(files, "", "", who, told)


def _write(attempt: Attempt, found: Pinned) -> None:
    attempt.models.mkdir(parents=True, exist_ok=True)
    write_atomically(_settings(attempt), found.settings.text())
    if found.tried is not None:
        write_atomically(_tried(attempt), found.tried.text())
    told = {
        "sha256": sha256_of(_settings(attempt)),
        "version": found.version,
        "champion": found.champion,
        "warning": found.warning,
        "challenger": asdict(found.challenger) if found.challenger else None,
        "tried_sha256": sha256_of(_tried(attempt)) if found.tried else None,
        "retrains": found.retrains,
    }
    write_json(_told(attempt), told)


def pinned(attempt: Attempt) -> Pinned:
    """What the attempt goes by: the files, if it began without being told. Raises StorageError where a
    file is not what was written."""
    if not _told(attempt).exists():
        files = ModelSettings.of_files()
        return Pinned(files, files.fingerprint())
    try:
        return _as_told(attempt, read_json(_told(attempt)))
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{_told(attempt)} is not what this attempt was begun with: {error!r}.", AGAIN
        ) from None


def _as_told(attempt: Attempt, told: dict[str, Any]) -> Pinned:
    tried = _read(_tried(attempt), told["tried_sha256"]) if told["tried_sha256"] else None
    return Pinned(
        _read(_settings(attempt), told["sha256"]),
        told["sha256"],
        told["version"],
        told["champion"],
        told["warning"],
        Challenger(**told["challenger"]) if told["challenger"] else None,
        tried,
        told["retrains"],
    )


def _read(path: Path, sha256: str) -> ModelSettings:
    if not path.exists() or sha256_of(path) != sha256:
        raise StorageError(
            f"{path} is not what this attempt was begun with.",
            AGAIN,
        )
    return ModelSettings.read(path)


def _settings(attempt: Attempt) -> Path:
    return attempt.models / SETTINGS


def _tried(attempt: Attempt) -> Path:
    return attempt.models / TRIED


def _told(attempt: Attempt) -> Path:
    return attempt.models / TOLD
