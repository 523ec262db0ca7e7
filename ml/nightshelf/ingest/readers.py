"""Landing files as one table of text: `source_rows(file_id, row_number, <columns> VARCHAR)`.

The fast way lets DuckDB read a batch of files strictly. It never skips: one row that does not fit
makes it fail, and then the files are read one by one, slowly, row by row, so that the rows at fault
can be named. `ignore_errors` is not used anywhere: it drops rows without a word.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from nightshelf.errors import InputError
from nightshelf.ingest.adapters.base import Adapter, literal, quoted
from nightshelf.ingest.files import LandingFile, open_text

CSV_OPTIONS = (
    "header = true, all_varchar = true, auto_detect = false, delim = ',', quote = '\"',"
    " escape = '\"', strict_mode = true, null_padding = false, max_line_size = 134217728"
)
ARROW_ROWS = 50_000


def read(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    """Makes `source_rows` and `misfits(file_id, row_number, reason, raw)`.

    `files` are (file, file_id), all of one format and header. Every row of every file is in exactly
    one of the two tables. Raises InputError when a file's schema is not the adapter's, or a file
    was cut in its last line.
    """
    for file, _ in files:
        _check_columns(adapter, file, _columns(db, file))
    db.execute(
        "create or replace temp table misfits"
        " (file_id varchar, row_number bigint, reason varchar, raw varchar)"
    )
    try:
        _read_fast(db, adapter, files)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        _read_carefully(db, adapter, files)


def _columns(db: duckdb.DuckDBPyConnection, file: LandingFile) -> tuple[str, ...] | None:
    """The file's column names; None for JSONL, where each line has its own."""
    if file.format == "csv":
        return file.header
    if file.format == "jsonl":
        return None
    try:
        return tuple(
            r[0] for r in db.execute("describe from read_parquet(?)", [str(file.path)]).fetchall()
        )
    except duckdb.Error as error:
        raise InputError(
            f"{file.name}: not a whole Parquet file ({str(error).splitlines()[0]}).",
            "Copy the file again from where it was made, then rerun.",
        ) from None


