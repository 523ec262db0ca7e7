"""Takes every new landing file in, in chunks; each chunk is on the disk before the ledger names it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import duckdb

from nightshelf.errors import InputError
from nightshelf.ingest.adapters import adapter_for
from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.contract import typed
from nightshelf.ingest.files import LandingFile, inspect
from nightshelf.ingest.ledger import Ledger, LedgerFile, Part
from nightshelf.ingest.readers import read
from nightshelf.paths import ShopHome
from nightshelf.progress import Progress
from nightshelf.settings import Shop, Source
from nightshelf.storage import sync_directory, sync_file
from nightshelf.warehouse import cores, in_memory

CHUNK_BYTES = 64 << 20
"""Bytes of landing files in one chunk: some 5 million gzipped lines at most, about 1 GB."""
SMALLEST_CHUNK_BYTES = 1 << 20
"""Below this a second chunk costs more than a second core saves."""
PARQUET = "format parquet, parquet_version v2, compression zstd"


Identified = tuple[LandingFile, str]
"""A landing file and its id in the ledger."""


@dataclass(frozen=True)
class Taken:
    """What one ingest did. Counts are of files and of rows."""

    files: int
    unchanged: int
    rows_read: int
    accepted: int
    quarantined: int
    restated: tuple[str, ...]


def ingest(shop: Shop, landing: Path, home: ShopHome, progress: Progress) -> Taken:
    """Reads what is new in `landing`. The same file again adds nothing; a restated one replaces.

    Files that cannot be taken whole are all named in one InputError, after the good ones are in.
    """
    ledger = Ledger(home.ledger)
    _sweep(home, ledger)
    known = {(f.source, f.name): f for f in ledger.files()}
    earlier = {f.file_id: f for f in ledger.files(current=False)}
    refused: list[InputError] = []
    taken: list[LedgerFile] = []
    unchanged = 0
    for source in shop.sources:
        adapter = adapter_for(source)
        sql = typed(adapter, source.name, shop.zone)
        found = _found(source, landing, known, refused, progress)
        new, same = _new_files(source, sql, found, landing, known, refused, progress)
        unchanged += same
        again = [earlier[i] for _, i in new if i in earlier]
        taken += ledger.reinstate(again)
        unknown = [(f, i) for f, i in new if i not in earlier]
        _tell_unended(unknown, progress)
        work = _Work(source, adapter, sql, home, ledger, refused)
        for files in _side_by_side(work, list(_chunks(unknown))):
            taken += files
            progress.advance(f"{source.name}: {len(taken):,} files taken")
    if refused:
        raise _together(refused, len(taken))
    restated = tuple(f.name for f in taken if (f.source, f.name) in known)
    return Taken(
        len(taken),
        unchanged,
        sum(f.rows_read for f in taken),
        sum(f.accepted for f in taken),
        sum(f.quarantined for f in taken),
        restated,
    )


def _found(
    source: Source,
    landing: Path,
    known: dict[tuple[str, str], LedgerFile],
    refused: list[InputError],
    progress: Progress,
) -> list[Path]:
    """The source's files. None at all is an error, unless they were taken and then cleared away."""
    paths = sorted(p for p in landing.glob(source.path) if p.is_file())
    if not paths and any(of == source.name for of, _ in known):
        progress.say(f"Source '{source.name}' has no file left; what was taken is kept.")
    elif not paths:
        refused.append(
            InputError(
                f"Source '{source.name}': no file matches {landing / source.path}.",
                "Put the exports there, or mend `path` or `landing` in the shop file.",
            )
        )
    return paths


def _new_files(
    source: Source,
    sql: str,
    paths: list[Path],
    landing: Path,
    known: dict[tuple[str, str], LedgerFile],
    refused: list[InputError],
    progress: Progress,
) -> tuple[list[Identified], int]:
    new, same = [], 0
    for done, path in enumerate(paths):
        name = path.relative_to(landing).as_posix()
        try:
            file = inspect(path, name)
        except InputError as error:
            refused.append(error)
            continue
        file_id = _file_id(source, sql, file)
        before = known.get((source.name, name))
        if before and before.file_id == file_id:
            same += 1
        else:
            new.append((file, file_id))
        progress.advance(f"{source.name}: {done + 1:,} of {len(paths):,} files read through")
    return new, same


def _file_id(source: Source, sql: str, file: LandingFile) -> str:
    """One file may feed two sources, two files of one content are two, and a file that is read by
    another mapping is another taking."""
    whole = f"{source.name}\0{file.name}\0{file.sha256}\0{sql}"
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _tell_unended(files: list[Identified], progress: Progress) -> None:
    """A CSV whose last line has no end may be cut inside its last value: taken, but said aloud."""
    for file, _ in files:
        if file.format == "csv" and not file.ends_with_newline:
            progress.say(f"Warning: {file.name} ends without a line end; its last row may be cut.")


def _chunks(files: list[Identified]) -> Iterator[list[Identified]]:
    """Files of one format and header, in name order; as many chunks as cores, or more if large."""
    share = sum(f.size for f, _ in files) // cores() + 1
    limit = min(CHUNK_BYTES, max(SMALLEST_CHUNK_BYTES, share))
    for _, group in groupby(files, key=lambda f: (f[0].format, f[0].header)):
        chunk: list[Identified] = []
        for file in group:
            if chunk and sum(f.size for f, _ in chunk) + file[0].size > limit:
                yield chunk
                chunk = []
            chunk.append(file)
        yield chunk


@dataclass(frozen=True)
class _Work:
    """What taking a chunk of one source's files needs."""

    source: Source
    adapter: Adapter
    sql: str
    home: ShopHome
    ledger: Ledger
    refused: list[InputError]


