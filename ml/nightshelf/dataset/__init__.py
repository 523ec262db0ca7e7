"""What the models learn from: who took what on which day, strictly before `as_of`."""

from nightshelf.dataset.interactions import (
    Interactions,
    day_number,
    load_interactions,
    pack_ids,
    unpack_ids,
)

__all__ = ["Interactions", "day_number", "load_interactions", "pack_ids", "unpack_ids"]
