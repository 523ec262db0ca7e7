"""The generic adapter: the shop's TOML says which of its columns is which of the contract's."""

from __future__ import annotations

from nightshelf.ingest.adapters.base import ELEMENT, Adapter, one_of, translated
from nightshelf.settings.shop import Source
from nightshelf.sql_text import literal, quoted

NUMBERS = {"quantity", "price", "list_price", "cost", "stock_qty"}
COMMA_NUMBER = r"\s*([+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)(,\d*)?)?\s*"
"""Dots only between thousands: `4.20` and `0.482` are somebody else's numbers, and must not be read as 420
or 482. Blanks are no number, and no fault."""


def column_map(source: Source) -> Adapter:
    """`lines[].sku` steps into the list `lines` of a JSON record: one row an element."""
    lists = {c.split("[].")[0] for c in source.columns.values() if "[]." in c}
    paths = {contract: _path(theirs) for contract, theirs in source.columns.items()}
    expressions = {contract: quoted(path) for contract, path in paths.items()}
    for contract, names in source.values.items():
        expressions[contract] = translated(expressions[contract], names)
    if source.event_types and "event_type" in source.columns:
        expressions["event_type"] = translated(expressions["event_type"], source.event_types)
    if source.decimal == ",":
        expressions |= {c: _with_point(expressions[c]) for c in NUMBERS & expressions.keys()}
    expressions |= {contract: literal(value) for contract, value in source.constants.items()}
    return Adapter(
        kind=source.kind,
        required=tuple(dict.fromkeys(paths.values())),
        expressions=expressions,
        time_unit=source.time_unit,
        unfold=_elements(lists.pop()) if lists else None,
        aside=_aside(source, paths),
    )


def _with_point(value: str) -> str:
    """SQL for a number written with a comma; the text of another number is marked, and is none."""
    pointed = f"replace(replace({value}, '.', ''), ',', '.')"
    marked = f"{value} || ' (decimal is a comma)'"
    return (
        f"case when regexp_full_match({value}, '{COMMA_NUMBER}') then {pointed} else {marked} end"
    )


def _path(theirs: str) -> str:
    return ELEMENT + theirs.split("[].", 1)[1] if "[]." in theirs else theirs


def _elements(path: str) -> str:
    from nightshelf.ingest.readers import pointer

    return f"json_extract(line, {literal(pointer(path) + '[*]')})"


def _aside(source: Source, paths: dict[str, str]) -> str | None:
    if not source.leave_aside:
        return None
    return one_of(quoted(paths["event_type"]), source.leave_aside)
