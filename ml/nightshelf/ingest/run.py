"""Takes every new landing file in, in chunks; each chunk is on the disk before the ledger names it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from nightshelf.errors import InputError
from nightshelf.ingest.adapters import adapter_for
from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.contract import typed
from nightshelf.ingest.damage import forget_damaged, seal_unsealed, some_of
from nightshelf.ingest.files import LandingFile, inspect, is_on_the_way
from nightshelf.ingest.ledger import Ledger, LedgerFile, header_text
from nightshelf.ingest.readers import (
    Identified,
    Unreadable,
    careful_slices,
    check_columns,
    fast_slices,
)
from nightshelf.ingest.taking import Taking, Written
from nightshelf.paths import ShopHome
from nightshelf.progress import Progress
from nightshelf.settings.shop import Shop, Source
from nightshelf.warehouse import cores, in_memory

CHUNK_BYTES = 64 << 20
"""Bytes of landing files in one chunk; a larger file is a chunk of its own."""
SMALLEST_CHUNK_BYTES = 1 << 20
"""Below this a second chunk costs more than a second core saves."""
MOST_FILES = 500
"""Of a chunk: DuckDB plans its scans in time that grows with their square. Of three thousand files of a row
each two chunks take 36 core-seconds, six take 12."""


@dataclass(frozen=True)
class Taken:
    """What one ingest did. Counts are of files and of rows."""

    files: int
    unchanged: int
    rows_read: int
    accepted: int
    quarantined: int
    set_aside: int
    restated: tuple[str, ...]
    left: tuple[str, ...] = ()
    """Files that were still being written: left for the next run."""


@dataclass(frozen=True)
class Reading:
    """How one source is read, and what its ingest has met so far."""

    source: Source
    adapter: Adapter
    sql: str
    home: ShopHome
    ledger: Ledger
    known: dict[str, LedgerFile]
    """The source's current files, by name."""
    refused: list[InputError]
    left: list[str]
    given: Counter
    """Contract column → rows of JSON records that gave it a value."""
    progress: Progress

    @property
    def mapping(self) -> str:
        return hashlib.sha256(self._how.encode()).hexdigest()[:16]

    @property
    def _how(self) -> str:
        delimiter = self.source.delimiter
        return self.sql if delimiter == "," else f"{self.sql}\0{delimiter}"

    def file_id(self, name: str, sha256: str) -> str:
        """One file may feed two sources, two files of one content are two, and a file that is read
        by another mapping is another taking."""
        whole = f"{self.source.name}\0{name}\0{sha256}\0{self._how}"
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def reading_of(
    source: Source, shop: Shop, home: ShopHome, ledger: Ledger, progress: Progress
) -> Reading:
    adapter = adapter_for(source)
    known = {f.name: f for f in ledger.files() if f.source == source.name}
    sql = typed(adapter, source.name, shop.zone)
    return Reading(source, adapter, sql, home, ledger, known, [], [], Counter(), progress)


def ingest(shop: Shop, landing: Path, home: ShopHome, progress: Progress) -> Taken:
    """Reads what is new in `landing`. The same file again adds nothing; a restated one replaces.

    Files that cannot be taken whole are all named in one InputError, after the good ones are in. What
    was taken and is damaged by now is taken again, where its files still lie there.
    """
    _refuse_unreadable(landing)
    ledger = Ledger(home.ledger)
    _tell_dropped(ledger.keep_sources([s.name for s in shop.sources]), progress)
    seal_unsealed(home, ledger)
    forget_damaged(home, ledger, shop.sources, landing, progress)
    sweep(home, ledger)
    readings = [reading_of(s, shop, home, ledger, progress) for s in shop.sources]
    taken: list[LedgerFile] = []
    restated: list[str] = []
    unchanged = 0
    for reading in readings:
        new, same = _new_files(reading, landing)
        unchanged += same
        found = list(_take_new(reading, new))
        taken += found
        _tell_never_given(reading)
        restated += _tell_restated(reading, found)
    _tell_strangers(shop, landing, progress)
    refused = [e for r in readings for e in r.refused]
    if refused:
        raise _together(refused, len(taken))
    return Taken(
        len(taken),
        unchanged,
        sum(f.rows_read for f in taken),
        sum(f.accepted for f in taken),
        sum(f.quarantined for f in taken),
        sum(f.set_aside for f in taken),
        tuple(restated),
        tuple(name for r in readings for name in r.left),
    )


def _tell_restated(reading: Reading, found: Sequence[LedgerFile]) -> list[str]:
    again = [(reading.known[f.name], f) for f in found if f.name in reading.known]
    for before, now in again:
        reading.progress.say(
            f"Restated: {now.name} of '{now.source}' replaces its earlier content:"
            f" {before.accepted:,} accepted rows before, {now.accepted:,} now."
        )
    return [f"{now.name} of '{now.source}'" for _, now in again]


