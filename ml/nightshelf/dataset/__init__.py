"""What the models learn from: who took what on which day, strictly before `as_of`."""

from nightshelf.dataset.interactions import (
    InteractionLog,
    Interactions,
    day_number,
    load_interactions,
    load_log,
    pack_ids,
    unpack_ids,
)

__all__ = [
    "InteractionLog",
    "Interactions",
    "day_number",
    "load_interactions",
    "load_log",
    "pack_ids",
    "unpack_ids",
]