def _side_by_side(work: _Work, chunks: list[list[Identified]]) -> Iterator[list[LedgerFile]]:
    """Chunks in threads, one core each: much of reading text runs on one core only."""
    with ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(partial(_take, work), chunks)


def _take(work: _Work, files: list[Identified]) -> list[LedgerFile]:
    """One chunk; if a file in it is refused, the others are taken one by one."""
    try:
        return _take_whole(work, files)
    except InputError as error:
        if len(files) == 1:
            work.refused.append(error)
            return []
    return [taken for file in files for taken in _take(work, [file])]


def _take_whole(work: _Work, files: list[Identified]) -> list[LedgerFile]:
    chunk = hashlib.sha256("".join(i for _, i in files).encode()).hexdigest()[:16]
    with in_memory(work.home, threads=1) as db:
        read(db, work.adapter, files)
        db.execute(f"create temp table typed as {work.sql}")
        counts = _counts(db)
        _refuse_changed(files)
        parts = _write_accepted(db, work.adapter, work.home, chunk)
        _write_quarantine(db, work.home, chunk)
    rows = [_row(work, f, i, counts.get(i, (0, 0)), chunk) for f, i in files]
    work.ledger.commit(rows, parts)
    return rows


def _refuse_changed(files: list[Identified]) -> None:
    for file, _ in files:
        if file.has_changed():
            raise InputError(
                f"{file.name}: it changed while it was read; nothing of it was taken.",
                "Let the copy finish, then rerun.",
            )


def _row(
    work: _Work, file: LandingFile, file_id: str, counts: tuple[int, int], chunk: str
) -> LedgerFile:
    accepted, quarantined = counts
    return LedgerFile(
        file_id, work.source.name, work.adapter.kind, file.name, file.sha256, file.size,
        accepted + quarantined, accepted, quarantined, chunk,
    )  # fmt: skip


def _counts(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    rows = db.execute("""
        select file_id, count(*) filter (reason is null), count(*) filter (reason is not null)
        from (select file_id, reason from typed union all select file_id, reason from misfits)
        group by all""").fetchall()
    return {file_id: (accepted, quarantined) for file_id, accepted, quarantined in rows}


def _write_accepted(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, home: ShopHome, chunk: str
) -> list[Part]:
    """Events by UTC day, so that a night reads the days it needs; items in one part."""
    folder = home.raw / adapter.kind / chunk
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if adapter.kind == "items":
        path = folder / "items.parquet"
        db.execute(
            f"copy (select * exclude (reason) from typed where reason is null"
            f" order by file_id, row_number) to ({_path(path)}) ({PARQUET})"
        )
    else:
        db.execute(
            "copy (select * exclude (reason), occurred_at::date as day from typed"
            f" where reason is null) to ({_path(folder)})"
            f" ({PARQUET}, partition_by (day), filename_pattern 'part-{{i}}')"
        )
    return [_part(db, path, adapter, home, chunk) for path in _synced(folder)]


def _path(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _synced(folder: Path) -> list[Path]:
    """Every Parquet file below `folder`, with its content and its names on the disk."""
    files = sorted(folder.rglob("*.parquet"))
    for file in files:
        sync_file(file)
    for directory in {f.parent for f in files} | {folder, folder.parent}:
        sync_directory(directory)
    return files


def _part(
    db: duckdb.DuckDBPyConnection, path: Path, adapter: Adapter, home: ShopHome, chunk: str
) -> Part:
    rows = db.execute("select count(*) from read_parquet(?)", [str(path)]).fetchall()[0][0]
    day = path.parent.name.removeprefix("day=") if adapter.kind == "events" else None
    return Part(path.relative_to(home.raw).as_posix(), adapter.kind, day, chunk, rows)


def _write_quarantine(db: duckdb.DuckDBPyConnection, home: ShopHome, chunk: str) -> None:
    """(file_id, row_number, reason, raw) of every refused row of the chunk; no file if none is."""
    db.execute("""
        create temp table refused as
        select file_id, row_number, reason, raw from misfits
        union all
        select s.file_id, s.row_number, t.reason,
            json_merge_patch(to_json(s), '{"file_id": null, "row_number": null}')::varchar
        from typed t join source_rows s using (file_id, row_number)
        where t.reason is not null""")
    if not db.execute("select count(*) from refused").fetchall()[0][0]:
        return
    home.quarantine.mkdir(parents=True, exist_ok=True)
    path = home.quarantine / f"{chunk}.parquet"
    db.execute(f"copy (from refused order by file_id, row_number) to ({_path(path)}) ({PARQUET})")
    sync_file(path)
    sync_directory(home.quarantine)


def _sweep(home: ShopHome, ledger: Ledger) -> None:
    """Removes what a killed ingest left behind: chunks on the disk that the ledger does not name."""
    named = {f.chunk for f in ledger.files(current=False)}
    left = [
        p
        for kind in ("events", "items")
        for p in (home.raw / kind).glob("*")
        if p.name not in named
    ]
    for folder in left:
        shutil.rmtree(folder)
    for path in home.quarantine.glob("*.parquet"):
        if path.stem not in named:
            path.unlink()


def _together(refused: list[InputError], taken: int) -> InputError:
    refused = sorted(refused, key=str)
    if len(refused) == 1:
        return refused[0]
    shown = "\n".join(f"  {e.what}" for e in refused[:10])
    more = f"\n  and {len(refused) - 10} more" if len(refused) > 10 else ""
    return InputError(
        f"{len(refused)} landing files cannot be taken ({taken} others were):\n{shown}{more}",
        refused[0].next_step,
    )
