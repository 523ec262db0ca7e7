"""The pages say what the code does: commands, keys, columns, reasons, exit codes, tasks."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

from docs.generate import filled, options, places
from expectations import DOORS
from nightshelf.cli import app
from nightshelf.columns import (
    AUDIENCE,
    EVENT_TYPES,
    REPORTS,
    SHELVES,
)
from nightshelf.errors import NightshelfError
from nightshelf.ingest.adapters.registry import COLUMN_MAP, adapters
from nightshelf.ingest.contract import REASONS
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.rules import Line, Rules
from nightshelf.settings.shop import (
    Cleaning,
    Doors,
    DuckDBFile,
    Events,
    Keep,
    Placements,
    Postgres,
    Shop,
    Sinks,
    Source,
    load_shop,
)

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
COMMANDS = get_command(app).commands


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """From the heading to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    after = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{level}}} ", after)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every line of every table, without headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not set(row[0]) <= set("- ")]


def named(text: str) -> dict[str, list[str]]:
    """Rows of tables whose first cell is `code`, by that name."""
    return {row[0].strip("`"): row[1:] for row in rows(text) if row[0].startswith("`")}


# ------------------------------------------------------------------ the command line


def test_every_command_is_documented_and_no_other():
    assert set(re.findall(r"^### (\S+)$", page("cli.md"), re.M)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_one_that_it_takes(name):
    (example,) = re.findall(r"```\n(.*?)\n```", section(page("cli.md"), f"### {name}"), re.S)
    words = example.split()
    assert words[:2] == ["nightshelf", name]
    known = {option for p in COMMANDS[name].params for option in (*p.opts, *p.secondary_opts)}
    assert {w for w in words if w.startswith("--")} <= known


def test_every_option_is_documented_as_the_command_line_has_it():
    text = page("cli.md")
    assert sorted(places(text)) == sorted(options())
    assert filled(text, options()) == text, "run .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_stand_under_its_heading(name):
    assert places(section(page("cli.md"), f"### {name}")) == [f"options of {name}"]


# ------------------------------------------------------------------ the data contract


def test_every_event_type_is_documented():
    (types,) = re.findall(r"One of (view, .*?)\.", page("data-contract.md"))
    assert tuple(types.split(", ")) == EVENT_TYPES


def keys_of_a_shop_file() -> dict[str, str]:
    """Key → default as the page writes it."""
    tables = {"sources": Source, "events": Events, "cleaning": Cleaning, "doors": Doors}
    tables |= {"placements": Placements, "keep": Keep, "rules": Rules}
    tables |= {"exploration": Exploration, "exploration.budget": Budget}
    tables |= {"sink": Sinks, "sink.postgres": Postgres, "sink.duckdb": DuckDBFile}
    return dict(_keys(Shop, "", tables))


def _keys(model: type[BaseModel], above: str, tables: dict) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        yield f"{above}{name}", _written(field.default)
        if f"{above}{name}" in tables:
            yield from _keys(tables[f"{above}{name}"], f"{above}{name}.", tables)


def _written(default: object) -> str:
    if default is PydanticUndefined:
        return "needed"
    if isinstance(default, BaseModel):
        return "a table"
    if isinstance(default, bool):
        return f"`{json.dumps(default)}`"
    if isinstance(default, list):
        return f"`{json.dumps(default)}`"
    if isinstance(default, dict):
        inside = ", ".join(f"{k} = {v}" for k, v in default.items())
        return f"`{{ {inside} }}`" if inside else "`{}`"
    return (
        "none"
        if default is None
        else f'`"{default}"`'
        if isinstance(default, str)
        else f"`{default}`"
    )


def test_every_key_of_a_shop_file_is_documented_with_its_default():
    told = named(section(page("data-contract.md"), "## The shop file"))
    assert {key: cells[0] for key, cells in told.items()} == keys_of_a_shop_file()


def test_every_rule_and_every_column_of_a_line_is_documented():
    text = page("rules.md")
    assert set(named(section(text, "## The rules"))) == set(Rules.model_fields)
    assert set(named(section(text, "## Lines"))) == set(Line.model_fields) - {"origin"}


def test_every_adapter_stands_in_the_table_of_inputs_once():
    told = re.findall(r"^\| \[.*?\]\(\w+\.md\) \| (.*?) \|", page("inputs/README.md"), re.M)
    assert sorted(", ".join(told).replace("`", "").split(", ")) == sorted([*adapters(), COLUMN_MAP])


def test_every_reason_of_quarantine_is_documented_in_the_code_s_order():
    told = named(section(page("data-contract.md"), "## Quarantine"))
    assert list(told) == list(REASONS)
    for reason, (means,) in told.items():
        assert means.startswith(REASONS[reason])


def test_the_example_s_shop_file_loads_and_is_the_one_on_the_page():
    assert load_shop(DOCS / "example" / "coffee.toml").name == "coffee"
    shown = re.findall(r"```toml\n(.*?)```", page("your-shop.md"), re.S)[0]
    assert tomllib.loads(shown) == tomllib.loads(page("example/coffee.toml"))


# ------------------------------------------------------------------ the tables


def test_every_shelf_is_documented():
    told = named(section(page("tables.md"), "## Shelves"))
    assert set(SHELVES) <= set(told)


def test_every_table_about_users_and_every_report_is_documented():
    assert set(AUDIENCE) <= set(named(section(page("tables.md"), "## Tables about users")))
    assert set(REPORTS) <= set(named(section(page("tables.md"), "## Reports")))


def test_every_reason_is_documented_for_every_shelf_that_gives_it():
    told = {
        (row[0].strip("`"), shelf)
        for row in rows(section(page("tables.md"), "### Reasons"))
        if row[0].startswith("`")
        for shelf in row[1].split(", ")
    }
    assert told == {
        (reason, shelf.removeprefix("rec_")) for shelf in SHELVES for reason in reasons_of(shelf)
    }


def reasons_of(shelf: str) -> list[str]:
    """The closed list that dbt tests."""
    path = PROJECT / "dbt_project" / "models" / "recommendations" / f"{shelf}.yml"
    (model,) = yaml.safe_load(path.read_text())["models"]
    (column,) = [c for c in model["columns"] if c["name"] == "reason_code"]
    return column["data_tests"][0]["accepted_values"]["arguments"]["values"]


# ------------------------------------------------------------------ the runbook


def dag_source() -> ast.Module:
    """Parsed, not imported: importing Airflow takes seconds."""
    return ast.parse((PROJECT / "dags" / "nightly_recommendations.py").read_text())


def tasks() -> dict[str, str]:
    """Task id → the command after `nightshelf`."""
    calls = [n for n in ast.walk(dag_source()) if isinstance(n, ast.Call)]
    steps = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "step"]
    return {c.args[0].value: c.args[1].value for c in steps}


