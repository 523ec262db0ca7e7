"""What a landing file is, found in one pass over its bytes, before any row is parsed."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.errors import InputError

BLOCK = 1 << 20
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True)
class LandingFile:
    """One file below landing/, whole and readable."""

    path: Path
    name: str
    format: str
    sha256: str
    size: int
    header: tuple[str, ...] | None
    """Column names; None for JSONL, where each line has its own."""
    ends_with_newline: bool
    seen: tuple[int, int]
    """Size and time of change when it was read through."""

    def has_changed(self) -> bool:
        """Was it written to since? A copy into landing/ may still be under way."""
        return _seen(self.path) != self.seen


def inspect(path: Path, name: str) -> LandingFile:
    """Hashes the file, decompresses it once to see that it is whole, and reads its column names.

    Raises InputError for an empty file, a cut or damaged gzip stream, and an unknown ending.
    """
    fmt = _format(path, name)
    try:
        seen = _seen(path)
        sha256, size, last = _scan(path, name, gzipped=path.suffix == ".gz")
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror}).", "Let this user read it, then rerun."
        ) from None
    if last is None:
        raise InputError(
            f"{name}: the file is empty, it has not even a header.",
            "Copy it again; if there were truly no events, leave the header line in it.",
        )
    header = _columns(path, name, fmt)
    return LandingFile(path, name, fmt, sha256, size, header, last == b"\n", seen)


def _seen(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _format(path: Path, name: str) -> str:
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending not in FORMATS or path.name.endswith(".parquet.gz"):
        raise InputError(
            f"{name}: cannot tell what kind of file '{path.name}' is.",
            "Name it .csv, .jsonl or .parquet (the first two also .gz), or narrow the source's path.",
        )
    return FORMATS[ending]


def _scan(path: Path, name: str, gzipped: bool) -> tuple[str, int, bytes | None]:
    """sha256 and size of the bytes as they lie, and the last byte of the content (None if empty)."""
    digest, size, content = hashlib.sha256(), 0, _Content(name, gzipped)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
            content.feed(block)
    return digest.hexdigest(), size, content.close(size)


class _Content:
    """Follows a file's content through gzip members, checking their sums, counting lines."""

    def __init__(self, name: str, gzipped: bool) -> None:
        self.name, self.gzipped = name, gzipped
        self.last: bytes | None = None
        self.lines = 0
        self.member = None

    def feed(self, block: bytes) -> None:
        if not self.gzipped:
            return self._see(block)
        while block:
            self.member = self.member or zlib.decompressobj(wbits=31)
            try:
                self._see(self.member.decompress(block))
            except zlib.error as error:
                raise self._cut(f"is damaged ({error})") from None
            block = self.member.unused_data
            if self.member.eof:
                self.member = None
        return None

    def close(self, size: int) -> bytes | None:
        if self.member is not None:
            raise self._cut("ends early")
        return self.last

    def _see(self, content: bytes) -> None:
        if content:
            self.last = content[-1:]
            self.lines += content.count(b"\n")

    def _cut(self, what: str) -> InputError:
        return InputError(
            f"{self.name}: the gzip stream {what} after line {self.lines}; nothing of it was taken.",
            "Copy the file again from where it was made, then rerun.",
        )


def open_text(path: Path) -> io.TextIOBase:
    """The file's text; bytes that are not UTF-8 become lone surrogates, for the caller to find."""
    return io.TextIOWrapper(
        open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def open_bytes(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _columns(path: Path, name: str, fmt: str) -> tuple[str, ...] | None:
    if fmt == "jsonl":
        return None
    header = _csv_columns(path, name) if fmt == "csv" else _parquet_columns(path, name)
    known = [column.casefold() for column in header]
    twice = [c for c in header if known.count(c.casefold()) > 1]
    if twice:
        raise InputError(
            f"{name}, row 1: column '{twice[0]}' stands twice; capitals do not tell columns apart.",
            "Give each column one name.",
        )
    return header


def _csv_columns(path: Path, name: str) -> tuple[str, ...]:
    with open_text(path) as text:
        header = [column.strip() for column in next(csv.reader(text), ())]
    if not any(header):
        raise InputError(
            f"{name}, row 1: no column names.", "Export the file with its header line."
        )
    if not all(is_utf8(column) for column in header):
        raise InputError(f"{name}, row 1: the header is not UTF-8.", "Export the file as UTF-8.")
    # Some exports begin with a nameless column of row numbers.
    return tuple(c or f"column {n}" for n, c in enumerate(header, start=1))


def _parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: not a whole Parquet file ({str(error).splitlines()[0]}).",
            "Copy the file again from where it was made, then rerun.",
        ) from None


def is_utf8(text: str) -> bool:
    """Lone surrogates stand for bytes that were not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
