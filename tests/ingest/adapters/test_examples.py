"""Every adapter on landing files as their maker publishes them: the exact rows, the exact reasons."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest

from nightshelf.columns import CONTRACTS
from nightshelf.ingest.adapters import adapter_for, adapters
from nightshelf.ingest.adapters.registry import COLUMN_MAP
from tests.support.examples import UNTOLD, Example, Table, given, refused, told

PROJECT = Path(__file__).parents[3]
FIXTURES = sorted((PROJECT / "tests" / "ingest" / "fixtures").glob("*/README.md"))
PAGES = sorted(p for p in (PROJECT / "docs" / "inputs").glob("*.md") if p.name != "README.md")
NOTHING = Table((), [])


def name(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def adapters_on(pages: list[Path]) -> set[str]:
    return {source["adapter"] for page in pages for source in Example.read(page).sources}


def assert_true(page: Path, root: Path) -> None:
    example = Example.read(page)
    landing = example.land(root)
    for source in landing.shop.sources:
        kind = adapter_for(source).kind
        table = example.tables.get((source.name, "gives"), NOTHING)
        silent = [c for c in CONTRACTS[kind] if c not in (*table.columns, *UNTOLD)]
        rows = given(landing, source.name)
        assert [{c: row[c] for c in table.columns} for row in rows] == told(table, kind)
        assert {c: v for row in rows for c, v in row.items() if c in silent and v is not None} == {}
        reasons = example.tables.get((source.name, "refuses"), NOTHING).rows
        assert refused(landing, source.name) == reasons


@pytest.mark.parametrize("page", [*FIXTURES, *PAGES], ids=name)
def test_landing_files_become_the_rows_that_the_page_shows_and_no_others(page, tmp_path):
    assert_true(page, tmp_path)


def test_the_adapter_that_the_docs_add_is_whole(tmp_path, monkeypatch):
    page = PROJECT / "docs" / "inputs" / "README.md"
    (code,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
    module = tmp_path / "wishes.py"
    module.write_text(code)
    for adapter, sentence in run_path(str(module))["ADAPTERS"].items():
        monkeypatch.setitem(adapters(), adapter, sentence)
    assert_true(page, tmp_path)


def test_every_adapter_has_a_fixture():
    assert adapters_on(FIXTURES) == set(adapters())


def test_every_adapter_has_a_page_with_an_example():
    assert adapters_on(PAGES) == {*adapters(), COLUMN_MAP}


@pytest.mark.parametrize("page", FIXTURES, ids=name)
def test_a_fixture_has_rows_for_each_source_and_a_page_of_its_name(page):
    example = Example.read(page)
    assert {s["name"] for s in example.sources} == {
        s for s, verb in example.tables if verb == "gives"
    }
    assert (PROJECT / "docs" / "inputs" / f"{page.parent.name}.md").exists()
