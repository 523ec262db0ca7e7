"""What a landing file is, found in one pass over its bytes, before any row is parsed."""

from __future__ import annotations

import csv
import fcntl
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.errors import InputError

BLOCK = 1 << 20
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
PACKED = {".gz": "gzip", ".zst": "zstd"}
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "parquet", b"PK\x03\x04": "zip"}
"""How contents begin that are no text."""
ON_THE_WAY = (".part", ".partial", ".tmp", ".filepart", ".crdownload")
"""How tools that copy name what they have not copied whole."""
DELIMITERS = (",", ";", "\t", "|")
"""What may part the values of CSV."""
AGAIN = "Copy the file again from where it was made, then rerun."


@dataclass(frozen=True)
class LandingFile:
    """One file below landing/, whole and readable."""

    path: Path
    name: str
    format: str
    packing: str | None
    """gzip, zstd, or None."""
    sha256: str
    size: int
    header: tuple[str, ...] | None
    """Column names; None for JSON Lines, where each line has its own."""
    content_size: int
    """Bytes once unpacked."""
    lines: int
    """Line feeds once unpacked."""
    longest_line: int
    """Bytes; exact above BLOCK, a lower bound below."""
    ends_with_newline: bool
    seen: tuple[int, int]
    """Size and time of change when it was read through."""
    delimiter: str = ","
    """Of CSV."""

    def has_changed(self) -> bool:
        """Was it written to since? A copy into landing/ may still be under way."""
        return _seen(self.path) != self.seen


def is_on_the_way(path: Path) -> bool:
    """Is the file still being written? By its name, or because somebody has it open for writing.

    Linux grants a read lease only on a file that nobody has open for writing. Where leases are not
    to be had (another owner's file, NFS), `has_changed` has the last word.
    """
    if path.name.startswith(".") or path.name.endswith(ON_THE_WAY):
        return True
    try:
        with path.open("rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):  # no leases here, or not on this system
        return False
    return False


def inspect(path: Path, name: str, delimiter: str = ",") -> LandingFile:
    """Hashes the file, unpacks it once to see that it is whole, and reads its column names, in CSV parted
    by `delimiter`.

    Raises InputError for an empty file, a cut or damaged stream, an ending that is unknown and
    contents that are not what the ending says; FileNotFoundError for one that has gone meanwhile.
    """
    fmt, packing = format_of(path, name)
    if not is_utf8(name):
        raise InputError(
            f"{name.encode('utf-8', 'backslashreplace').decode()}: its name is not UTF-8.",
            "Give the file another name, then rerun.",
        )
    try:
        seen = _seen(path)
        _check_magic(path, name, fmt, packing)
        found = _scan(path, name, packing)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror}).", "Let this user read it, then rerun."
        ) from None
    if found.last is None:
        raise InputError(
            f"{name}: the file is empty, it has not even a header.",
            "Copy it again; if there were truly no events, leave the header line in it.",
        )
    return LandingFile(
        path, name, fmt, packing, found.sha256, seen[0], _columns(path, name, fmt, delimiter),
        found.bytes, found.lines, found.longest, found.last in (b"\n", b"\r"), seen, delimiter,
    )  # fmt: skip