def not_retried() -> set[int]:
    source = ast.parse(
        (PROJECT / "ml" / "nightshelf" / "orchestration" / "scheduling.py").read_text()
    )
    (codes,) = [
        n.value
        for n in ast.walk(source)
        if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "ENDED_BY_DATA"
    ]
    return set(ast.literal_eval(codes))


def test_every_task_of_the_dag_is_in_the_runbook_with_its_command():
    listed = re.findall(
        r"^\| \[`(\w+)`\]\(#(\w+)\) \| `nightshelf (.*?)` \|", page("runbook.md"), re.M
    )
    assert {task: command for task, _, command in listed} == tasks()
    assert re.findall(r"^### (\w+)$", page("runbook.md"), re.M) == list(tasks())


@pytest.mark.parametrize("task", tasks())
def test_a_task_s_page_says_what_it_means_how_to_see_mend_and_rerun(task):
    told = section(page("runbook.md"), f"### {task}")
    assert re.findall(r"\*\*(\w+)\.\*\*", told.replace("| mend |", "**Mend.**")) == [
        "Means",
        "See",
        "Mend",
        "Rerun",
    ]


def test_every_exit_code_is_in_the_runbook():
    told = {row[0]: row for row in rows(section(page("runbook.md"), "## Exit codes"))}
    errors = {e.exit_code: e.__name__ for e in (NightshelfError, *NightshelfError.__subclasses__())}
    for code, name in errors.items():
        assert told[str(code)][1] == f"`{name}`"
        assert told[str(code)][3] == ("no" if code in not_retried() else "yes")


def test_the_runbook_names_only_rules_that_a_door_has():
    folder = PROJECT / "expectations"
    suites = {door: (folder / f"{door}.py").read_text() for door in DOORS}
    suites["shelves"] += "".join((folder / f"{n}.py").read_text() for n in ("audience", "rules"))
    suites["raw"] += "".join(
        (folder / f"{n}.py").read_text() for n in ("learnt", "catalogue", "restated")
    )
    for door, suite in suites.items():
        told = named(section(page("runbook.md"), f"### door_{door}"))
        names = [n.strip("` ") for row in told for n in row.split("`, `")]
        assert names
        for name in names:
            assert name.lstrip("…_") in suite + "_is_not_empty _key_is_unique _key_is_given"


# ------------------------------------------------------------------ the walkthrough


def test_the_walkthrough_shows_the_queries_that_its_command_runs():
    source = ast.parse((DOCS / "example" / "trace.py").read_text())
    (steps,) = [
        n.value
        for n in source.body
        if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "STEPS"
    ]
    run = [textwrap.dedent(query).strip() for query in ast.literal_eval(steps).values()]
    assert re.findall(r"^```sql\n(.*?)\n```$", page("walkthrough.md"), re.M | re.S) == run
