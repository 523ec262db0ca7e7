"""Python's reading of files that DuckDB refuses: some 20 times slower, and it can name the rows.

Where both can read a row, they read the same.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nightshelf.errors import InputError
from nightshelf.ingest.contract import LONGEST_ROW
from nightshelf.ingest.files import AGAIN, LandingFile, is_utf8, open_bytes, open_text

SHOWN_OF_TOO_LONG = 64 << 10
"""Characters of a row that is too long that the quarantine keeps."""


@dataclass(frozen=True)
class Record:
    """One CSV record, or one line of JSON."""

    number: int
    """Of the record in its file, counted from 1; a header is not counted."""
    line: int
    """On which it begins, counted from 1."""
    text: str
    """As it stands in the file, without its line end; a byte that is not UTF-8 is a surrogate."""
    values: list[str] | None = None
    """None where it cannot be parted."""
    reason: str | None = None


def csv_records(file: LandingFile) -> Iterator[Record]:
    """Every record but blank lines. Raises InputError if the last one was cut."""
    width = len(file.header or ())
    last: Record | None = None
    for record in _numbered(_parted(file)):
        if last:
            yield last
        last = _judged(record, width)
    if last and last.reason and not file.ends_with_newline:
        n_values = len(last.values or [last.text])
        raise cut(file, last.number, f"{n_values} of {width} values, no line end")
    if last:
        yield last


def json_lines(file: LandingFile) -> Iterator[Record]:
    """Every line, blank ones too. Raises InputError if the last character was cut."""
    with open_bytes(file.path) as lines:
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix(BOM_UTF8) if number == 1 else line
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            reason = _of_text(text)
            if reason == "not_utf8" and not line.endswith(b"\n"):
                raise cut(file, number, "its last character is not whole, no line end")
            yield Record(number, number, text, None, reason)


def _of_text(text: str) -> str | None:
    if len(text) > LONGEST_ROW:
        return "too_long"
    return None if text.isascii() or is_utf8(text) else "not_utf8"


def _numbered(records: Iterator[Record]) -> Iterator[Record]:
    filled = (r for r in records if r.values != [])
    for number, r in enumerate(filled, start=1):
        yield Record(number, r.line, r.text, r.values, r.reason)


def _judged(record: Record, width: int) -> Record:
    if record.values is None:
        reason = "bad_quotes"
    elif len(record.values) != width:
        reason = "wrong_column_count"
    else:
        reason = _of_text(record.text)
    return Record(record.number, record.line, record.text, record.values, reason)


def _parted(file: LandingFile) -> Iterator[Record]:
    csv.field_size_limit(1 << 30)
    with open_text(file.path) as text:
        lines = _Lines(text)
        # As DuckDB does: blanks before an opening quote are no part of the value.
        reader = csv.reader(lines, strict=True, skipinitialspace=True, delimiter=file.delimiter)
        next(reader)
        number = 0
        while True:
            begins = lines.number + 1
            lines.taken.clear()
            number += 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise _open_quote(file, number, len(lines.taken)) from None
                values = _with_blanks_behind_quotes(_ended("".join(lines.taken)), file.delimiter)
            yield Record(number, begins, _ended("".join(lines.taken)), values)


def _ended(record: str) -> str:
    return record.rstrip("\r\n")


class _Lines:
    """A text's lines; `taken` keeps those that the record at hand is made of."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.number += 1
        self.taken.append(line)
        return line


_VALUE = r' *(?:"((?:[^"]|"")*)" *|((?:[^"{d}][^{d}]*)?))({d}|$)'


def _with_blanks_behind_quotes(record: str, delimiter: str) -> list[str] | None:
    """Values of a record such as `"a" ,1`, which DuckDB reads and Python's csv does not."""
    values, at = [], 0
    value = re.compile(_VALUE.replace("{d}", re.escape(delimiter)))
    while match := value.match(record, at):
        quoted_value, plain, end = match.groups()
        values.append(plain if quoted_value is None else quoted_value.replace('""', '"'))
        if not end:
            return values
        at = match.end()
    return None


def _open_quote(file: LandingFile, number: int, n_lines: int) -> InputError:
    if not file.ends_with_newline:
        return cut(file, number, "a quote is open, no line end")
    return InputError(
        f"{file.name}, row {number}: a quote is opened and never closed, and {n_lines} lines are in"
        " it; nothing of the file was taken.",
        "Close the quote, or write a quote inside a value twice; then rerun.",
    )


def cut(file: LandingFile, number: int, seen: str) -> InputError:
    return InputError(
        f"{file.name}, row {number}: the file was cut in the middle of this row ({seen}); nothing"
        " of it was taken.",
        AGAIN,
    )


def printable(text: str) -> str:
    """Text for the quarantine: bytes that are not UTF-8 become `\\udc..`."""
    shown = text if len(text) <= LONGEST_ROW else text[:SHOWN_OF_TOO_LONG]
    return shown.encode("utf-8", "backslashreplace").decode()
