"""Which adapter a source names: every module of `schemas/` says in `ADAPTERS` what it reads."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from nightshelf.ingest.adapters import schemas
from nightshelf.ingest.adapters.base import Adapter

COLUMN_MAP = "column_map"


@cache
def adapters() -> dict[str, Adapter]:
    """Name → adapter, of all modules in `schemas/`."""
    found: dict[str, Adapter] = {}
    for module in sorted(m.name for m in iter_modules(schemas.__path__)):
        found |= import_module(f"{schemas.__name__}.{module}").ADAPTERS
    return found
