"""Going back: readers see an older night, and the models that made it reign again.

Everything is checked before anything moves. Then the target is noted down, the nights after it are
withdrawn, the pointer is moved by one rename, the aliases follow, and then the sinks. Each step can be
done twice, and the note stays until the last has ended: a roll-back that was killed is ended by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from nightshelf.errors import SettingsError, StorageError
from nightshelf.paths import Home, ShopHome
from nightshelf.publishing.nights import PublishedNight, published, readers_see, require_whole
from nightshelf.publishing.publish import alone, point_at, refuse_no_link
from nightshelf.publishing.retention import before as previous
from nightshelf.publishing.unfinished import begin, end, unfinished
from nightshelf.publishing.withdrawn import withdraw, withdrawn

if TYPE_CHECKING:
    from nightshelf.registry import Registry

LIST = "`nightshelf nights` lists what there is."

Aliases = Callable[[], list[str]]
"""Moves the aliases, and says in words where each stands now."""
Sinks = Callable[[str], list[str]]
"""Brings the sinks to what readers see, and says so; given the command that does it again."""


@dataclass(frozen=True)
class RolledBack:
    target: PublishedNight
    before: PublishedNight | None
    """What readers saw; None where the pointer led nowhere."""
    withdrawn: list[PublishedNight]
    told: list[str] = field(default_factory=list)
    """Where each alias stands now, and what each sink shows."""
    seconds: float = 0.0
    """From the first move of files and aliases to the last; neither the checks before nor the sinks are
    in it."""


def roll_back(
    shop: ShopHome,
    to: str | None,
    prepared: Callable[[PublishedNight], Aliases],
    deliver: Sinks = lambda again: [],
) -> RolledBack:
    """`to` is a night or night/attempt; None ends a roll-back that was cut short, and where there is none
    leads to the newest published before the current one.

    `prepared` checks that the models of the target can reign, and returns what moves their aliases.
    Raises SettingsError where there is no such night, StorageError where its files are not whole, and a
    sink's error: files and aliases have moved then.
    """
    # Once before the lock: what cannot be gone back to is refused before the registry is opened, and
    # opening it takes longer than a publication should wait.
    refuse_no_link(shop)
    first = _target(shop, to, readers_see(shop))
    require_whole(first)
    prepared(first)
    done = _moved(shop, to, prepared)
    # Not under the lock: loading a sink takes longer than a publication would wait.
    delivered = deliver(f"nightshelf roll-back --to {done.target.name}")
    with alone(shop):
        end(shop, done.target)
    return replace(done, told=[*done.told, *delivered])


def _moved(
    shop: ShopHome, to: str | None, prepared: Callable[[PublishedNight], Aliases]
) -> RolledBack:
    with alone(shop):
        before = readers_see(shop)
        target = _target(shop, to, before)
        require_whole(target)
        move = prepared(target)
        later = [n for n in published(shop) if n > target]
        started = time.perf_counter()
        begin(shop, before, target)
        withdraw(shop, later, again=target)
        point_at(shop, target)
        told = move()
        return RolledBack(target, before, later, told, time.perf_counter() - started)


def _target(shop: ShopHome, to: str | None, now: PublishedNight | None) -> PublishedNight:
    if to is not None:
        return _named(shop, to)
    if pending := unfinished(shop, now):
        return _noted(shop, pending)
    if now is None:
        raise SettingsError(
            "Readers see no night, so there is none before it.", f"Name one with --to; {LIST}"
        )
    found = previous(shop, now)
    if not found:
        raise SettingsError(
            f"No night was published before {now.name}, which readers see.",
            f"Run an older night, then go back to it; {LIST}",
        )
    return found[0]


def _noted(shop: ShopHome, pending: str) -> PublishedNight:
    """Where a roll-back that was cut short was to lead."""
    found = [n for n in published(shop) if n.name == pending]
    if not found:
        raise StorageError(
            f"A roll-back to {pending!r} was cut short, and no such night is published any more.",
            f"Name the night that readers shall see with --to; {LIST}",
        )
    return found[0]


def _named(shop: ShopHome, to: str) -> PublishedNight:
    night, _, attempt = to.partition("/")
    try:
        wanted, number = date.fromisoformat(night), int(attempt) if attempt else None
    except ValueError:
        raise SettingsError(
            f"--to {to!r} is no night.", "Give YYYY-MM-DD, or YYYY-MM-DD/ATTEMPT."
        ) from None
    found = [
        n for n in published(shop) if n.night == wanted and number in (None, n.attempt)
    ]  # fmt: skip
    if not found:
        raise SettingsError(f"Night {to} was not published.", LIST)
    back = withdrawn(shop)
    kept = [n for n in found if n.name not in back]
    return (kept or found)[-1]


def models_of(home: Home, shop: str) -> Callable[[PublishedNight], Aliases]:
    """The shop's registry, as `roll_back` asks for it. Opening it takes some 5 s."""
    from nightshelf.registry import Registry

    opened = cache(lambda: Registry(home, shop))

    def prepared(target: PublishedNight) -> Aliases:
        registry = opened()
        decisions = target.manifest.get("models") or {}
        with registry.told():
            wanted = {
                p: _reigned(registry, p, d["version"], target.night) for p, d in decisions.items()
            }

        def move() -> list[str]:
            with registry.told(), registry.alone():
                return [_reinstate(registry, *one) for one in wanted.items()]

        return move

    return prepared


def _reigned(registry: Registry, placement: str, version: str | None, night: date) -> str | None:
    """The version that is to reign: the one that served; where a baseline served, today's champion if
    that night could know it, else nobody. Raises ModelError where it is gone or not what was written."""
    if version is not None:
        registry.load(placement, registry.version(placement, version))
        return version
    now = registry.champion(placement)
    return now.version if now is not None and now.night <= night.isoformat() else None


def _reinstate(registry: Registry, placement: str, version: str | None) -> str:
    if version is None:
        registry.dismiss(placement)
        return f"rec_{placement}: no champion, since a baseline served that night"
    now = registry.champion(placement)
    if now is None or now.version != version:
        registry.promote(placement, version)
    return f"rec_{placement}: version {version} is champion"
