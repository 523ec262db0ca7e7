"""Writes what the code knows into the pages: columns from dbt's manifest, options from the command line.

    .venv/bin/python docs/generate.py

Such a table stands between `<!-- columns of user_profiles -->` or `<!-- options of tune -->` and
`<!-- end -->`; nothing else of a page is touched. What a column means has its home in the model's `.yml`,
what an option means in `ml/nightshelf/cli.py`. A test fails while a page says something else.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from typer.main import get_command

from nightshelf.cli import app
from nightshelf.columns import AUDIENCE, CONTRACTS, SHELF, SHELVES

PROJECT = Path(__file__).resolve().parents[1]
PAGES = tuple(PROJECT / "docs" / name for name in ("cli.md", "data-contract.md", "tables.md"))
PLACE = re.compile(r"(<!-- ((?:columns|options) of .*?) -->\n).*?(<!-- end -->)", re.S)
COMMANDS = get_command(app).commands
SHARED = COMMANDS["features"].params
"""Options that most commands have: a step has these and no other."""


def filled(page: str, tables: dict[str, str]) -> str:
    """The page with each table in its place; a place whose table is not given stays as it is."""
    return PLACE.sub(lambda m: f"{m[1]}{tables[m[2]]}\n{m[3]}" if m[2] in tables else m[0], page)


def places(page: str) -> list[str]:
    return [place[1] for place in PLACE.findall(page)]


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


# ------------------------------------------------------------------ columns


def columns(manifest: dict) -> dict[str, str]:
    """Place → table, of dbt's manifest.json."""
    models = {
        n["name"]: n["columns"] for n in manifest["nodes"].values() if n["resource_type"] == "model"
    }
    sources = {
        s["name"]: s["columns"] for s in manifest["sources"].values() if s["source_name"] == "raw"
    }
    reports = {name: _types(told) for name, told in models.items() if name.startswith("rpt_")}
    made = {name: _published(models[name], types) for name, types in (AUDIENCE | reports).items()}
    made |= {f"raw.{name}": _contract(sources[name], types) for name, types in CONTRACTS.items()}
    made["a shelf"] = _shelf([models[shelf] for shelf in SHELVES])
    return {f"columns of {name}": told for name, told in made.items()}


def _types(told: dict) -> dict[str, str]:
    return {name: column["data_type"] for name, column in told.items()}


def _published(told: dict, types: dict[str, str]) -> str:
    rows = [(f"`{name}`", types[name], column["description"]) for name, column in told.items()]
    return table(("column", "type", "meaning"), rows)


def _contract(told: dict, types: dict[str, str]) -> str:
    rows = [
        (f"`{name}`", types[name], column["config"]["meta"]["needed"], column["description"])
        for name, column in told.items()
    ]
    return table(("column", "type", "needed", "meaning"), rows)


def _shelf(shelves: list[dict]) -> str:
    """One table for all shelves: what most say of a column first, then what single ones say."""
    rows = [
        (f"`{name}`", kind, _of_all([s[name]["description"] for s in shelves]))
        for name, kind in SHELF.items()
    ]
    return table(("column", "type", "meaning"), rows)


def _of_all(told: list[str]) -> str:
    usual = max(told, key=told.count)
    by_meaning: dict[str, list[str]] = {}
    for shelf, meaning in zip(SHELVES, told, strict=True):
        by_meaning.setdefault(meaning, []).append(shelf.removeprefix("rec_"))
    others = [
        f" *{', '.join(of)}*: {meaning}" for meaning, of in by_meaning.items() if meaning != usual
    ]
    return usual + "".join(others)


# ------------------------------------------------------------------ options


def options() -> dict[str, str]:
    """Place → table, of the command line."""
    made = {name: _command(command.params) for name, command in COMMANDS.items()}
    made["most commands"] = _options(SHARED)
    return {f"options of {name}": told for name, told in made.items()}


def _command(params: list) -> str:
    shared = {(p.name, p.help) for p in SHARED}
    own = [p for p in params if (p.name, p.help) not in shared]
    others = [f"`{p.opts[0]}`{' (needed)' if p.required else ''}" for p in params if p not in own]
    told = [f"Shared: {', '.join(others)}."] if others else []
    return "\n\n".join(([_options(own)] if own else []) + told) or "No options."


def _options(params: list) -> str:
    rows = [(_name(p), _default(p), f"`{p.envvar}`" if p.envvar else "", p.help) for p in params]
    return table(("option", "default", "environment", "means"), rows)


def _name(param) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return " / ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _default(param) -> str:
    if param.required:
        return "needed"
    if isinstance(param.default, bool):
        return "on" if param.default else "off"
    return "" if param.default in (None, "", ()) else f"`{param.default}`"


def parsed() -> dict:
    """dbt's manifest of the project as it is; 3 s."""
    from dbt.cli.main import dbtRunner

    dbt = PROJECT / "dbt_project"
    with tempfile.TemporaryDirectory() as target:
        where = ["--project-dir", str(dbt), "--profiles-dir", str(dbt), "--quiet"]
        result = dbtRunner().invoke(
            ["parse", *where, "--target-path", target, "--log-path", target]
        )
        if not result.success:
            raise SystemExit(f"dbt cannot read the project: {result.exception}")
        return json.loads((Path(target) / "manifest.json").read_text())


def main() -> None:
    tables = columns(parsed()) | options()
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
