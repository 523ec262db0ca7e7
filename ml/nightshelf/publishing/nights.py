"""Published nights on the disk: which there are, which is current, whether they are whole."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nightshelf.errors import StorageError
from nightshelf.paths import ShopHome
from nightshelf.storage import json_text, read_json, sha256_of, write_atomically

PAGE = "morning.html"
"""Lies beside the tables and is made after them: it tells of times, which no two nights share, so it is
not in the manifest, and it may be made again."""


@dataclass(frozen=True, order=True)
class PublishedNight:
    night: date
    attempt: int
    path: Path

    @property
    def name(self) -> str:
        """Its folder below nights/, such as 2017-12-01/2."""
        return f"{self.night}/{self.attempt}"

    @property
    def manifest(self) -> dict:
        """Raises StorageError where it is missing or not whole."""
        path = self.path / "manifest.json"
        try:
            told = read_json(path)
            if not isinstance(told.get("tables"), dict):
                raise ValueError("it names no tables")
            return told
        except FileNotFoundError:
            raise StorageError(
                f"{path} is not there, so the night in that folder is none.",
                f"Run night {self.night} again; it gets a new attempt.",
            ) from None
        except ValueError as error:
            raise StorageError(
                f"{path} cannot be read: {error}.",
                f"Run night {self.night} again; it gets a new attempt.",
            ) from None


def published(shop: ShopHome) -> list[PublishedNight]:
    """Every published attempt, oldest night first. A directory without a manifest is none."""
    found = []
    for manifest in shop.nights.glob("????-??-??/*/manifest.json"):
        folder = manifest.parent
        night = _night_at(folder)
        if night is not None:
            found.append(night)
    return sorted(found)


def astray(shop: ShopHome) -> list[str]:
    """What lies among the published nights and is none: folders without a manifest, and a pointer that
    readers cannot follow to a published night. Empty where all is well."""
    wrong = [
        f"{folder}: has no manifest"
        for folder in sorted(shop.nights.glob("????-??-??/*"))
        if folder.is_dir() and _night_at(folder) and not (folder / "manifest.json").exists()
    ]
    try:
        seen = current(shop)
    except StorageError as error:
        return [*wrong, error.what]
    nights = published(shop)
    if nights and seen is None:
        what = "is no link" if os.path.lexists(shop.current) else "is not there"
        return [*wrong, f"{shop.current}: {what}, so readers are not led to a night"]
    if seen is not None and seen.path.resolve() not in {n.path.resolve() for n in nights}:
        return [*wrong, f"{shop.current}: leads to {seen.path}, which is no published night"]
    return wrong


def _night_at(folder: Path) -> PublishedNight | None:
    """The night that a folder's place says it is; None for a stranger's folder."""
    try:
        return PublishedNight(date.fromisoformat(folder.parent.name), int(folder.name), folder)
    except ValueError:
        return None


def current(shop: ShopHome) -> PublishedNight | None:
    """The night that readers see. Raises StorageError where the pointer leads nowhere."""
    if not shop.current.is_symlink():
        return None
    path = shop.nights / shop.current.readlink()
    if not path.is_dir():
        raise StorageError(
            f"{shop.current} points at {shop.current.readlink()}, which is not there.",
            "Remove the pointer and publish a night again.",
        )
    night = _night_at(path)
    if night is None:
        raise StorageError(
            f"{shop.current} points at {shop.current.readlink()}, which is no published night.",
            "Remove the pointer and publish a night again.",
        )
    return night


def readers_see(shop: ShopHome) -> PublishedNight | None:
    """`current`, for those who have to go on: None also where the pointer leads nowhere."""
    try:
        return current(shop)
    except StorageError:
        return None


def write_manifest(path: Path, told: dict) -> None:
    """With a seal, so that a flipped bit in the manifest itself is found: sha256 over the file's bytes
    with zeros in the seal's place. `sealed_by` tells a lost seal from a manifest that never had one."""
    told = {**told, "sealed_by": "sha256", "seal": NO_SEAL}
    text = json_text(told)
    write_atomically(path, text.replace(NO_SEAL, hashlib.sha256(text.encode()).hexdigest()))


NO_SEAL = "0" * 64


def _is_sealed(night: PublishedNight) -> bool:
    """Also for a manifest that never had a seal."""
    told = night.manifest
    seal = told.get("seal")
    if seal is None:
        return "sealed_by" not in told
    unsealed = (
        (night.path / "manifest.json").read_bytes().replace(str(seal).encode(), NO_SEAL.encode())
    )
    return hashlib.sha256(unsealed).hexdigest() == seal


def damage(night: PublishedNight) -> list[str]:
    """What differs from the manifest: missing, changed and surplus files, and a manifest that is not the
    one written. Empty for a whole night."""
    try:
        told = night.manifest
        promised = {name: entry["sha256"] for name, entry in told["tables"].items()}
        if not _is_sealed(night):
            return ["manifest.json: not as it was written"]
    except StorageError as error:
        return [error.what]
    except (KeyError, TypeError, AttributeError):
        return ["manifest.json: not as it was written"]
    of = f"{told.get('night', night.night)}/{told.get('attempt', night.attempt)}"
    if of != night.name:
        return [f"manifest.json: of night {of}, in the folder of another"]
    states = {name: _state(night.path / name, sha256) for name, sha256 in promised.items()}
    wrong = [f"{name}: {state}" for name, state in states.items() if state]
    surplus = {p.name for p in night.path.iterdir()} - set(promised) - {"manifest.json", PAGE}
    return wrong + [f"{name}: not in the manifest" for name in sorted(surplus)]


def _state(path: Path, sha256: str) -> str:
    if not path.exists():
        return "missing"
    return "" if sha256_of(path) == sha256 else "its sha256 is not the manifest's"


def require_whole(night: PublishedNight) -> None:
    wrong = damage(night)
    if wrong:
        raise StorageError(
            f"Night {night.night}, attempt {night.attempt} is damaged:\n  " + "\n  ".join(wrong),
            "Publish the night again; `nightshelf night` makes a new attempt.",
        )