def _check_columns(adapter: Adapter, file: LandingFile, columns: tuple[str, ...] | None) -> None:
    missing = [c for c in adapter.required if columns is not None and c not in columns]
    if missing:
        raise InputError(
            f"{file.name}, row 1: column {_listed(missing)} missing; the file has {_listed(columns)}.",
            "Put the right file there, or mend this source's adapter or columns in the shop file.",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{n}'" for n in names[:20])


def _read_fast(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    first = files[0][0]
    paths = "[" + ", ".join(literal(str(f.path)) for f, _ in files) + "]"
    # Row numbers are counted over the whole batch in file order, then from each file's first row.
    db.execute(
        f"create or replace temp table batch as select {_wanted(adapter, first)}, filename,"
        f" row_number() over () as batch_row from ({_scan(adapter, first, paths)})"
    )
    db.execute("create or replace temp table ids (filename varchar, file_id varchar)")
    db.executemany("insert into ids values (?, ?)", [(str(f.path), i) for f, i in files])
    db.execute("""
        create or replace temp table batch_files as
        select filename, file_id, min(batch_row) - 1 as rows_before
        from batch join ids using (filename) group by all""")
    db.execute("""
        create or replace temp view source_rows as
        select file_id, batch_row - rows_before as row_number,
            batch.* exclude (filename, batch_row)
        from batch join batch_files using (filename)""")
    if first.format == "jsonl":
        _set_aside_broken_json(db)


def _scan(adapter: Adapter, file: LandingFile, paths: str) -> str:
    if file.format == "parquet":
        return f"select columns(*)::varchar from read_parquet({paths}, filename = true)"
    if file.format == "csv":
        columns = ", ".join(f"{literal(c)}: 'varchar'" for c in file.header or ())
        return f"from read_csv({paths}, {CSV_OPTIONS}, columns = {{{columns}}}, filename = true)"
    # A JSONL line is read as text: no delimiter, no quote; parsed by json functions afterwards.
    options = CSV_OPTIONS.replace("header = true", "header = false").replace("'\"'", "''")
    options = options.replace("delim = ','", "delim = '\x1e'")
    return f"from read_csv({paths}, {options}, columns = {{'line': 'varchar'}}, filename = true)"


def _wanted(adapter: Adapter, file: LandingFile) -> str:
    wanted = dict.fromkeys((*adapter.required, *adapter.optional))
    if file.format == "jsonl":
        fields = (
            f"json_extract_string(case when json_valid(line) then line end, {literal(_pointer(c))})"
            f" as {quoted(c)}"
            for c in wanted
        )
        return ", ".join([*fields, "line"])
    have = set(file.header) if file.header else None
    return ", ".join(
        quoted(c)
        if have is None or c in have or c in adapter.required
        else f"null::varchar as {quoted(c)}"
        for c in wanted
    )


def _pointer(column: str) -> str:
    """A JSON path that takes any key; dots in a column name step into nested objects."""
    return "$" + "".join("." + json.dumps(step) for step in column.split("."))


def _set_aside_broken_json(db: duckdb.DuckDBPyConnection) -> None:
    broken = "line is null or not json_valid(line) or json_type(line) <> 'OBJECT'"
    db.execute(
        f"insert into misfits select file_id, row_number, 'not_json', line from source_rows where {broken}"
    )
    db.execute(f"delete from batch where {broken}")


def _read_carefully(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[tuple[LandingFile, str]]
) -> None:
    """File by file; a file that DuckDB refuses is read by Python's csv, some 20 times slower."""
    wanted = list(dict.fromkeys((*adapter.required, *adapter.optional)))
    names = ", ".join(map(quoted, wanted))
    columns = ", ".join(f"{quoted(c)} varchar" for c in wanted)
    db.execute(
        f"create or replace temp table careful_rows (file_id varchar, row_number bigint, {columns})"
    )
    for file, file_id in files:
        try:
            _read_fast(db, adapter, [(file, file_id)])
            db.execute(
                f"insert into careful_rows select file_id, row_number, {names} from source_rows"
            )
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            for batch in _batches(file, file_id, wanted):
                db.register("arrow_batch", batch[0])
                db.execute("insert into careful_rows select * from arrow_batch")
                db.register("arrow_batch", batch[1])
                db.execute("insert into misfits select * from arrow_batch")
                db.unregister("arrow_batch")
    db.execute("create or replace temp view source_rows as from careful_rows")


def _batches(
    file: LandingFile, file_id: str, wanted: list[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Fitting rows and misfits, some ten thousand at a time."""
    fits: list[tuple] = []
    misfits: list[tuple] = []
    for number, row, reason in _judged(file):
        if reason is None:
            named = dict(zip(file.header or ("line",), row, strict=True))
            fits.append((file_id, number, *(named.get(c) or None for c in wanted)))
        else:
            raw = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
            misfits.append((file_id, number, reason, raw))
        if len(fits) + len(misfits) >= ARROW_ROWS:
            yield _arrow(fits, wanted), _arrow(misfits, ["reason", "raw"])
            fits, misfits = [], []
    yield _arrow(fits, wanted), _arrow(misfits, ["reason", "raw"])


def _judged(file: LandingFile) -> Iterator[tuple[int, list[str], str | None]]:
    """(row number, values, reason or None). Raises InputError if the last row was cut."""
    if file.format != "csv":
        raise InputError(
            f"{file.name}: cannot be read as {file.format}.", "Copy it again, then rerun."
        )
    csv.field_size_limit(1 << 30)
    held: tuple[int, list[str], str | None] | None = None
    with open_text(file.path) as text:
        rows = csv.reader(text)
        next(rows)
        for number, row in enumerate((r for r in rows if r), start=1):
            if held:
                yield held
            held = (number, row, _misfit(row, len(file.header or ())))
    if held and held[2] == "wrong_column_count" and not file.ends_with_newline:
        raise InputError(
            f"{file.name}, row {held[0]}: the file was cut in the middle of this row"
            f" ({len(held[1])} of {len(file.header or ())} values, no line end); nothing of it was taken.",
            "Copy the file again from where it was made, then rerun.",
        )
    if held:
        yield held


def _misfit(row: list[str], width: int) -> str | None:
    if len(row) != width:
        return "wrong_column_count"
    if any(not value.isascii() and not _is_utf8(value) for value in row):
        return "not_utf8"
    return None


def _is_utf8(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _arrow(rows: list[tuple], names: list[str]) -> pa.Table:
    schema = pa.schema(
        [("file_id", pa.string()), ("row_number", pa.int64()), *((n, pa.string()) for n in names)]
    )
    columns = list(zip(*rows, strict=True)) or [[] for _ in schema]
    return pa.table(
        [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
