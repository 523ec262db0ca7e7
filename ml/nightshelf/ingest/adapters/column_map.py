"""The generic adapter: the shop's TOML says which of its columns is which of the contract's."""

from __future__ import annotations

from nightshelf.ingest.adapters.base import Adapter, literal, quoted
from nightshelf.settings import Source


def column_map(source: Source) -> Adapter:
    expressions = {contract: quoted(theirs) for contract, theirs in source.columns.items()}
    expressions |= {contract: literal(value) for contract, value in source.constants.items()}
    if source.event_types and "event_type" in source.columns:
        expressions["event_type"] = _translated(expressions["event_type"], source.event_types)
    return Adapter(
        kind=source.kind,
        required=tuple(dict.fromkeys(source.columns.values())),
        expressions=expressions,
        time_unit=source.time_unit,
    )


def _translated(expression: str, names: dict[str, str]) -> str:
    whens = " ".join(
        f"when {literal(theirs.lower())} then {literal(ours)}" for theirs, ours in names.items()
    )
    return f"case lower(trim({expression})) {whens} else {expression} end"
