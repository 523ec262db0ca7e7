"""Nights that somebody took back: published, whole, and not to be shown again by themselves.

`nights/withdrawn.json` lists them. Without it a retry of the bad night's publish step would lead
readers forward again.
"""

from __future__ import annotations

from collections.abc import Iterable

from nightshelf.errors import StorageError
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight
from nightshelf.storage import read_json, write_json

FILE = "withdrawn.json"


def withdrawn(shop: ShopHome) -> set[str]:
    """Their folders below nights/, such as 2017-12-01/2. Raises StorageError where the list is damaged."""
    path = shop.nights / FILE
    try:
        return {str(name) for name in [*read_json(path)["nights"]]}
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise StorageError(
            f"{path} cannot be read: {error!r}.",
            "Remove it, then run `nightshelf roll-back` again if a bad night shows.",
        ) from None


def withdraw(shop: ShopHome, back: Iterable[PublishedNight], again: PublishedNight) -> None:
    """Takes some nights back, and takes back that `again` was."""
    names = (withdrawn(shop) | {night.name for night in back}) - {again.name}
    write_json(shop.nights / FILE, {"nights": sorted(names)})
