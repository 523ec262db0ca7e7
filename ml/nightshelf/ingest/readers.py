"""Landing files as slices of text, each small enough for the memory at hand.

The fast way lets DuckDB read strictly. It never skips: one row that does not fit makes it fail, and
then the file is read by `careful`, row by row, so that the rows at fault can be named.
`ignore_errors` is not used anywhere: it drops rows without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.errors import InputError
from nightshelf.ingest.adapters.base import ELEMENT, Adapter
from nightshelf.ingest.careful import Record, csv_records, json_lines, printable
from nightshelf.ingest.contract import LONGEST_ROW
from nightshelf.ingest.files import AGAIN, DELIMITERS, LandingFile
from nightshelf.sql_text import literal, quoted

Identified = tuple[LandingFile, str]
"""A landing file and its id in the ledger."""

SLICE_BYTES = 64 << 20
"""Of text in one slice: some four times that in memory, for each core."""
SLICE_ROWS = 250_000
PIECE_ROWS = 16_384
USUAL_LINE = 2 << 20
"""DuckDB keeps several buffers of the longest line it may meet: 128 MB ones only where needed."""

CSV = (
    "read_csv({path}, header = true, all_varchar = true, auto_detect = false, delim = {delim},"
    " quote = '\"', escape = '\"', strict_mode = true, null_padding = false,"
    " max_line_size = {longest}, compression = {packing}, columns = {{{columns}}})"
)
LINES = (
    "read_csv({path}, header = false, all_varchar = true, auto_detect = false, delim = '\x1e',"
    " quote = '', escape = '', strict_mode = true, null_padding = false,"
    " max_line_size = {longest}, compression = {packing}, columns = {{'line': 'varchar'}})"
)
"""No delimiter that JSON may hold unescaped, and no quotes."""

Misfit = tuple[str, int, int, int | None, str, str]
"""(file_id, row_number, element, line, reason, raw)."""


@dataclass(frozen=True)
class Slice:
    """`rows(file_id, row_number, …)`: the adapter's columns, or `line` where records are JSON."""

    rows: pa.Table
    misfits: Sequence[Misfit] = ()


class Unreadable(Exception):
    """DuckDB refused one of the files; which row is at fault it does not say well."""


def is_flat(adapter: Adapter, kind: str, header: Sequence[str] | None) -> bool:
    """Are a file's columns the adapter's as they stand, with nothing to step into?"""
    if kind == "jsonl" or adapter.unfold:
        return False
    return kind == "csv" or all(c in (header or ()) for c in adapter.columns if "." in c)


def check_columns(adapter: Adapter, file: LandingFile) -> None:
    """Raises InputError when a file's schema is not the adapter's."""
    if file.header is None:
        return
    if file.format == "csv" and adapter.unfold:
        raise InputError(
            f"{file.name}: this adapter steps into lists, which CSV has none of.",
            "Export JSON Lines or Parquet, or choose another adapter for this source.",
        )
    flat = is_flat(adapter, file.format, file.header)
    wanted = [c if flat else c.split(".")[0] for c in adapter.required if not c.startswith(ELEMENT)]
    missing = [c for c in wanted if c not in file.header]
    if missing:
        raise InputError(
            f"{file.name}, row 1: no column {_listed(missing)}; the file has {_listed(file.header)}.",
            _way_out(file.header),
        )


def _way_out(header: Sequence[str]) -> str:
    if header[0].startswith(("{", "[")):
        return "It looks like JSON Lines: name it .jsonl, then rerun."
    parts = next((d for d in DELIMITERS if len(header) == 1 and d in header[0]), None)
    if parts:
        return f"Its values look parted by {parts!r}: say `delimiter = {json.dumps(parts)}` in its source."
    return (
        "Put the right file there, or mend this source's adapter or columns in the shop file. Where only"
        " some files have other columns, they need a source of their own: docs/inputs/column_map.md, Traps."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:20])


def fast_slices(
    db: duckdb.DuckDBPyConnection, adapter: Adapter, files: Sequence[Identified]
) -> Generator[Slice, None, None]:
    """Files of one format and header, read by DuckDB on a connection of its own.

    Raises Unreadable at the first row that does not fit, however many slices came before.
    """
    # One scan a file: where several are named in one, DuckDB 2.0 drops without a word what follows
    # an open quote in any but the first and the last. It costs a fifth more time.
    scans = " union all ".join(_scan(adapter, f, i, _buffer(files)) for f, i in files)
    n_rows = 0
    try:
        reader = db.sql(scans).to_arrow_reader(_rows_in_a_slice(files))
        with closing(_one_ahead(_gathered(reader))) as tables:
            for table in tables:
                n_rows += table.num_rows
                yield Slice(table)
    except (duckdb.Error, OSError) as error:
        if is_of_the_machine(error):
            raise
        raise Unreadable(str(error)) from None
    _check_lines(files, n_rows)


