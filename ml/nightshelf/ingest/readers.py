"""Landing files as one table of text: `source_rows(file_id, row_number, <columns> VARCHAR)`.

The fast way lets DuckDB read a batch of files strictly. It never skips: one row that does not fit
makes it fail, and then the files are read one by one, slowly, row by row, so that the rows at fault
can be named. `ignore_errors` is not used anywhere: it drops rows without a word.
"""

from __future__ import annotations

import csv
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import duckdb
import pyarrow as pa

from nightshelf.errors import InputError
from nightshelf.ingest.adapters.base import Adapter, literal, quoted
from nightshelf.ingest.files import LandingFile, is_utf8, open_bytes, open_text

CSV_OPTIONS = (
    "header = true, all_varchar = true, auto_detect = false, delim = ',', quote = '\"',"
    " escape = '\"', strict_mode = true, null_padding = false, max_line_size = 134217728"
)
ARROW_ROWS = 50_000


def read(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    """Makes `source_rows` and `misfits(file_id, row_number, reason, raw)`.

    `files` are (file, file_id), all of one format and header. Every row of every file is in
    exactly one of the two tables; blank lines are no rows. Raises InputError when a file's schema
    is not the adapter's, or a file was cut in its last line.
    """
    for file, _ in files:
        _check_columns(adapter, file)
    db.execute(
        "create or replace temp table misfits"
        " (file_id varchar, row_number bigint, reason varchar, raw varchar)"
    )
    if files[0][0].format == "jsonl":
        _read_json_lines(db, adapter, files)
    else:
        _read_table(db, adapter, files)


def _check_columns(adapter: Adapter, file: LandingFile) -> None:
    if file.header is None:
        return
    missing = [c for c in adapter.required if c not in file.header]
    if missing:
        way_out = (
            "Put the right file there, or mend this source's adapter or columns in the shop file."
        )
        if len(file.header) == 1 and (";" in file.header[0] or "\t" in file.header[0]):
            way_out = "Its values look separated by semicolons or tabs: export it with commas."
        raise InputError(
            f"{file.name}, row 1: no column {_listed(missing)}; the file has {_listed(file.header)}.",
            way_out,
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:20])


def _names(adapter: Adapter) -> list[str]:
    return list(dict.fromkeys((*adapter.required, *adapter.optional)))


