"""What an adapter is: a sentence about rows, in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from nightshelf.columns import CONTRACTS
from nightshelf.sql_text import literal, quoted

ELEMENT = "[]."
"""Begins the name of a column that is looked up in an element of the unfolded list."""


@dataclass(frozen=True)
class Adapter:
    """Contract column → SQL expression over the file's columns, every one of them VARCHAR.

    A contract column without an expression is null. Values stay text here: the contract casts
    them, so that one place decides what a bad value is.

    In JSON Lines, and in Parquet that an adapter unfolds, a column is a path: `geo.country` steps
    into objects, `[].item_id` into the element at hand; a value that is itself an object or a list
    is its JSON text. In CSV, and in flat Parquet, a column is a column of that name.
    """

    kind: Literal["events", "items", "categories", "users"]
    required: tuple[str, ...]
    """Columns that a file must have; a file without one is of another schema and is refused."""
    expressions: dict[str, str]
    optional: tuple[str, ...] = field(default=())
    """Columns that expressions may name though a file may lack them; then they are null."""
    time_unit: Literal["text", "s", "ms", "us"] = "text"
    """How occurred_at is written. `text` is ISO 8601; without an offset it is in the shop's zone."""
    unfold: str | None = None
    """SQL over `line`, the record as JSON, that gives JSON[]: one row an element. A record without
    elements is one row, with every `[].` column null. None: a record is a row."""
    aside: str | None = None
    """SQL condition: rows that the source means and the contract has no use for (a scroll, a ping).
    They are quarantined as `not_for_shelves`, counted apart, and never close a door."""
    claims: bool = False
    """Items only: titles are what order lines happen to say, not a catalogue's word."""

    @property
    def contract(self) -> dict[str, str]:
        return CONTRACTS[self.kind]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the expressions may name, once."""
        return tuple(dict.fromkeys((*self.required, *self.optional)))


def json_in(column: str) -> str:
    """SQL for a column's JSON text, null where the text is none: a file may say "none" for a list.

    Not `try` around what reads it: DuckDB evaluates an expression that stands twice outside of it.
    """
    return f"case when json_valid({quoted(column)}) then {quoted(column)} end"


def named(column: str, key: str, *values: str, usual: bool = False) -> str:
    """SQL for a value in a list of {key, value} pairs, such as GA4's event_params.

    `column` is a column with the list's JSON text; `values` are the names below `value` under which
    it may stand, the first that is there counts. Null where the text is no such list. Most lists
    lack most keys, and looking at the text is a tenth of parsing it; a `usual` key is looked up at
    once.
    """
    fields = ", ".join(f'"{value}": "VARCHAR"' for value in values)
    shape = literal(f'[{{"key": "VARCHAR", "value": {{{fields}}}}}]')
    pairs = f"from_json({json_in(column)}, {shape})"
    found = f"list_filter({pairs}, lambda pair: pair.key = {literal(key)})[1].value"
    value = f"coalesce({', '.join(f'{found}.{value}' for value in values)})"
    in_text = f"contains({quoted(column)}, {literal(quoted(key))})"
    return value if usual else f"case when {in_text} then {value} end"


def first(column: str, path: str = "") -> str:
    """SQL for the first of a list that a column holds as JSON text, or for what `path` names in it."""
    return f"json_extract_string({json_in(column)}, {literal('$[0]' + path)})"


def joined(column: str, separator: str) -> str:
    """SQL for the texts of a list that a column holds as JSON text."""
    texts = f"json_extract_string({json_in(column)}, '$[*]')"
    return f"nullif(array_to_string({texts}, {literal(separator)}), '')"


def one_of(expression: str, names: Iterable[str]) -> str:
    """SQL: is it one of these names? Capitals and blanks around it do not matter."""
    listed = ", ".join(literal(name.lower()) for name in names)
    return f"coalesce(lower(trim({expression})) in ({listed}), false)"


def translated(expression: str, names: dict[str, str], otherwise: str | None = None) -> str:
    """SQL for a value under the contract's name; capitals and blanks around it do not matter."""
    whens = " ".join(
        f"when {literal(theirs.strip().lower())} then {literal(ours)}"
        for theirs, ours in names.items()
    )
    return f"case lower(trim({expression})) {whens} else {otherwise or expression} end"