def _buffer(files: Sequence[Identified]) -> int:
    """The longest line that DuckDB is told to expect. It must not be too short: DuckDB 2.0 drops a
    last line without a word when it is longer than sixteen times that."""
    longest = max(f.longest_line for f, _ in files)
    if longest >= LONGEST_ROW:
        raise Unreadable(f"a line of {longest:,} bytes")
    return USUAL_LINE if longest < USUAL_LINE // 2 else LONGEST_ROW


def _check_lines(files: Sequence[Identified], n_rows: int) -> None:
    """Every line of JSON was handed out, the blank ones, too. (Lines may also end with CR.)"""
    expected = sum(f.lines + (not f.ends_with_newline) for f, _ in files)
    if files[0][0].format == "jsonl" and n_rows < expected:
        raise Unreadable(f"{n_rows} of {expected} lines")


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches as tables of a slice's size, without a copy: a batch ends with its file, and typing a
    slice of a day's thousand rows costs as much as typing ten thousand.

    Each table is in pieces: DuckDB scans Arrow on one core a piece.
    """
    held: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        starts = range(0, batch.num_rows, PIECE_ROWS)
        held += [batch.slice(n, PIECE_ROWS) for n in starts]
        n_rows += batch.num_rows
        n_bytes += batch.nbytes
        if n_rows >= SLICE_ROWS or n_bytes >= SLICE_BYTES:
            yield pa.Table.from_batches(held)
            held = []
            n_rows = n_bytes = 0
    if held:
        yield pa.Table.from_batches(held)


def is_of_the_machine(error: Exception) -> bool:
    """A full disk or memory says nothing about the file."""
    return any(told in str(error) for told in ("No space left", "Out of Memory"))


def _rows_in_a_slice(files: Sequence[Identified]) -> int:
    mean = max(f.content_size // (f.lines + 1) for f, _ in files) + 1
    return min(max(SLICE_BYTES // mean, 1), SLICE_ROWS)


def _one_ahead(tables: Iterable[pa.Table]) -> Generator[pa.Table, None, None]:
    """Reads the next slice while the last one is worked on.

    Close it: left to the garbage collector it would wait for its thread inside another one's start.
    """
    each = iter(tables)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, each, None)
        while (table := coming.result()) is not None:
            coming = pool.submit(next, each, None)
            yield table


def _scan(adapter: Adapter, file: LandingFile, file_id: str, longest: int) -> str:
    number = f"{literal(file_id)} as file_id, row_number() over () as row_number"
    if file.format == "jsonl":
        return f"select {number}, line from {line_scan(file, longest)}"
    if not is_flat(adapter, file.format, file.header):
        records = f"(select *{_with_whole_numbers(file)} from {parquet_scan(file)})"
        return f"select {number}, to_json(record)::varchar as line from {records} as record"
    return f"select {number}, {_wanted(adapter, file)} from {_table(file, longest)}"


def line_scan(file: LandingFile, longest: int = LONGEST_ROW) -> str:
    return LINES.format(path=literal(_exactly(file)), longest=longest, packing=_packing(file))


def _table(file: LandingFile, longest: int) -> str:
    if file.format == "parquet":
        return parquet_scan(file)
    columns = ", ".join(f"{literal(c)}: 'varchar'" for c in file.header or ())
    return CSV.format(
        path=literal(_exactly(file)), longest=longest, packing=_packing(file), columns=columns,
        delim=literal(file.delimiter),
    )  # fmt: skip


def parquet_scan(file: LandingFile) -> str:
    return f"read_parquet({literal(_exactly(file))})"


def _packing(file: LandingFile) -> str:
    return literal(file.packing or "none")


def _exactly(file: LandingFile) -> str:
    """A glob that only this path matches: DuckDB takes `a[1].csv` for `a1.csv`."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(file.path))


def _wanted(adapter: Adapter, file: LandingFile) -> str:
    texts = as_texts(file)
    return ", ".join(f"{texts.get(c, 'null::varchar')} as {quoted(c)}" for c in adapter.columns)


def as_texts(file: LandingFile) -> dict[str, str]:
    """Column → SQL for its text. What pandas kept as floats because some were missing (1.0) is a
    whole number for all that."""
    if file.format == "csv":
        return {c: f"{quoted(c)}::varchar" for c in file.header or ()}
    floats = {f.name for f in pq.read_schema(file.path) if pa.types.is_floating(f.type)}
    return {
        c: _whole(quoted(c)) if c in floats else f"{quoted(c)}::varchar" for c in file.header or ()
    }


def _with_whole_numbers(file: LandingFile) -> str:
    """For columns that are stepped into: floats as the text that a flat file's have, at any depth."""
    found = {f.name: _retold(quoted(f.name), f.type) for f in pq.read_schema(file.path)}
    replaced = ", ".join(f"{sql} as {quoted(name)}" for name, sql in found.items() if sql)
    return f" replace ({replaced})" if replaced else ""


