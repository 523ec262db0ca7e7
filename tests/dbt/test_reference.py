"""The tables of columns on the pages are those of dbt's manifest, and the manifest's are those built."""

from __future__ import annotations

import duckdb
import pytest

from docs.generate import PAGES, columns, filled, places
from nightshelf.columns import AUDIENCE, CONTRACTS, REPORTS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_has_the_columns_that_the_manifest_tells(project, page):
    text = page.read_text(encoding="utf-8")
    assert filled(text, columns(project.manifest)) == text, "run .venv/bin/python docs/generate.py"


def test_every_contract_and_every_published_table_has_its_place_on_a_page(project):
    written = [place for page in PAGES for place in places(page.read_text(encoding="utf-8"))]
    made = columns(project.manifest)
    assert sorted(p for p in written if p.startswith("columns")) == sorted(made)
    tables = [f"raw.{name}" for name in CONTRACTS] + ["a shelf", *AUDIENCE, *REPORTS]
    assert set(made) == {f"columns of {name}" for name in tables}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_s_columns_are_told_in_their_order(project, name):
    (source,) = (s for s in project.manifest["sources"].values() if s["fqn"][-2:] == ["raw", name])
    assert list(source["columns"]) == list(CONTRACTS[name])


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_has_the_types_that_it_states(project, report):
    with duckdb.connect(project.database, read_only=True) as db:
        built = db.execute(f"describe reports.{report}").fetchall()
    stated = project.nodes("model")[report]["columns"]
    assert {name: kind for name, kind, *_ in built} == {
        name: column["data_type"] for name, column in stated.items()
    }


def test_a_model_describes_the_columns_that_its_table_has_in_their_order(project):
    history = project.database.with_name("warehouse.duckdb")
    models = project.nodes("model").values()
    with duckdb.connect(project.database, read_only=True) as db:
        db.execute(f"attach '{history}' as history (read_only)")
        built = {m["name"]: db.execute(f"describe {m['relation_name']}").fetchall() for m in models}
    assert {name: [column for column, *_ in rows] for name, rows in built.items()} == {
        m["name"]: list(m["columns"]) for m in models
    }
