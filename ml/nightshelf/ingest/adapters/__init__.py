"""Adapters: each maps one public file schema to the input contract, in SQL over text columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.adapters.registry import COLUMN_MAP, adapters

if TYPE_CHECKING:
    from nightshelf.settings.shop import Source

__all__ = ["Adapter", "adapter_for", "adapters"]


def adapter_for(source: Source) -> Adapter:
    """The adapter of that name, or the shop file's own column map."""
    from nightshelf.ingest.adapters.column_map import column_map

    return column_map(source) if source.adapter == COLUMN_MAP else adapters()[source.adapter]
