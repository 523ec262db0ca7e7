"""`nightshelf tune`: searches the models' settings within a budget; what it finds is a challenger."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from filelock import FileLock

from nightshelf.errors import InputError, ModelError, SettingsError
from nightshelf.locks import held
from nightshelf.night import TRAIN_ROLES, WINDOW_DAYS, Night
from nightshelf.paths import Attempt, Home, ShopHome
from nightshelf.progress import Progress, console, counted, progress
from nightshelf.registry import Registry
from nightshelf.registry.abandoned import tune_lock
from nightshelf.settings.models import Changes, ModelSettings
from nightshelf.settings.shop import Shop, load_shop
from nightshelf.storage import write_json
from nightshelf.tuning.folds import Fold, load_folds
from nightshelf.tuning.ranker import ranker_subject
from nightshelf.tuning.record import Record
from nightshelf.tuning.search import Found, Subject, search, source_subject
from nightshelf.tuning.space import RANKER, SEARCH_TOML, Space, read_space
from nightshelf.tuning.store import SettingsStore


@dataclass(frozen=True)
class Budget:
    """`minutes` for all subjects together, `trials` for each."""

    minutes: float
    trials: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minutes) and self.minutes >= 0):
            raise SettingsError(
                f"minutes = {self.minutes}: must be a finite number, 0 or more",
                "Give --minutes, or NIGHTSHELF_TUNE_MINUTES, a number such as 20.",
            )


@dataclass(frozen=True)
class Tuned:
    """How a search ended. `version` is the challenger's; None where the present settings stay."""

    told: str
    version: str | None = None
    found: Sequence[Found] = ()


def tune(
    home: Home,
    shop_file: Path,
    night: date | None,
    budget: Budget,
    only: Sequence[str] = (),
    search_file: Path = SEARCH_TOML,
) -> Tuned:
    """Searches on the newest attempt (of the night) that has its features. Reads that, and writes
    MLflow; no history, no night."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    space = _only(read_space(ModelSettings.of_files(), search_file), only, search_file)
    if not space:
        return _told(
            f"{search_file} names nothing to search, so nothing was. Give a model a table there"
        )
    with _alone(where), progress("tune") as shown:
        attempt = newest_with_features(where, night)
        of = Night(attempt.night, shop.zone)
        console.print(
            f"Settings of shop '{shop.name}', as of {of.date}, attempt {attempt.number}:"
            f" {counted(len(space), 'model')}, {counted(budget.minutes, 'minute')},"
            f" {counted(budget.trials, 'trial')} each, the present settings among them",
            markup=False,
        )
        folds = load_folds(shop, of, attempt)
        if not folds:
            return _too_short(shop, of)
        tuned = _tune(home, shop, of, attempt, folds, space, budget, shown)
    console.print(f"✓ {tuned.told}", markup=False)
    return tuned


def _only(space: Space, only: Sequence[str], path: Path) -> Space:
    unknown = next((name for name in only if name not in space), None)
    if unknown:
        raise SettingsError(
            f"--model {unknown}: {path} searches {', '.join(space)}",
            f"name one of these, or give it a table in {path.name}",
        )
    return {name: ranges for name, ranges in space.items() if not only or name in only}


def _alone(where: ShopHome) -> AbstractContextManager[None]:
    """One search of a shop at a time: two would halve each other's budget for the same find."""
    lock = tune_lock(where)
    lock.parent.mkdir(parents=True, exist_ok=True)
    told = f"Another search of settings holds {lock}."
    return held(FileLock(lock, timeout=0), lambda: told, "Let it finish, or end its process.")


