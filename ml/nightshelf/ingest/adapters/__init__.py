"""Adapters: each maps one public file schema to the input contract, in SQL over text columns."""

from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.adapters.registry import adapter_for

__all__ = ["Adapter", "adapter_for"]
