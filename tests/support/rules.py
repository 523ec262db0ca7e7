"""Judges a door's rules by their own SQL on an open connection, without Great Expectations: 10 ms a door.

Great Expectations runs the same SQL; `tests/doors/test_check.py` and `test_rules.py` take that way.
"""

from __future__ import annotations

from fnmatch import fnmatch

import duckdb

from expectations import Rule


def broken(db: duckdb.DuckDBPyConnection, rules: list[Rule]) -> list[str]:
    """The names of the rules that refuse rows, in their order; what a guard closes is left out."""
    found: list[str] = []
    closed: list[str] = []
    for rule in rules:
        if any(fnmatch(rule.table, table) for table in closed):
            continue
        if db.execute(f"SELECT 1 FROM ({refused_by(rule)}) LIMIT 1").fetchall():
            found.append(rule.name)
            closed += [rule.table] if rule.guards_table else []
    return found


def refused_by(rule: Rule) -> str:
    """SQL that selects the rows the rule refuses."""
    batch = f"({rule.batch_sql}) AS batch"
    if hasattr(rule.expectation, "unexpected_rows_query"):
        return rule.expectation.unexpected_rows_query.format(batch=batch)
    assert rule.name.endswith("_is_not_empty"), f"{rule.name} cannot be judged by SQL"
    return f"SELECT 1 WHERE NOT EXISTS (FROM {batch})"
