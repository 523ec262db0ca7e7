"""Short ways to declare a rule in SQL. Every query reads `{batch}`: the rule's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar

import great_expectations.expectations as gxe

from expectations import Rule
from nightshelf.doors.profile import text

__all__ = ["columns_rule", "figures_rule", "literal", "not_empty_rule", "rows_rule"]

CATALOGUE = "SELECT * FROM duckdb_columns() WHERE NOT internal"


class NoRefusedRows(gxe.UnexpectedRowsExpectation):
    """Counts the rows alone. Great Expectations' own runs the query once more, for samples of what nearly
    always is nothing; the door asks for samples where it refuses."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(self, metrics: dict, *rest: Any, **more: Any) -> Any:
        return super()._validate({"unexpected_rows_query.table": [], **metrics}, *rest, **more)


def rows_rule(name: str, table: str, refused: str, **rest: Any) -> Rule:
    """`refused` selects the rows that break the promise; they are the samples shown."""
    return Rule(name, table, NoRefusedRows(unexpected_rows_query=refused), **rest)


def figures_rule(name: str, table: str, figures: str, holds: str, **rest: Any) -> Rule:
    """`figures` selects one row of measurements, `holds` is a condition on it; NULL refuses."""
    refused = f"SELECT * FROM ({figures}) WHERE ({holds}) IS NOT TRUE"
    return rows_rule(name, table, refused, figures=figures, **rest)


def not_empty_rule(table: str, **rest: Any) -> Rule:
    name = f"{table.split('.')[1]}_is_not_empty"
    expectation = gxe.ExpectTableRowCountToBeBetween(min_value=1)
    return Rule(name, table, expectation, guards_table=True, **rest)


def columns_rule(
    name: str, table: str, wanted: Mapping[str, Mapping[str, str]], in_order: bool, **rest: Any
) -> Rule:
    """Every table of `wanted` ('schema.table' → column → type) exists with these columns.

    It asks the catalogue, so that a missing table is a refused row and not an exception. With
    `in_order` neither a further column nor another order is allowed.
    """
    values = ", ".join(
        f"({literal(relation)}, {literal(column)}, {literal(kind)}, {position})"
        for relation, columns in wanted.items()
        for position, (column, kind) in enumerate(columns.items(), start=1)
    )
    further = "OR found.position IS DISTINCT FROM wanted.position" if in_order else ""
    refused = f"""
        WITH wanted(relation, column_name, wanted_type, position) AS (VALUES {values}),
        found AS (
            SELECT schema_name || '.' || table_name AS relation, column_name,
                data_type AS found_type, column_index AS position
            FROM {{batch}}
            WHERE relation IN (SELECT relation FROM wanted)
        )
        SELECT relation, column_name, wanted_type, found_type,
            wanted.position AS wanted_position, found.position AS found_position
        FROM wanted {"FULL" if in_order else "LEFT"} JOIN found USING (relation, column_name)
        WHERE found_type IS DISTINCT FROM wanted_type {further}
        ORDER BY relation, coalesce(wanted.position, found.position), column_name
    """
    return rows_rule(name, table, refused, over=CATALOGUE, guards_table=True, **rest)


def literal(value: str | date | datetime | Sequence[str]) -> str:
    """A SQL literal: quoted text, a date, a UTC timestamp, or a bracketed list of texts.

    Braces and colons leave as chr(n): the query passes through `str.format` and SQLAlchemy's
    `text`, which would take them for parameters of their own.
    """
    if isinstance(value, date):
        return text.literal(value)
    if isinstance(value, str):
        return f"'{''.join(_quoted(character) for character in value)}'"
    return f"({', '.join(literal(one) for one in value)})"


def _quoted(character: str) -> str:
    if character in "{}:":
        return f"' || chr({ord(character)}) || '"
    return "''" if character == "'" else character