def _seen(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def format_of(path: Path, name: str) -> tuple[str, str | None]:
    packing = PACKED.get(path.suffix)
    ending = Path(path.stem).suffix if packing else path.suffix
    if ending not in FORMATS or (packing and FORMATS[ending] == "parquet"):
        raise InputError(
            f"{name}: cannot tell what kind of file '{path.name}' is.",
            "Name it .csv, .jsonl or .parquet (the first two also .gz or .zst), or narrow the"
            " source's path.",
        )
    return FORMATS[ending], packing


def _check_magic(path: Path, name: str, fmt: str, packing: str | None) -> None:
    """A file whose first bytes are another kind's than its ending says."""
    with path.open("rb") as file:
        begins = file.read(4)
    is_kind = next((k for magic, k in MAGIC.items() if begins.startswith(magic)), "text")
    said = packing or ("parquet" if fmt == "parquet" else "text")
    if begins and is_kind != said and not (said == "parquet" and is_kind == "text"):
        raise InputError(
            f"{name}: its ending says {said}, its first bytes are {is_kind}.",
            "Give it the ending of what it is (.gz, .zst, .parquet; unpack a .zip), then rerun.",
        )


class _Scan:
    """Follows a file's content block by block: its hash as it lies, its bytes and lines unpacked."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.bytes = self.lines = self.longest = self._run = 0
        self.last: bytes | None = None
        """The last byte of the content; None if there is none."""

    def raw(self, block: bytes) -> None:
        self._digest.update(block)

    def content(self, block: bytes) -> None:
        if block:
            self.bytes += len(block)
            self.lines += block.count(b"\n")
            self.last = block[-1:]
            self._follow(block)

    def _follow(self, block: bytes) -> None:
        """Lines that lie within one block are shorter than it, and not measured."""
        end = block.find(b"\n")
        self.longest = max(self.longest, self._run + (len(block) if end < 0 else end))
        self._run = self._run + len(block) if end < 0 else len(block) - block.rfind(b"\n") - 1

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _scan(path: Path, name: str, packing: str | None) -> _Scan:
    found = _Scan()
    if packing == "zstd":
        _scan_zstd(path, name, found)
        return found
    gzipped = _Gzip(name, found) if packing else None
    # A large file's hash is half of the work here: it has a thread of its own.
    with path.open("rb") as file, ThreadPoolExecutor(1) as hashing:
        hashed = None
        while block := file.read(BLOCK):
            if hashed:
                hashed.result()
            hashed = hashing.submit(found.raw, block)
            gzipped.feed(block) if gzipped else found.content(block)
    if gzipped:
        gzipped.close()
    return found


def _scan_zstd(path: Path, name: str, found: _Scan) -> None:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.raw(block)
    if not path.stat().st_size:
        return
    try:
        with pa.input_stream(str(path), compression="zstd") as unpacked:
            while block := unpacked.read(BLOCK):
                found.content(block)
    except (OSError, pa.ArrowException) as error:
        what = "ends early" if "runcated" in str(error) else f"is damaged ({error})"
        raise _cut(name, "zstd", what, found.lines) from None


class _Gzip:
    """Unpacks gzip members one behind the other, checking their sums."""

    def __init__(self, name: str, found: _Scan) -> None:
        self._name, self._found, self._member = name, found, None

    def feed(self, block: bytes) -> None:
        while block:
            block = self._unpack(block)

    def _unpack(self, block: bytes) -> bytes:
        """Hands on at most a block of contents: a megabyte may hold a gigabyte. Returns what is left."""
        member = self._member = self._member or zlib.decompressobj(wbits=31)
        try:
            self._found.content(member.decompress(block, BLOCK))
        except zlib.error as error:
            raise _cut(self._name, "gzip", f"is damaged ({error})", self._found.lines) from None
        if member.eof:
            self._member = None
        return member.unused_data if member.eof else member.unconsumed_tail

    def close(self) -> None:
        if self._member is not None:
            raise _cut(self._name, "gzip", "ends early", self._found.lines)


def _cut(name: str, packing: str, what: str, lines: int) -> InputError:
    return InputError(
        f"{name}: the {packing} stream {what} after line {lines}; nothing of it was taken.", AGAIN
    )


def open_text(path: Path) -> io.TextIOBase:
    """The file's text; bytes that are not UTF-8 become lone surrogates, for the caller to find."""
    return io.TextIOWrapper(
        open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def open_bytes(path: Path) -> BinaryIO:
    packing = PACKED.get(path.suffix)
    if packing == "gzip":
        return gzip.open(path, "rb")
    if packing == "zstd":
        return io.BufferedReader(_Readable(pa.input_stream(str(path), compression="zstd")))
    return path.open("rb")


class _Readable(io.RawIOBase):
    """A pyarrow stream as one of Python's, so that it can be read by line."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _columns(path: Path, name: str, fmt: str, delimiter: str) -> tuple[str, ...] | None:
    if fmt == "jsonl":
        return None
    header = _csv_columns(path, name, delimiter) if fmt == "csv" else _parquet_columns(path, name)
    known = [column.casefold() for column in header]
    twice = [c for c in header if known.count(c.casefold()) > 1]
    if twice:
        raise InputError(
            f"{name}, row 1: column '{twice[0]}' stands twice; capitals do not tell columns apart.",
            "Give each column one name.",
        )
    return header


def _csv_columns(path: Path, name: str, delimiter: str) -> tuple[str, ...]:
    csv.field_size_limit(1 << 30)
    with open_text(path) as text:
        read = csv.reader(_unpadded(text), delimiter=delimiter)
        header = [column.strip() for column in next(read, ())]
    if not any(header):
        raise InputError(
            f"{name}, row 1: no column names.", "Export the file with its header line."
        )
    if not all(is_utf8(column) for column in header):
        raise InputError(f"{name}, row 1: the header is not UTF-8.", "Export the file as UTF-8.")
    # Some exports begin with a nameless column of row numbers.
    return tuple(c or f"column {n}" for n, c in enumerate(header, start=1))


def _unpadded(text: io.TextIOBase) -> Iterator[str]:
    """Lines without the NULs that Python's csv does not take in a header."""
    return (line.replace("\0", "") for line in text)


def _parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: not a whole Parquet file ({str(error).splitlines()[0]}).", AGAIN
        ) from None


def is_utf8(text: str) -> bool:
    """Lone surrogates stand for bytes that were not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