def _refuse_unreadable(landing: Path) -> None:
    """It would look as if it were empty, or as if each of its files were gone."""
    if os.path.exists(landing) and not os.access(landing, os.R_OK | os.X_OK):
        raise InputError(
            f"The landing folder {landing} cannot be read.",
            "Let this user list it and read what is in it, then rerun.",
        )


def _tell_dropped(dropped: dict[str, int], progress: Progress) -> None:
    for source, n_files in dropped.items():
        progress.say(
            f"Source '{source}' is no longer in the shop file: its {n_files:,} files are left out."
            " Name it again to have them back."
        )


def _new_files(reading: Reading, landing: Path) -> tuple[list[Identified], int]:
    """Files whose content or mapping is new, and the number of those that are known."""
    new, same = [], 0
    paths = _settled(reading, landing)
    # Hashing and unpacking let go of Python's lock, so files are read through side by side.
    with ThreadPoolExecutor(cores()) as pool:
        looked_at = pool.map(partial(_look_at, landing, delimiter=reading.source.delimiter), paths)
        for done, file in enumerate(looked_at, start=1):
            reading.progress.advance(
                f"{reading.source.name}: {done:,} of {len(paths):,} files read through"
            )
            if isinstance(file, InputError):
                reading.refused.append(file)
            if not isinstance(file, LandingFile):
                continue
            file_id = reading.file_id(file.name, file.sha256)
            before = reading.known.get(file.name)
            if before and before.file_id == file_id:
                same += 1
            else:
                new.append((file, file_id))
    return new, same


def _settled(reading: Reading, landing: Path) -> list[Path]:
    """The source's files that nobody is writing."""
    settled = []
    for path in _found(reading, landing):
        if is_on_the_way(path):
            _leave(reading, path.relative_to(landing).as_posix())
        else:
            settled.append(path)
    return settled


def _look_at(landing: Path, path: Path, delimiter: str) -> LandingFile | InputError | None:
    """None for a file that has gone since it was listed."""
    try:
        return inspect(path, path.relative_to(landing).as_posix(), delimiter)
    except InputError as error:
        return error
    except FileNotFoundError:
        return None


def _found(reading: Reading, landing: Path) -> list[Path]:
    """The source's files. None at all is an error, unless they were taken and then cleared away."""
    paths = sorted(p for p in landing.glob(reading.source.path) if p.is_file())
    missed = sorted(set(reading.known) - {p.relative_to(landing).as_posix() for p in paths})
    _tell_missed(reading, landing, missed)
    if not paths and not missed:
        reading.refused.append(
            InputError(
                f"Source '{reading.source.name}': no file matches {landing / reading.source.path}.",
                "Put the exports there, or mend `path` or `landing` in the shop file; a source that"
                " the shop does not have is left out of it: only one of events is needed.",
            )
        )
    return paths


def _tell_missed(reading: Reading, landing: Path, missed: list[str]) -> None:
    """Files that were taken, and that the source's path does not find any more: their rows count on."""
    outside = [name for name in missed if (landing / name).is_file()]
    gone = [name for name in missed if not os.path.lexists(landing / name)]
    unfit = [name for name in missed if name not in outside and name not in gone]
    if gone:
        reading.progress.say(
            f"Source '{reading.source.name}': {len(gone):,} files are gone from landing/ since they"
            f" were taken ({some_of(gone)}); their rows are kept."
        )
    if outside:
        reading.progress.say(
            f"Warning: source '{reading.source.name}': its path does not match {len(outside):,} files any"
            f" more that were taken ({some_of(outside)}); their rows are kept, and count twice where"
            " another source takes them. Give the source another name, and they are left out."
        )
    if unfit:
        reading.progress.say(
            f"Warning: source '{reading.source.name}': {len(unfit):,} files that were taken are no files any"
            f" more, but folders, pipes or links that lead nowhere ({some_of(unfit)}); their rows are kept."
        )


def _leave(reading: Reading, name: str) -> None:
    reading.left.append(name)
    reading.progress.say(f"{name} is still being written; it is left for the next run.")


def _tell_strangers(shop: Shop, landing: Path, progress: Progress) -> None:
    """Files below landing/ that no source asks for."""
    asked = {p for s in shop.sources for p in landing.glob(s.path)}
    files = (p for p in landing.rglob("*") if p.is_file() and not p.name.startswith("."))
    strangers = sorted(p.relative_to(landing).as_posix() for p in files if p not in asked)
    if strangers:
        progress.say(
            f"Warning: {len(strangers):,} files in landing/ match no source of the shop file"
            f" ({some_of(strangers)}); nothing of them is taken."
        )


