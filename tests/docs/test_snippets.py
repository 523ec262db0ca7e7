"""What the pages show can be done: commands are taken, TOML loads, Python and SQL run on a night.

Of the kinds of blocks, `sql`, `python` and `toml` run. Of a block without a language, lines that begin
with a command are held against the command line's own parser, and not run: nights take minutes. The rest
of such a block is output. `docs/inputs` is run by `tests/ingest/adapters/test_examples.py`, SQL that asks
an attempt's own file (the walkthrough's, the loop's) by `tests/night/test_tracing.py`, and the rights in
PostgreSQL by `tests/publishing/test_sink_postgres.py`.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from datetime import date
from pathlib import Path
from runpy import run_path

import duckdb
import pytest
import yaml
from typer.main import get_command

from nightshelf.cli import app
from nightshelf.columns import REPORTS, SHELVES
from nightshelf.paths import PROJECT, Home
from nightshelf.settings.shop import load_shop
from tests.support.published import furnish

PAGES = (
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *(PROJECT / folder / "README.md" for folder in ("dags", "expectations", "benchmarks")),
    PROJECT / "CONTRIBUTING.md",
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
KINDS = {"", "sql", "python", "toml", "json"}
COMMANDS = get_command(app).commands
GIVEN = "import nightshelf.doors\nfrom expectations.declare import figures_rule\n"
"""expectations/README.md shows one call of the module that it is about."""
SHOP = """
name = "a_shop"
time_zone = "UTC"
currency = "EUR"
"""
SOURCES = """
[[sources]]
name = "lines"
adapter = "ga4"
path = "*.jsonl"
"""


def blocks(kind: str) -> list:
    return [
        pytest.param(page, text, id=f"{page.relative_to(PROJECT).as_posix()}-{number}")
        for page in PAGES
        for number, (of, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1)
        if of == kind
    ]


def test_every_block_is_of_a_kind_that_is_run_or_parsed():
    kinds = {kind for page in PAGES for kind, _ in BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert kinds <= KINDS


# ------------------------------------------------------------------ commands


def commands(text: str) -> list[list[str]]:
    """The words of each line that is a command, continued lines joined, comments cut."""
    lines = text.replace("\\\n", " ").splitlines()
    told = (line.removeprefix("$ ").strip() for line in lines)
    words = (re.sub(r"^(\.venv/bin/)?(nightshelf|python3?|make) ", r"\2 ", line) for line in told)
    begins = re.compile(r"(nightshelf|python|make|export|NIGHTSHELF_\w+=\S+) ?")
    return [shlex.split(line, comments=True) for line in words if begins.match(line)]


SHOWN = [
    pytest.param(words, id=f"{p.values[0].stem}: {' '.join(words)[:60]}")
    for p in blocks("")
    for words in commands(p.values[1])
]


def test_commands_are_found_on_the_pages():
    """Lest a change of form lets them all pass unseen."""
    assert len(SHOWN) > 60


@pytest.mark.parametrize("words", SHOWN)
def test_a_command_on_a_page_is_one_that_there_is(words):
    {"nightshelf": taken, "python": there, "make": a_verb}.get(words[0], documented)(words)


def taken(words: list[str]) -> None:
    """The command line's parser takes it: name, options, their types, and none that is needed lacks."""
    if not words[-1].startswith("nightshelf"):
        COMMANDS[words[1]].make_context(words[1], words[2:])


def there(words: list[str]) -> None:
    module = words[1] in ("-m", "-c")
    assert module or (PROJECT / words[1]).exists(), words[1]
    if words[1:3] == ["-m", "nightshelf"]:
        taken(words[2:])


def a_verb(words: list[str]) -> None:
    verbs = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M)
    assert {w for w in words[1:] if "=" not in w} <= set(verbs)


def documented(words: list[str]) -> None:
    """Of our variables in `NAME=value` and `export NAME=value`, each stands on the page of commands."""
    names = {w.partition("=")[0] for w in words if w.startswith("NIGHTSHELF_")}
    text = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {n for n in names if n not in text} == set()


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_toml_on_a_page_is_a_shop_file_or_a_part_of_one(page, text, tmp_path):
    told = tomllib.loads(text)
    whole = text if "name" in told else SHOP + text + ("" if "sources" in told else SOURCES)
    (tmp_path / "shop.toml").write_text(whole, encoding="utf-8")
    for name in told.get("rules", {}).get("files", []):
        (lines,) = re.findall(r"^```\n(rule,.*?)^```$", page.read_text(), re.M | re.S)
        (tmp_path / name).write_text(lines)
    assert load_shop(tmp_path / "shop.toml")


@pytest.mark.parametrize(("page", "text"), blocks("json"))
def test_json_on_a_page_is_a_part_of_an_object(page, text):
    assert json.loads("{" + text.strip().rstrip(",") + "}")


# ------------------------------------------------------------------ on a night


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A folder as the pages take it to be: a home with a published night, the demo's files."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("demo", "coffee"):
        shop = Home(folder / ".nightshelf").shop(name)
        shop.root.mkdir(parents=True)
        furnish(shop, "2017-12-01/1", **{report: no_rows_of(report) for report in REPORTS})
        attempt = shop.attempt(date(2017, 12, 1), 1)
        attempt.root.mkdir(parents=True)
        for path in (shop.warehouse, attempt.database):
            duckdb.connect(path).close()
    products = folder / ".nightshelf/shops/demo/landing/products/products.csv.gz"
    products.parent.mkdir(parents=True)
    duckdb.connect().sql("select 1 as product_id, 'tea' as product_type").write_csv(str(products))
    return folder


def no_rows_of(report: str) -> str:
    """An empty table with the report's columns, as its `.yml` tells them."""
    path = PROJECT / "dbt_project" / "models" / "reports" / f"{report}.yml"
    (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    columns = (f"null::{c['data_type']} as {c['name']}" for c in model["columns"])
    return f"select {', '.join(columns)} where false"


def runs_elsewhere(page: Path, text: str) -> bool:
    """Where the docstring of this module says."""
    asks_an_attempt = page.name == "walkthrough.md" or "intermediate." in text
    return asks_an_attempt or text.startswith("grant ")


@pytest.mark.parametrize(
    ("page", "text"), [p for p in blocks("sql") if not runs_elsewhere(*p.values)]
)
def test_sql_on_a_page_runs_on_a_night(page, text, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    with duckdb.connect() as db:
        as_a_sink(db)
        queries = text.replace("…/nights", ".nightshelf/shops/demo/nights").split(";")
        for query in filter(str.strip, queries):
            db.execute(query, ["user"] if "$1" in query else None)


def as_a_sink(db: duckdb.DuckDBPyConnection) -> None:
    """The schema that a sink has, over the night's files."""
    db.execute("create schema nightshelf")
    db.execute(
        "create table nightshelf.current_night as select date '2017-12-01' as night, 1 as attempt"
    )
    for shelf in SHELVES:
        file = f".nightshelf/shops/demo/nights/current/{shelf}.parquet"
        db.execute(f"create view nightshelf.{shelf} as from '{file}'")


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_on_a_page_runs(page, text, checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(checkout)
    (tmp_path / "snippet.py").write_text(GIVEN + text, encoding="utf-8")
    run_path(str(tmp_path / "snippet.py"))
