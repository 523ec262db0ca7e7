"""What the models learn from: who took what on which day, strictly before `as_of`."""

from nightshelf.dataset.catalogue import Catalogue, CatalogueRows, load_catalogue
from nightshelf.dataset.interactions import (
    InteractionLog,
    Interactions,
    day_number,
    load_log,
    pack_ids,
    unpack_ids,
)

__all__ = [
    "Catalogue",
    "CatalogueRows",
    "InteractionLog",
    "Interactions",
    "day_number",
    "load_catalogue",
    "load_log",
    "pack_ids",
    "unpack_ids",
]