def newest_with_features(where: ShopHome, night: date | None) -> Attempt:
    """Raises InputError where no attempt has got so far."""
    found = [
        attempt
        for path in where.attempts.glob("*/*/stages/door_features.json")
        if (attempt := where.attempt_in(path.parents[1]))
        and night in (None, attempt.night)
        and attempt.database.exists()
    ]
    if not found:
        of = f"the night of {night}" if night else "any night"
        raise InputError(
            f"No attempt at {of} in {where.attempts} has its features behind the door.",
            "Run `nightshelf night` first; a search goes by what a night has cleaned.",
        )
    return max(found, key=lambda a: (a.night, a.number))


def _too_short(shop: Shop, night: Night) -> Tuned:
    cuts = ", ".join(str(night.as_of(role)) for role in TRAIN_ROLES)
    told = (
        f"nothing was searched: shop '{shop.name}' has nobody who took something before and in the"
        f" {WINDOW_DAYS} days after {cuts}. The present settings stay"
    )
    return _told(told)


def _told(told: str) -> Tuned:
    """A search that had nothing to do."""
    console.print(f"✓ {told}", markup=False)
    return Tuned(told)


def _tune(
    home: Home,
    shop: Shop,
    night: Night,
    attempt: Attempt,
    folds: Sequence[Fold],
    space: Space,
    budget: Budget,
    shown: Progress,
) -> Tuned:
    registry = Registry(home, shop.name)
    store = SettingsStore(registry)
    with registry.told():
        settings, before, version = present(store, shown)
        record = Record.begin(registry, shop, night, attempt, budget, folds, version)
    end = time.monotonic() + 60 * budget.minutes
    try:
        subjects = [
            ranker_subject(ranges, folds, settings, shop, attempt, end)
            if name == RANKER
            else source_subject(name, ranges, folds)
            for name, ranges in space.items()
        ]
        found = []
        for each in _each(subjects, settings, budget.trials, end, shown):
            found.append(each)
            with registry.told():
                record.subject(each)
        with registry.told():
            return _ended(store, record, before, found, attempt)
    except BaseException as error:
        record.failed("FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def present(store: SettingsStore, shown: Progress) -> tuple[ModelSettings, Changes, str]:
    """What the next night would go by: the settings, what in them is not the files', and whose."""
    files, champion = ModelSettings.of_files(), store.champion()
    if champion is None:
        return files, {}, ""
    try:
        return *store.load(champion, files), champion.number
    except ModelError as error:
        shown.say(f"Warning: settings version {champion.number} is refused: {error.what}")
        return files, {}, ""


def _each(
    subjects: Sequence[Subject], settings: ModelSettings, trials: int, end: float, shown: Progress
) -> Iterator[Found]:
    """Each subject gets its share of the time that is left: what one leaves, the next ones have."""
    for n, subject in enumerate(subjects):
        shown.advance(f"{subject.name}: the present settings")
        share = subject.share / sum(each.share for each in subjects[n:])
        found = search(
            subject, settings, trials, share * (end - time.monotonic()),
            lambda told: shown.advance(f"{told}, {max(end - time.monotonic(), 0) / 60:.0f} min left"),
        )  # fmt: skip
        shown.say(f"{subject.name:<20}{found.seconds:>7.1f} s  {found.told}")
        yield found


def _ended(
    store: SettingsStore, record: Record, before: Changes, found: Sequence[Found], attempt: Attempt
) -> Tuned:
    better = [each for each in found if each.changes]
    if not better:
        told = "no settings are better than the present ones by the margin; those stay"
        record.end(told, None)
        return Tuned(told, None, found)
    changes = {table: dict(keys) for table, keys in before.items()}
    for each in better:
        for table, keys in each.changes.items():
            changes[table] = changes.get(table, {}) | dict(keys)
    # Before the version, so that no night overlooks one.
    write_json(attempt.shop.tuned, {"night": attempt.night, "models": [b.subject for b in better]})
    version = record.register(store, changes, better)
    told = (
        f"version {version} of the settings is challenger ({', '.join(b.subject for b in better)});"
        " the next night judges it"
    )
    record.end(told, version)
    return Tuned(told, version, found)
