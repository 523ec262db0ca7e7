"""ml/config/search.toml: between which bounds each setting is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshelf.candidates.params import read_tables, refuse_unknown
from nightshelf.errors import SettingsError
from nightshelf.paths import PROJECT
from nightshelf.ranking.recipe import RANKER
from nightshelf.settings.models import OF_RANKER, TABLES, Changes, ModelSettings

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

SEARCH_TOML = PROJECT / "ml" / "config" / "search.toml"


@dataclass(frozen=True)
class Range:
    """Where one setting may lie: from `low` to `high`, or one of `choices`."""

    table: str
    key: str
    kind: str
    """Of the dataclass's field: int, float, str or bool."""
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple = ()

    @property
    def name(self) -> str:
        return f"{self.table}.{self.key}"

    def suggest(self, trial: Trial) -> Any:
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        suggest = trial.suggest_int if self.kind == "int" else trial.suggest_float
        return suggest(self.name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.choices:
            return CategoricalDistribution(self.choices)
        of_kind = IntDistribution if self.kind == "int" else FloatDistribution
        return of_kind(self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        return value in self.choices if self.choices else self.low <= value <= self.high

    def ends(self) -> tuple:
        return self.choices or (self.low, self.high)


Space = Mapping[str, tuple[Range, ...]]
"""Subject of a search → its ranges. A subject is a source, or the ranker with its three tables."""


def read_space(settings: ModelSettings, path: Path = SEARCH_TOML) -> Space:
    """Subjects in the order of the settings' tables. Raises SettingsError that names file and key for
    a table or key that is none, a range that is none, or one whose end a model refuses."""
    tables = read_tables(path)
    known = {name: cls for name, cls in TABLES.items() if name != "bought_together"}
    refuse_unknown(tables, known, f"{path}: unknown model")
    found: dict[str, tuple[Range, ...]] = {}
    for table in (name for name in known if name in tables):
        subject = RANKER if table in OF_RANKER else table
        found[subject] = found.get(subject, ()) + _ranges(table, tables[table], path)
    # A table without keys says that nothing of its model is searched.
    found = {subject: ranges for subject, ranges in found.items() if ranges}
    for each in (r for ranges in found.values() for r in ranges):
        _try_ends(each, settings, path)
    return found


def _ranges(table: str, given: Any, path: Path) -> tuple[Range, ...]:
    if not isinstance(given, Mapping):
        raise SettingsError(f"{path}: {table} = {given!r}: must be a table", f"write [{table}]")
    kinds = {field.name: field.type for field in fields(TABLES[table])}
    refuse_unknown(given, kinds, f"{path} [{table}]: unknown key")
    return tuple(_range(table, key, kinds[key], given[key], path) for key in given)


def _range(table: str, key: str, kind: str, given: Any, path: Path) -> Range:
    where = f"{path} [{table}] {key} = {given!r}"
    if not isinstance(given, Mapping) or not given:
        raise SettingsError(
            f"{where}: must be a range",
            f"write {key} = {{ low = …, high = … }} or {{ choices = […] }}",
        )
    refuse_unknown(given, {"low", "high", "log", "choices"}, f"{where}: unknown word")
    if "choices" in given:
        return _choice(table, key, kind, given, where)
    lacking = next((end for end in ("low", "high") if not _is(given.get(end), kind)), None)
    if lacking or kind not in ("int", "float"):
        rule = f"`{lacking}` must be {kind}" if lacking else f"{kind} takes choices only"
        raise SettingsError(f"{where}: {rule}", f"mend [{table}] {key}")
    low, high, log = given["low"], given["high"], given.get("log", False)
    if not low < high or (log is True and low <= 0) or not isinstance(log, bool):
        rule = "low must be below high, and above 0 where log = true"
        raise SettingsError(f"{where}: {rule}", f"mend [{table}] {key}")
    return Range(table, key, kind, low, high, log)


def _choice(table: str, key: str, kind: str, given: Mapping, where: str) -> Range:
    choices = given["choices"]
    usable = isinstance(choices, list) and len(choices) > 1 and set(given) == {"choices"}
    if not usable or not all(_is(each, kind) for each in choices) or _repeats(choices):
        raise SettingsError(
            f"{where}: choices must be two or more of {kind}, none twice, and stand alone",
            f"mend [{table}] {key}",
        )
    of_kind = float if kind == "float" else lambda value: value
    return Range(table, key, kind, choices=tuple(of_kind(each) for each in choices))


def _repeats(choices: list) -> bool:
    return len(set(choices)) < len(choices)


def _is(value: Any, kind: str) -> bool:
    return type(value).__name__ == kind or (kind == "float" and type(value) is int)


def _try_ends(each: Range, settings: ModelSettings, path: Path) -> None:
    for end in each.ends():
        try:
            settings.changed({each.table: {each.key: end}}, "")
        except SettingsError as error:
            raise SettingsError(
                f"{path} [{each.table}] {each.key} reaches to {end!r}: {error.what}",
                error.next_step,
            ) from error


def changes_of(ranges: tuple[Range, ...], values: Mapping[str, Any]) -> Changes:
    """From "ials.factors" → 64 to what `ModelSettings.changed` takes."""
    found: dict[str, dict[str, Any]] = {}
    for each in ranges:
        found.setdefault(each.table, {})[each.key] = values[each.name]
    return found


def values_of(ranges: tuple[Range, ...], settings: ModelSettings) -> dict[str, Any]:
    """What the settings hold of each range's key."""
    return {each.name: getattr(settings[each.table], each.key) for each in ranges}
