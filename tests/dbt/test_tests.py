"""The project's own tests of tables find what breaks them, and nothing else."""

from __future__ import annotations

import re
from types import SimpleNamespace

import duckdb
import jinja2
import pytest

from nightshelf.errors import NightshelfError, StorageError, TableRefused, TransformError
from nightshelf.machine import in_words
from nightshelf.paths import Attempt, Home
from nightshelf.steps import open_night
from nightshelf.transform import visit
from nightshelf.transform.visit import DBT_PROJECT
from tests.support import small_shops

MACROS = re.sub(r"{% (end)?test", r"{% \1macro", (DBT_PROJECT / "macros" / "tests.sql").read_text())


def found(macro: str, rows: str, **arguments) -> list[tuple]:
    """What the test returns of a table t of those rows."""
    library = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(MACROS).module
    with duckdb.connect() as db:
        db.execute(f"create table t as select * from (values {rows}) as v(a, b)")
        return db.execute(getattr(library, macro)(model="t", **arguments)).fetchall()


RULES = ["a >= 1", "b between 0 and 1"]


def test_rows_that_meet_every_condition_or_lack_the_value_break_none():
    assert found("holds", "(1, 0.5), (null, 1), (7, null)", rules=RULES) == []


def test_of_each_condition_the_rows_that_break_it_are_counted():
    assert found("holds", "(0, 0.5), (0, 2), (1, null)", rules=RULES) == [
        ("a >= 1", 2),
        ("b between 0 and 1", 1),
    ]
    assert found("holds", "(1, 0.5), (1, 2)", rules=RULES) == [("b between 0 and 1", 1)]


def test_an_empty_table_breaks_no_condition():
    assert found("holds", "(1, 1) limit 0", rules=RULES) == []


def test_a_column_that_lacks_values_is_told_with_how_many_beside_the_conditions_that_are_broken():
    rows = "(1, null), (0, null)"
    assert found("holds", rows, never_null=["a", "b"]) == [("b is not null", 2)]
    assert found("holds", rows, never_null=["a", "b"], rules=RULES) == [
        ("b is not null", 2),
        ("a >= 1", 1),
    ]
    assert found("holds", "(1, 1)", never_null=["a", "b"]) == []


def test_a_key_that_repeats_is_found_with_its_rows():
    rows = "(1, 'x'), (1, 'x'), (1, 'y'), (2, 'x')"
    assert found("unique_together", rows, columns=["a", "b"]) == [(1, "x", 2)]
    assert found("unique_together", "(1, 'x'), (1, 'y')", columns=["a", "b"]) == []


@pytest.fixture
def attempt(tmp_path) -> Attempt:
    """Of a night whose file and history are there, and empty."""
    home = Home(tmp_path / "home")
    found = open_night(home, small_shops.ONE_ITEM.write(tmp_path), small_shops.NIGHT).attempt
    for file in (found.database, found.shop.warehouse):
        duckdb.connect(str(file)).close()
    return found


def told(attempt, *results) -> NightshelfError:
    """The error of a visit with nodes of (status, message, name, SQL)."""
    nodes = [
        SimpleNamespace(
            status=status,
            message=message,
            node=SimpleNamespace(
                name=name, compiled_code=sql, original_file_path=f"models/{name}.yml"
            ),
        )
        for status, message, name, sql in results
    ]
    result = SimpleNamespace(exception=None, result=SimpleNamespace(results=nodes))
    return visit._failure("prepare", result, attempt)


SQL = "select 'Permission denied\nto u1' as user_id, 3 as n_rows"
FAILED = ("fail", "Got 1 result", "unique_together_t", SQL)


def test_a_failed_test_is_told_with_what_its_query_finds_first(attempt):
    error = told(attempt, FAILED, ("pass", None, "holds_t", SQL))
    assert error.what.splitlines() == [
        "dbt prepare: 1 of 2 nodes failed:",
        "  unique_together_t (models/unique_together_t.yml): Got 1 result",
        "    user_id: 'Permission denied\\nto u1', n_rows: 3",
    ]
    assert error.next_step.startswith("Mend the data, or the rule in that file.")


def test_rows_that_a_table_may_not_have_are_another_error_than_a_model_that_fails(attempt):
    broken = ("error", "no such column", "feat_user", None)
    assert type(told(attempt, FAILED)) is TableRefused
    assert type(told(attempt, FAILED, broken)) is TransformError


def test_of_many_rows_the_first_three_are_told(attempt):
    many = ("fail", "Got 9 results", "holds_t", "select n from range(9) as t(n)")
    assert told(attempt, many).what.splitlines()[2:] == ["    n: 0", "    n: 1", "    n: 2"]


def test_what_a_shop_wrote_into_a_value_is_no_word_of_the_machine(attempt):
    assert in_words(error := told(attempt, FAILED)) is error
    assert (
        type(in_words(told(attempt, ("error", "Out of Memory", "feat_user", SQL)))) is StorageError
    )


@pytest.mark.parametrize(
    "sql", [None, "from gone", "select 1 where false", "select error('no')"], ids=str
)
def test_a_query_that_finds_nothing_without_dbt_hides_no_failure(attempt, sql):
    error = told(attempt, ("fail", "Got 1 result", "holds_t", sql))
    assert error.what.splitlines()[1:] == ["  holds_t (models/holds_t.yml): Got 1 result"]


def test_a_history_that_is_gone_hides_no_failure(attempt):
    attempt.shop.warehouse.unlink()
    assert told(attempt, FAILED).what.endswith("Got 1 result")
