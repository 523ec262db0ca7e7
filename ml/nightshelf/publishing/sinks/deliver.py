"""Brings every sink of a shop to the night that readers see."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nightshelf.errors import NightshelfError, SettingsError, StorageError
from nightshelf.paths import ShopHome
from nightshelf.publishing.nights import PublishedNight, current, require_whole
from nightshelf.settings.shop import DuckDBFile, Postgres, Sinks


def deliver(shop: ShopHome, sinks: Sinks, shop_file: Path, again: str) -> list[str]:
    """Says of each sink, in words, what it shows now. A sink that fails stops no other.

    `again` is the command that delivers once more. Raises the sink's error; files stay published.
    """
    made = _made(shop, sinks, shop_file)
    night = current(shop) if made else None
    if night is None:
        return []
    require_whole(night)
    told, failed = [], []
    for name, bring in made.items():
        try:
            told.append(f"{name}: {bring(night)}")
        except NightshelfError as error:
            failed.append((name, error))
    if failed:
        raise _in_words(night, failed, again)
    return told


def refuse_without_url(sinks: Sinks) -> None:
    """A sink that cannot be reached for want of a setting is told before the night, not after it."""
    if sinks.postgres is not None:
        url(sinks.postgres.url_env)


def url(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        raise SettingsError(
            f"[sink.postgres] takes its URL from the environment variable {variable}, which is not"
            " set.",
            f"Set {variable} to postgresql://user:password@host/database, or leave the sink out.",
        )
    return found


def _made(
    shop: ShopHome, sinks: Sinks, shop_file: Path
) -> dict[str, Callable[[PublishedNight], str]]:
    """Sink → what brings a night to it."""
    made: dict[str, Callable[[PublishedNight], str]] = {}
    if sinks.postgres is not None:
        made["sink.postgres"] = partial(_to_postgres, shop, sinks.postgres)
    if sinks.duckdb is not None:
        path = (shop_file.parent / sinks.duckdb.path).absolute()
        made["sink.duckdb"] = partial(_to_duckdb, shop, sinks.duckdb, path)
    return made


# A driver is imported only where its sink is asked for.


def _to_postgres(shop: ShopHome, sink: Postgres, night: PublishedNight) -> str:
    address = url(sink.url_env)
    from nightshelf.publishing.sinks import postgres

    return postgres.deliver(shop, sink, address, night)


def _to_duckdb(shop: ShopHome, sink: DuckDBFile, path: Path, night: PublishedNight) -> str:
    from nightshelf.publishing.sinks import duckdb_file

    return duckdb_file.deliver(shop, sink, path, night)


def _in_words(
    night: PublishedNight, failed: list[tuple[str, NightshelfError]], again: str
) -> NightshelfError:
    """The one error that ends the step: of the first sink's own kind, with every sink's reason."""
    first = failed[0][1]
    kind = type(first) if len(failed) == 1 else StorageError
    reasons = "\n  ".join(f"{name}: {error.what}" for name, error in failed)
    return kind(
        f"The files of night {night.name} are published, and a sink was not brought to them.\n"
        f"  {reasons}",
        f"{first.next_step} Then run `{again}` again: it delivers what is missing.",
    )
