"""A roll-back under way: `nights/roll_back.json` says from where to where, until all has followed.

Without it a roll-back that was killed between the tables and the models, and is asked for again without
`--to`, would go back one night more.
"""

from __future__ import annotations

from nightshelf.errors import StorageError
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight
from nightshelf.storage import read_json, sync_directory, write_json

FILE = "roll_back.json"


def begin(shop: ShopHome, now: PublishedNight | None, target: PublishedNight) -> None:
    path = shop.nights / FILE
    try:
        write_json(path, {"from": now.name if now else None, "to": target.name})
    except IsADirectoryError:
        raise StorageError(f"{path} is a folder.", "Remove it, then roll back again.") from None


def end(shop: ShopHome, target: PublishedNight) -> None:
    """Does nothing where another roll-back has begun since."""
    told = _read(shop)
    if told and told["to"] == target.name:
        (shop.nights / FILE).unlink()
        sync_directory(shop.nights)


def unfinished(shop: ShopHome, now: PublishedNight | None) -> str | None:
    """Where a roll-back that was cut short leads, such as 2017-12-01/2. None where there is none, and where
    a night published since has taken readers elsewhere. Raises StorageError where the file is damaged."""
    told = _read(shop)
    seen = now.name if now else None
    return told["to"] if told and seen in (told["from"], told["to"]) else None


def _read(shop: ShopHome) -> dict | None:
    path = shop.nights / FILE
    try:
        told = read_json(path)
        return {"from": told["from"], "to": str(told["to"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise StorageError(
            f"{path} cannot be read: {error!r}.",
            "Remove it, then run `nightshelf roll-back --to NIGHT` with the night that readers shall see.",
        ) from None