def _retold(value: str, kind: pa.DataType, depth: int = 0) -> str | None:
    """SQL for a value whose floats are text; None where it holds none."""
    if pa.types.is_floating(kind):
        return _whole(value)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        each = _retold(f"v{depth}", kind.value_type, depth + 1)
        return each and f"list_transform({value}, lambda v{depth}: {each})"
    if pa.types.is_struct(kind):
        parts = {f.name: f"struct_extract({value}, {literal(f.name)})" for f in kind}
        retold = {f.name: _retold(parts[f.name], f.type, depth) for f in kind}
        if any(retold.values()):
            fields = ", ".join(f"{quoted(n)} := {retold[n] or parts[n]}" for n in parts)
            return f"struct_pack({fields})"
    return None


def _whole(column: str) -> str:
    return (
        f"case when {column} = trunc({column}) and abs({column}) < {2**53}"
        f" then {column}::bigint::varchar else {column}::varchar end"
    )


def careful_slices(
    adapter: Adapter, file: LandingFile, file_id: str
) -> Generator[Slice, None, None]:
    """The same slices by Python, with the rows that do not fit. Raises InputError for Parquet,
    where a file that cannot be read has no rows to name, and for a file that was cut."""
    if file.format == "parquet":
        raise InputError(f"{file.name}: cannot be read as Parquet.", AGAIN)
    records = json_lines(file) if file.format == "jsonl" else csv_records(file)
    names = ["line"] if file.format == "jsonl" else list(adapter.columns)
    size = _rows_in_a_slice([(file, file_id)])
    while batch := list(islice(records, size)):
        rows = [(file_id, r.number, *_values(r, file, names)) for r in batch if r.reason is None]
        misfits = [
            (file_id, r.number, 1, r.line, r.reason, printable(r.text)) for r in batch if r.reason
        ]
        yield Slice(as_arrow(names, rows), misfits)


def _values(record: Record, file: LandingFile, names: Sequence[str]) -> tuple[str | None, ...]:
    if record.values is None:
        return (record.text,)
    named = dict(zip(file.header or (), record.values, strict=True))
    return tuple(named.get(c) or None for c in names)


def as_arrow(names: Sequence[str], rows: Sequence[tuple]) -> pa.Table:
    """(file_id, row_number, <names>) as a table of text."""
    texts = [(name, pa.string()) for name in names]
    schema = pa.schema([("file_id", pa.string()), ("row_number", pa.int64()), *texts])
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def pointer(path: str) -> str:
    """A JSON path that takes any key; dots in a column's name step into nested objects."""
    steps = path.removeprefix(ELEMENT).split(".")
    return "$" + "".join("." + json.dumps(step, ensure_ascii=False) for step in steps)


def from_json(adapter: Adapter, trusting: bool = False) -> str:
    """SQL over `slice(file_id, row_number, line)` that gives `source_rows`, an element a row.

    Blank lines are no rows. `is_object` is false where the line is no JSON object. A record is
    parsed once for all columns of its own, and an element once for all of its. `trusting` raises at
    a line that is no JSON: it saves the parse that only asks.
    """
    own, elements = _columns_of(adapter)
    columns = _looked_up("record", own) + _looked_up("piece", elements)
    return f"""
        select file_id, row_number, element, {columns} record is not null as is_object, line
        from (
            select * exclude (part), json_extract_string(part, {_pointers(elements)}) as piece
            from ({_unfolded(adapter, _parsed(own, trusting))})
        )"""


def _columns_of(adapter: Adapter) -> tuple[list[str], list[str]]:
    own = [c for c in adapter.columns if not c.startswith(ELEMENT)]
    return own, [c for c in adapter.columns if c.startswith(ELEMENT)]


def _parsed(own: Sequence[str], trusting: bool) -> str:
    # Trimming a line costs more than parsing it, so only those that begin with a blank are trimmed.
    begins = "case when starts_with(line, '{') then line else ltrim(line, e' \\t\\r') end"
    return f"""
        select file_id, row_number, line,
            case when starts_with(begins, '{{'){"" if trusting else " and json_valid(line)"}
                then json_extract_string(line, {_pointers(own or ["-"])}) end as record
        from (select *, {begins} as begins from slice)
        where begins <> ''"""


def _unfolded(adapter: Adapter, records: str) -> str:
    """One row an element; a record without any is one row, without an element."""
    if adapter.unfold is None:
        return f"select *, 1::integer as element, null::json as part from ({records})"
    return f"""
        select * exclude (parts), unnest(parts) as part,
            generate_subscripts(parts, 1)::integer as element
        from (
            select * replace (case when len(parts) > 0 then parts else [null::json] end as parts)
            from (
                select *, case when record is not null then ({adapter.unfold})::json[] end as parts
                from ({records})
            )
        )"""


def _looked_up(found: str, columns: Sequence[str]) -> str:
    return "".join(f"{found}[{n}] as {quoted(c)}, " for n, c in enumerate(columns, start=1))


def _pointers(columns: Sequence[str]) -> str:
    return "[" + ", ".join(literal(pointer(c)) for c in columns) + "]::varchar[]"
