"""The project's own tests of tables find what breaks them, and nothing else."""

from __future__ import annotations

import re
from types import SimpleNamespace

import duckdb
import jinja2

from nightshelf import transform
from nightshelf.paths import Home
from nightshelf.steps import open_night
from nightshelf.transform import DBT_PROJECT
from tests.support import small_shops

MACROS = re.sub(r"{% (end)?test", r"{% \1macro", (DBT_PROJECT / "macros" / "tests.sql").read_text())


def found(macro: str, rows: str, **arguments) -> list[tuple]:
    """What the test returns of a table t of those rows."""
    library = jinja2.Environment().from_string(MACROS).module
    with duckdb.connect() as db:
        db.execute(f"create table t as select * from (values {rows}) as v(a, b)")
        return db.execute(getattr(library, macro)(model="t", **arguments)).fetchall()


RULES = ["a >= 1", "b between 0 and 1"]


def test_rows_that_meet_every_condition_or_lack_the_value_break_none():
    assert found("holds", "(1, 0.5), (null, 1), (7, null)", rules=RULES) == []


def test_of_each_condition_the_rows_that_break_it_are_counted():
    assert found("holds", "(0, 0.5), (0, 2), (1, null)", rules=RULES) == [(2, 1)]
    assert found("holds", "(1, 0.5), (1, 2)", rules=RULES) == [(0, 1)]


def test_an_empty_table_breaks_no_condition():
    assert found("holds", "(1, 1) limit 0", rules=RULES) == []


def test_a_column_that_lacks_a_value_is_named_by_its_count():
    assert found("never_null", "(1, null), (2, null)", columns=["a", "b"]) == [(0, 2)]
    assert found("never_null", "(1, 1)", columns=["a", "b"]) == []


def test_a_key_that_repeats_is_found_with_its_rows():
    rows = "(1, 'x'), (1, 'x'), (1, 'y'), (2, 'x')"
    assert found("unique_together", rows, columns=["a", "b"]) == [(1, "x", 2)]
    assert found("unique_together", "(1, 'x'), (1, 'y')", columns=["a", "b"]) == []


def test_a_failed_test_is_told_with_what_its_query_finds_first(tmp_path):
    home = Home(tmp_path / "home")
    attempt = open_night(home, small_shops.ONE_ITEM.write(tmp_path), small_shops.NIGHT).attempt
    for file in (attempt.database, attempt.shop.warehouse):
        duckdb.connect(str(file)).close()
    sql = "select 'u\n1' as user_id, 3 as n_rows"
    failed, passed, ended = (
        SimpleNamespace(
            status=status, message=message, node=SimpleNamespace(name=name, compiled_code=sql)
        )
        for status, message, name in (
            ("fail", "Got 1 result", "unique_together_t"),
            ("pass", None, "never_null_t"),
            ("error", "Out of memory", "feat_user"),
        )
    )
    results = SimpleNamespace(results=[failed, passed, ended])
    error = transform._failure("prepare", SimpleNamespace(exception=None, result=results), attempt)
    assert error.what.splitlines() == [
        "dbt prepare: 2 of 3 nodes failed:",
        "  unique_together_t: Got 1 result; the first: user_id 'u\\n1', n_rows 3",
        "  feat_user: Out of memory",
    ]
