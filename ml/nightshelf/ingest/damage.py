"""Raw Parquet parts that are not as they were written: what is lost with them, and how it comes back.

A night asks each part's size, which costs nothing; `nightshelf verify`, and who met a part that DuckDB
cannot read, ask the sha256, which reads it whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.errors import StorageError
from nightshelf.ingest.ledger import Ledger, LedgerFile, Part
from nightshelf.paths import ShopHome
from nightshelf.progress import Progress
from nightshelf.settings.shop import Source
from nightshelf.storage import sha256_of

SHOWN = 3


def sealed(home: ShopHome, part: Part) -> Part:
    """With the size and the sha256 of its file, by which damage is found."""
    path = home.raw / part.path
    return replace(part, size=path.stat().st_size, sha256=sha256_of(path))


def seal_unsealed(home: ShopHome, ledger: Ledger) -> None:
    """Parts that an earlier Nightshelf wrote get their seal once, if they hold the rows they should."""
    unsealed = [p for p in ledger.parts(current=False) if p.sha256 is None]
    ledger.seal([sealed(home, p) for p in unsealed if not _state(home, p, closely=False)])


def damaged(home: ShopHome, parts: Sequence[Part], closely: bool = False) -> dict[Part, str]:
    """Part → what is wrong with it, of those that are not whole."""
    states = {p: _state(home, p, closely) for p in parts}
    return {p: state for p, state in states.items() if state}


def _state(home: ShopHome, part: Part, closely: bool) -> str:
    path = home.raw / part.path
    if not path.is_file():
        return "gone"
    if part.size is None:
        return "" if _rows(path) == part.rows else f"not the {part.rows:,} rows that it held"
    if path.stat().st_size != part.size:
        return f"not the {part.size:,} bytes that it was"
    return "another content than was written" if closely and sha256_of(path) != part.sha256 else ""


def _rows(path: Path) -> int | None:
    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError):
        return None


def refuse_damaged(home: ShopHome, ledger: Ledger, closely: bool = False) -> None:
    """Raises StorageError that names the parts and the landing files whose rows they hold."""
    found = damaged(home, ledger.parts(), closely)
    if not found:
        return
    shown = "".join(f"\n  {p.path}: {state}" for p, state in list(found.items())[:SHOWN])
    more = f"\n  and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    names = some_of([f.name for f in _files_in(ledger, list(found))])
    raise StorageError(
        f"Accepted rows of {names} are damaged, in {len(found):,} Parquet files of {home.raw}:{shown}{more}",
        f"Bring these Parquet files back from a backup; or put {names} into landing/ as it was taken,"
        " remove these Parquet files, and rerun: it is then taken again.",
    )


@contextmanager
def damage_told(home: ShopHome, ledger: Ledger) -> Iterator[None]:
    """Where DuckDB cannot read raw rows, damaged parts are the most likely reason: they are looked for."""
    try:
        yield
    except duckdb.Error:
        refuse_damaged(home, ledger, closely=True)
        raise


def forget_damaged(
    home: ShopHome, ledger: Ledger, sources: Sequence[Source], landing: Path, progress: Progress
) -> None:
    """Chunks with a damaged part, all of whose files still lie in landing as they were: forgotten, the same
    ingest takes them again. Others are left for `refuse_damaged`: some of their rows are nowhere else."""
    found = damaged(home, ledger.parts())
    for chunk in sorted({p.chunk for p in found}):
        files = [f for f in ledger.files() if f.chunk == chunk]
        if all(_lies_there(f, sources, landing) for f in files):
            ledger.forget(chunk)
            wrong = [f"{p.path}: {state}" for p, state in found.items() if p.chunk == chunk]
            progress.say(
                f"Warning: accepted rows of {some_of([f.name for f in files])} were damaged"
                f" ({some_of(wrong)}); they are taken again from landing/."
            )


def _lies_there(file: LedgerFile, sources: Sequence[Source], landing: Path) -> bool:
    path = landing / file.name
    asked = (s.path for s in sources if s.name == file.source)
    return any(path in landing.glob(a) for a in asked) and sha256_of(path) == file.sha256


def _files_in(ledger: Ledger, parts: Sequence[Part]) -> list[LedgerFile]:
    """The current files with rows in one of the parts, by name."""
    days = ledger.days()
    return [
        f
        for f in sorted(ledger.files(), key=lambda f: f.name)
        if any(
            f.chunk == p.chunk
            and (p.occurred_on is None or f.file_id in days.get(p.occurred_on, ()))
            for p in parts
        )
    ]


def some_of(names: Sequence[str]) -> str:
    """The first few, and how many there are more."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
