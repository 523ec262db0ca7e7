"""Published nights on the disk: which there are, which is current, whether they are whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nightshelf.errors import StorageError
from nightshelf.paths import ShopHome
from nightshelf.storage import read_json, sha256_of


@dataclass(frozen=True, order=True)
class PublishedNight:
    night: date
    attempt: int
    path: Path

    @property
    def manifest(self) -> dict:
        return read_json(self.path / "manifest.json")


def published(shop: ShopHome) -> list[PublishedNight]:
    """Every published attempt, oldest night first. A directory without a manifest is none."""
    found = []
    for manifest in shop.nights.glob("????-??-??/*/manifest.json"):
        folder = manifest.parent
        if folder.name.isdigit():
            found.append(
                PublishedNight(date.fromisoformat(folder.parent.name), int(folder.name), folder)
            )
    return sorted(found)


def current(shop: ShopHome) -> PublishedNight | None:
    """The night that readers see."""
    if not shop.current.is_symlink():
        return None
    path = shop.nights / shop.current.readlink()
    return PublishedNight(date.fromisoformat(path.parent.name), int(path.name), path)


def damage(night: PublishedNight) -> list[str]:
    """What differs from the manifest: missing, changed and surplus files. Empty for a whole night."""
    promised = night.manifest["tables"]
    wrong = [
        f"{name}: {_state(night.path / name, entry['sha256'])}"
        for name, entry in promised.items()
        if _state(night.path / name, entry["sha256"])
    ]
    surplus = {p.name for p in night.path.iterdir()} - set(promised) - {"manifest.json"}
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
