"""Macros of the loop, held against a library and against hostile text."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from scipy.stats import binomtest

from nightshelf.transform.visit import DBT_PROJECT

MACROS = (DBT_PROJECT / "macros" / "loop.sql").read_text()


def rendered(call: str) -> str:
    return Environment().from_string(MACROS + "{{ " + call + " }}").render()


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 40), (8, 40), (40, 40), (3, 100_000)])
def test_wilson_s_interval_is_scipy_s(successes, n):
    low, high = (rendered(f"wilson('{successes}', '{n}', '{sign}')") for sign in "-+")
    found = duckdb.execute(f"select {low}, {high}").fetchone()
    wanted = binomtest(successes, n).proportion_ci(0.95, "wilson")
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-7)


def test_no_tries_have_no_interval():
    low = rendered("wilson('0', '0', '-')")
    assert duckdb.execute(f"select {low}").fetchone() == (None,)


def parts(list_id):
    said = rendered("parts_of_list_id('list_id')")
    return duckdb.execute(f"select said.* from (select {said} as said from (select ? as list_id))",
                          [list_id]).fetchone()  # fmt: skip


@settings(deadline=None)
@given(context=st.text(min_size=1), night=st.dates().map(str))
def test_any_context_comes_back_from_a_list_id_as_it_was_written(context, night):
    context = context.replace("\0", "")
    if context.strip() and context == context.strip():
        assert parts(f"similar_items/{context}@{night}") == ("similar_items", context, night)


@settings(deadline=None)
@given(st.text())
def test_no_text_breaks_the_reading_of_a_list_id(text):
    placement, context, night = parts(text.replace("\0", ""))
    assert placement == "" or text.strip().removeprefix("rec_").startswith(placement)
    assert context in text
    assert night in text