def _read_table(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    """CSV and Parquet: all at once, else one by one, else row by row."""
    wanted = _wanted(adapter, files[0][0])
    try:
        _scan_whole(db, files, _scan(files[0][0]), wanted)
        db.execute("create or replace temp view source_rows as from batch")
    except duckdb.Error as error:
        _raise_if_machine(error)
        columns = ", ".join(f"{quoted(c)} varchar" for c in _names(adapter))
        db.execute(
            f"create or replace temp table careful (file_id varchar, row_number bigint, {columns})"
        )
        for file, file_id in files:
            _read_table_carefully(db, adapter, file, file_id, wanted)
        db.execute("create or replace temp view source_rows as from careful")


def _read_table_carefully(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, file: LandingFile, file_id: str, wanted: str
) -> None:
    """A file that DuckDB refuses is read by Python's csv, some 20 times slower."""
    names = _names(adapter)
    listed = ", ".join(map(quoted, names))
    try:
        _scan_whole(db, [(file, file_id)], _scan(file), wanted)
        db.execute(f"insert into careful select file_id, row_number, {listed} from batch")
    except duckdb.Error as error:
        _raise_if_machine(error)
        if file.format != "csv":
            raise InputError(
                f"{file.name}: cannot be read as Parquet ({str(error).splitlines()[0]:.200}).",
                "Copy the file again from where it was made, then rerun.",
            ) from None
        _insert(db, file_id, "careful", names, _csv_rows(file, names))


def _raise_if_machine(error: duckdb.Error) -> None:
    """A full disk or memory says nothing about the file."""
    if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in str(error):
        raise error


def _scan_whole(
    db: duckdb.DuckDBPyConnection,
    files: Sequence[tuple[LandingFile, str]],
    scan: str,
    wanted: str,
) -> None:
    """`batch(file_id, row_number, <wanted>)`, read strictly by DuckDB; raises at any misfit.

    One scan a file: where several are named in one, DuckDB 2.0 drops without a word what follows
    an open quote in any but the first and the last. It costs a fifth more time.
    """
    scans = (
        f"select {literal(file_id)} as file_id, row_number() over () as row_number, {wanted}"
        f" from ({scan.format(path=literal(_exactly(file)))})"
        for file, file_id in files
    )
    db.execute(f"create or replace temp table batch as {' union all '.join(scans)}")


def _exactly(file: LandingFile) -> str:
    """A glob that only this path matches: DuckDB takes `a[1].csv` for `a1.csv`."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(file.path))


def _scan(file: LandingFile) -> str:
    if file.format == "parquet":
        return "select columns(*)::varchar from read_parquet({path})"
    columns = ", ".join(f"{literal(c)}: 'varchar'" for c in file.header or ())
    columns = columns.replace("{", "{{").replace("}", "}}")
    return f"from read_csv({{path}}, {CSV_OPTIONS}, columns = {{{{{columns}}}}})"


def _wanted(adapter: Adapter, file: LandingFile) -> str:
    return ", ".join(
        quoted(c) if c in (file.header or ()) else f"null::varchar as {quoted(c)}"
        for c in _names(adapter)
    )


def _csv_rows(file: LandingFile, names: Sequence[str]) -> Iterator[Row]:
    """Python's reading of what DuckDB refused; where both can read a row, they read the same."""
    header = file.header or ()
    for number, values, reason in _judged(file, len(header)):
        if reason is None:
            named = dict(zip(header, values, strict=True))
            yield number, None, tuple(named.get(c) or None for c in names)
        else:
            yield number, reason, (json.dumps(values, ensure_ascii=False),)


def _judged(file: LandingFile, width: int) -> Iterator[tuple[int, list[str], str | None]]:
    """(row number, values, reason or None). Raises InputError if the last row was cut."""
    held: tuple[int, list[str], str | None] | None = None
    records = (r for r in _records(file) if r != [])
    for number, values in enumerate(records, start=1):
        if held:
            yield held
        if isinstance(values, str):
            held = (number, [values], "bad_quotes")
        else:
            held = (number, values, _misfit(values, width))
    if held and held[2] and not file.ends_with_newline:
        raise _cut(file, held[0], f"{len(held[1])} of {width} values, no line end")
    if held:
        yield held


def _records(file: LandingFile) -> Iterator[list[str] | str]:
    """Each record's values, or its text where its quotes cannot be read; [] for a blank line."""
    csv.field_size_limit(1 << 30)
    with open_text(file.path) as text:
        lines = _Lines(text)
        # As DuckDB does: blanks before an opening quote are no part of the value.
        reader = csv.reader(lines, strict=True, skipinitialspace=True)
        next(reader)
        number = 0
        while True:
            lines.taken.clear()
            number += 1
            try:
                yield next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise _open_quote(file, number, len(lines.taken)) from None
                yield _with_blanks_behind_quotes("".join(lines.taken).rstrip("\r\n"))


class _Lines:
    """A text's lines; `taken` keeps those that the record at hand is made of."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.taken.append(line)
        return line


_VALUE = re.compile(r' *(?:"((?:[^"]|"")*)" *|((?:[^",][^,]*)?))(,|$)')


def _with_blanks_behind_quotes(record: str) -> list[str] | str:
    """Values of a record such as `"a" ,1`, which DuckDB reads and Python's csv does not."""
    values, at = [], 0
    while match := _VALUE.match(record, at):
        quoted_value, plain, end = match.groups()
        values.append(plain if quoted_value is None else quoted_value.replace('""', '"'))
        if not end:
            return values
        at = match.end()
    return record


def _misfit(values: list[str], width: int) -> str | None:
    if len(values) != width:
        return "wrong_column_count"
    if any(not value.isascii() and not is_utf8(value) for value in values):
        return "not_utf8"
    return None


def _open_quote(file: LandingFile, number: int, n_lines: int) -> InputError:
    if not file.ends_with_newline:
        return _cut(file, number, "a quote is open, no line end")
    return InputError(
        f"{file.name}, row {number}: a quote is opened and never closed, and {n_lines} lines are in"
        " it; nothing of the file was taken.",
        "Close the quote, or write a quote inside a value twice; then rerun.",
    )


def _cut(file: LandingFile, number: int, seen: str) -> InputError:
    return InputError(
        f"{file.name}, row {number}: the file was cut in the middle of this row ({seen}); nothing"
        " of it was taken.",
        "Copy the file again from where it was made, then rerun.",
    )


def _read_json_lines(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    """JSON Lines: each line as text first, then its values by DuckDB's JSON functions."""
    columns = "(file_id varchar, row_number bigint, line varchar)"
    db.execute(f"create or replace temp table lines {columns}")
    try:
        _scan_whole(db, files, LINE_SCAN, "line")
        db.execute("insert into lines select file_id, row_number, line from batch")
    except duckdb.Error as error:
        _raise_if_machine(error)
        for file, file_id in files:
            _insert(db, file_id, "lines", ["line"], _lines_one_by_one(file))
    db.execute("delete from lines where coalesce(trim(line, e' \t\r'), '') = ''")
    _set_aside_broken_json(db, files)
    values = ", ".join(
        f"json_extract_string(line, {literal(_pointer(c))}) as {quoted(c)}" for c in _names(adapter)
    )
    db.execute(
        f"create or replace temp view source_rows as select file_id, row_number, {values}, line"
        " from lines"
    )


LINE_SCAN = (
    "from read_csv({path}, header = false, all_varchar = true, auto_detect = false,"
    " delim = '\x1e', quote = '', escape = '', strict_mode = true, null_padding = false,"
    " max_line_size = 134217728, columns = {{'line': 'varchar'}})"
)
"""No delimiter that JSON may hold unescaped, and no quotes."""


def _lines_one_by_one(file: LandingFile) -> Iterator[Row]:
    """For files with a line that is not UTF-8, or longer than DuckDB's reader takes."""
    with open_bytes(file.path) as lines:
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix(BOM_UTF8) if number == 1 else line
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            reason = None if is_utf8(text) else "not_utf8"
            if reason and not line.endswith(b"\n"):
                raise _cut(file, number, "its last character is not whole, no line end")
            yield number, reason, (text,)


def _pointer(column: str) -> str:
    """A JSON path that takes any key; dots in a column name step into nested objects."""
    return "$" + "".join("." + json.dumps(step, ensure_ascii=False) for step in column.split("."))


def _set_aside_broken_json(
    db: duckdb.DuckDBPyConnection, files: Sequence[tuple[LandingFile, str]]
) -> None:
    # Not `or`: DuckDB may evaluate both sides, and json_type raises at what is no JSON.
    broken = "case when json_valid(line) then json_type(line) <> 'OBJECT' else true end"
    _refuse_cut_line(db, files, broken)
    db.execute(
        "insert into misfits select file_id, row_number, 'not_json', line from lines"
        f" where {broken}"
    )
    db.execute(f"delete from lines where {broken}")


def _refuse_cut_line(
    db: duckdb.DuckDBPyConnection, files: Sequence[tuple[LandingFile, str]], broken: str
) -> None:
    for file, file_id in files:
        if file.ends_with_newline:
            continue
        last = db.execute(
            f"select row_number, {broken} from lines where file_id = ?"
            " order by row_number desc limit 1",
            [file_id],
        ).fetchall()
        if last and last[0][1]:
            raise _cut(file, last[0][0], "its JSON is not whole, no line end")


Row = tuple[int, str | None, tuple[str | None, ...]]
"""Row number, reason (None where the row fits), and values: of the wanted columns, or the raw row."""


def _insert(
    db: duckdb.DuckDBPyConnection,
    file_id: str,
    table: str,
    names: Sequence[str],
    rows: Iterator[Row],
) -> None:
    """Rows that fit into `table`, the others into `misfits`, some ten thousand at a time."""
    while batch := list(islice(rows, ARROW_ROWS)):
        fits = [(file_id, n, *values) for n, reason, values in batch if reason is None]
        misfits = [
            (file_id, n, reason, _printable(values)) for n, reason, values in batch if reason
        ]
        _append(db, table, names, fits)
        _append(db, "misfits", ["reason", "raw"], misfits)


def _printable(values: tuple[str | None, ...]) -> str:
    """The raw row as JSON; bytes that are not UTF-8 become `\\udc..`."""
    raw = values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
    return (raw or "").encode("utf-8", "backslashreplace").decode()


def _append(
    db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: list[tuple]
) -> None:
    if not rows:
        return
    texts = [(name, pa.string()) for name in names]
    schema = pa.schema([("file_id", pa.string()), ("row_number", pa.int64()), *texts])
    arrays = [
        pa.array(c, type=f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    db.register("arrow_batch", pa.table(arrays, schema=schema))
    db.execute(f"insert into {table} select * from arrow_batch")
    db.unregister("arrow_batch")
