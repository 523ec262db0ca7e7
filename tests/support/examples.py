"""Worked examples: a page with a shop's sources, landing files, and tables of what becomes of them.

On the page, a `toml` block holds sources; a block with a path behind its language is a landing file,
and so is every file beside the page. A table below "`orders` gives" lists the rows of the source
`orders`, and one below "`orders` refuses" its quarantine. A column that is not in the table is null.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from nightshelf.columns import CONTRACTS
from nightshelf.ingest.adapters import adapter_for
from tests.support.landing import Landing

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.M | re.S)
TABLE = re.compile(r"^`(\w+)` (gives|refuses)[^|\n]*\n\n((?:\|.*\n)+)", re.M)
UNTOLD = ("event_id", "source")
"""Columns that a table may leave out though they are filled: ours, or a hash."""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]


@dataclass(frozen=True)
class Example:
    sources: list[dict]
    zone: str
    files: dict[str, bytes]
    tables: dict[tuple[str, str], Table]
    """(source, gives or refuses) → what the page says."""

    @classmethod
    def read(cls, page: Path) -> Example:
        text = page.read_text(encoding="utf-8")
        blocks = BLOCK.findall(text)
        shop = tomllib.loads("\n".join(code for kind, _, code in blocks if kind == "toml"))
        files = {name: code.encode() for _, name, code in blocks if name}
        tables = {(source, verb): _table(lines) for source, verb, lines in TABLE.findall(text)}
        zone = shop.get("time_zone", "UTC")
        return cls(shop["sources"], zone, files | dict(_beside(page)), tables)

    def land(self, root: Path) -> Landing:
        """The example's landing files, taken in."""
        landing = Landing(root, self.sources, self.zone)
        for name, content in self.files.items():
            path = landing.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        landing.ingest()
        return landing


def _beside(page: Path) -> Iterator[tuple[str, bytes]]:
    if page.name != "README.md" or page.parent.name == "inputs":
        return
    for path in sorted(page.parent.rglob("*")):
        if path.is_file() and path != page:
            yield path.relative_to(page.parent).as_posix(), path.read_bytes()


def _table(text: str) -> Table:
    header, _, *rows = (
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
    )
    return Table(tuple(header), [tuple(cell.strip("`") or None for cell in row) for row in rows])


def given(landing: Landing, source: str) -> list[dict]:
    """The accepted rows of a source by contract column, in the order of its files and their rows."""
    kind = adapter_for(next(s for s in landing.shop.sources if s.name == source)).kind
    ids = {f.file_id: f.name for f in landing.ledger.files() if f.source == source}
    columns = ", ".join(f'"{c}"' for c in CONTRACTS[kind])
    rows = landing.events(f"file_id, row_number, element, {columns}", kind)
    rows = sorted((ids[r[0]], *r[1:]) for r in rows if r[0] in ids) if rows else []
    return [dict(zip(CONTRACTS[kind], r[3:], strict=True)) for r in rows]


def refused(landing: Landing, source: str) -> list[tuple[str, ...]]:
    """(row, element, reason) of a source's quarantine, as text."""
    ids = {f.file_id: f.name for f in landing.ledger.files() if f.source == source}
    rows = landing.quarantine("file_id, row_number, element, reason")
    rows = sorted((ids[r[0]], *r[1:]) for r in rows if r[0] in ids)
    return [tuple(str(v) for v in r[1:]) for r in rows]


def told(table: Table, kind: str) -> list[dict]:
    """The page's rows, each value of its column's type."""
    types = CONTRACTS[kind]

    def typed(column: str, cell: str | None):
        return duckdb.execute(f"select cast(? as {types[column]})", [cell]).fetchall()[0][0]

    return [
        {c: typed(c, cell) for c, cell in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


__all__ = ["UNTOLD", "Example", "Table", "given", "refused", "told"]
