"""Model settings from ml/config/models.toml: one table per model, one frozen dataclass each."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightshelf.errors import SettingsError
from nightshelf.paths import PROJECT

MODELS_TOML = PROJECT / "ml" / "config" / "models.toml"
MOST_DAYS = 3650
"""Ten years: longer than any log at hand, and short of what arrays by day cannot hold."""
DAYS = f"from 1 to {MOST_DAYS}"
MOST_REGULARIZATION = 1e6
"""Far above it every factor is 0, and a system of equations cannot be solved in floats."""


def need(holds: bool, key: str, value: Any, rule: str) -> None:
    """One line of a dataclass's own check. Raises SettingsError naming the key and the rule."""
    if not holds:
        raise SettingsError(f"{key} = {value!r}: must be {rule}", f"set {key} {rule}")


def load_params(classes: Mapping[str, type], path: Path = MODELS_TOML) -> dict[str, Any]:
    """The settings of each model in `classes` (name → dataclass); a missing table means defaults.

    Raises SettingsError for a file that is no TOML, an unknown table or key (known ones are
    listed), a value of the wrong type, or one that the dataclass refuses.
    """
    return params_of(classes, read_tables(path), str(path))


def read_tables(path: Path) -> dict[str, Any]:
    """A TOML file's tables. Raises SettingsError where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}", "mend the file or restore it") from error


def params_of(classes: Mapping[str, type], tables: Mapping, where: str) -> dict[str, Any]:
    """One dataclass for each of `classes`; `where` is the file's name for messages."""
    refuse_unknown(tables, classes, f"{where}: unknown model")
    return {name: params_from(cls, tables.get(name, {}), name) for name, cls in classes.items()}


def params_from(cls: type, table: Mapping[str, Any], where: str) -> Any:
    """One dataclass from one TOML table; `where` is the table's name for messages."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where} = {table!r}: must be a table", f"write [{where}]")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    refuse_unknown(table, fields, f"[{where}]: unknown key")
    values = {key: _typed(value, fields[key].type, where, key) for key, value in table.items()}
    try:
        return cls(**values)
    except SettingsError as error:
        raise SettingsError(f"[{where}] {error.what}", error.next_step) from error


def refuse_unknown(given: Mapping, known: Mapping, what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(
            f"{what} {', '.join(unknown)}; known are {', '.join(sorted(known))}",
            f"remove or rename {unknown[0]}",
        )


def _typed(value: Any, kind: str, where: str, key: str) -> Any:
    # Annotations are strings here ("float"); TOML writes 60 where a float is meant.
    if kind == "float" and type(value) is int:
        value = _as_float(value)
    if type(value).__name__ != kind:
        raise SettingsError(
            f"[{where}] {key} = {value!r}: must be {kind}", f"write {key} as {kind}"
        )
    if kind == "float" and not math.isfinite(value):
        raise SettingsError(
            f"[{where}] {key} = {value}: must be a finite number", f"write {key} as a number"
        )
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