def _take_new(reading: Reading, new: list[Identified]) -> Iterator[LedgerFile]:
    """What came back is reinstated; what is unknown is read, chunks side by side."""
    earlier = {f.file_id: f for f in reading.ledger.files(current=False)}
    yield from reading.ledger.reinstate([earlier[i] for _, i in new if i in earlier])
    unknown = [(f, i) for f, i in new if i not in earlier]
    _tell_unended(unknown, reading.progress)
    chunks = list(_chunks(unknown))
    if not chunks:
        return
    workers = min(len(chunks), cores())
    take = partial(_take, reading, max(cores() // workers, 1))
    n_done = 0
    with ThreadPoolExecutor(workers) as pool:
        for chunk, files in zip(chunks, pool.map(take, chunks), strict=True):
            # With those that were refused or left, so that the count reaches its end.
            n_done += len(chunk)
            reading.progress.advance(
                f"{reading.source.name}: {n_done:,} of {len(unknown):,} files done",
                is_last=n_done == len(unknown),
            )
            yield from files


def _tell_never_given(reading: Reading) -> None:
    """JSON has no header: a column that is misspelt in the shop file is null in every row."""
    n_rows = reading.given.total()
    never = sorted(
        f"'{theirs}'" for c, theirs in reading.source.columns.items() if not reading.given[c]
    )
    if n_rows and never:
        reading.progress.say(
            f"Warning: source '{reading.source.name}': no record has a value in {', '.join(never)};"
            " is it spelt so?"
        )


def _tell_unended(files: list[Identified], progress: Progress) -> None:
    """A CSV whose last line has no end may be cut inside its last value: taken, but said aloud."""
    for file, _ in files:
        if file.format == "csv" and not file.ends_with_newline:
            progress.say(f"Warning: {file.name} ends without a line end; its last row may be cut.")


def _chunks(files: list[Identified]) -> Iterator[list[Identified]]:
    """Files of one format and header, in name order; as many chunks as cores, or more if large."""
    share = sum(f.size for f, _ in files) // cores() + 1
    limit = min(CHUNK_BYTES, max(SMALLEST_CHUNK_BYTES, share))
    for _, group in groupby(files, key=lambda f: (f[0].format, f[0].packing, f[0].header)):
        chunk: list[Identified] = []
        size = 0
        for file in group:
            if chunk and (size + file[0].size > limit or len(chunk) == MOST_FILES):
                yield chunk
                chunk, size = [], 0
            chunk.append(file)
            size += file[0].size
        yield chunk


def _take(reading: Reading, threads: int, files: list[Identified]) -> list[LedgerFile]:
    """One chunk. A file that is refused, or that DuckDB cannot read, is parted from the others by
    halving: few chunks grow out of one bad file."""
    try:
        return _take_whole(reading, threads, files)
    except _Left as left:
        _leave(reading, left.name)
        rest = [(f, i) for f, i in files if f.name != left.name]
        return _take(reading, threads, rest) if rest else []
    except InputError as error:
        if len(files) == 1:
            reading.refused.append(error)
            return []
    except Unreadable:
        pass
    half = len(files) // 2
    return _take(reading, threads, files[:half]) + _take(reading, threads, files[half:])


class _Left(Exception):
    """The file changed, or went, while it was read."""

    def __init__(self, name: str) -> None:
        self.name = name


def _take_whole(reading: Reading, threads: int, files: list[Identified]) -> list[LedgerFile]:
    """Raises Unreadable only for several files: one alone is read with care."""
    chunk = hashlib.sha256("".join(i for _, i in files).encode()).hexdigest()[:16]
    for file, _ in files:
        check_columns(reading.adapter, file)
    with (
        in_memory(reading.home, threads=threads) as db,
        in_memory(reading.home, threads=1) as source,
    ):
        try:
            taking = Taking(db, reading.adapter, reading.sql, reading.home, chunk)
            taking.add_all(fast_slices(source, reading.adapter, files), files)
        except Unreadable:
            if len(files) > 1:
                raise
            taking = Taking(db, reading.adapter, reading.sql, reading.home, chunk)
            taking.add_all(careful_slices(reading.adapter, *files[0]), files)
        written = taking.finish(files)
    _leave_changed(files)
    reading.given.update(written.given)
    rows = [ledger_row(reading, f, i, written, chunk) for f, i in files]
    reading.ledger.commit(rows, written.days, written.parts)
    return rows


def _leave_changed(files: list[Identified]) -> None:
    for file, _ in files:
        if not file.path.exists() or file.has_changed():
            raise _Left(file.name)


def ledger_row(
    reading: Reading, file: LandingFile, file_id: str, written: Written, chunk: str
) -> LedgerFile:
    n = written.counts[file_id]
    return LedgerFile(
        file_id, reading.source.name, reading.source.adapter, reading.adapter.kind, file.name,
        file.sha256, file.size, n["records"], n["accepted"] + n["quarantined"], n["accepted"],
        n["quarantined"], n["set_aside"], reading.mapping,
        None if file.header is None else header_text(file.header, file.delimiter), chunk,
    )  # fmt: skip


def sweep(home: ShopHome, ledger: Ledger) -> None:
    """Removes what a killed ingest left behind: chunks on the disk that the ledger does not name."""
    named = {f.chunk for f in ledger.files(current=False)}
    for folder in home.raw.glob("*/*"):
        if folder.name not in named:
            shutil.rmtree(folder)
    for path in home.quarantine.glob("*.parquet"):
        if path.stem.split("-")[0] not in named:
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
