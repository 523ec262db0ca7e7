"""What a quarantined row looked like in its file: the line it began on, and its text to the letter.

DuckDB's readers do not hand that out, so files with refused rows are looked at a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import duckdb
import pyarrow as pa

from nightshelf.ingest.careful import csv_records, printable
from nightshelf.ingest.files import LandingFile
from nightshelf.ingest.readers import as_texts, is_of_the_machine, line_scan, parquet_scan
from nightshelf.sql_text import literal, quoted

BATCH = 50_000


def add_raw_text(
    db: duckdb.DuckDBPyConnection, file: LandingFile, file_id: str, records: int
) -> None:
    """Moves the file's rows from `pending(file_id, row_number, element, reason)` to `refused`."""
    if file.format == "parquet":
        _from_scan(db, file_id, _rows_of_parquet(file))
    elif _a_record_a_line(file, records):
        try:
            _from_scan(db, file_id, _lines_of_csv(file))
        except duckdb.Error as error:
            if is_of_the_machine(error):
                raise
            _from_python(db, file, file_id)
    else:
        _from_python(db, file, file_id)


def _a_record_a_line(file: LandingFile, records: int) -> bool:
    """No value holds a line break, and no line is blank: then row n stands on line n + 1."""
    return file.lines + (not file.ends_with_newline) == records + 1


def _lines_of_csv(file: LandingFile) -> str:
    return (
        "select row_number() over () - 1 as row_number, row_number() over () as line, line as raw"
        f" from {line_scan(file)}"
    )


def _rows_of_parquet(file: LandingFile) -> str:
    """The row as JSON, each value as the text that it was read as."""
    texts = ", ".join(f"{sql} as {quoted(column)}" for column, sql in as_texts(file).items())
    return (
        "select row_number() over () as row_number, null::bigint as line,"
        f" to_json(record)::varchar as raw from (select {texts} from {parquet_scan(file)}) as record"
    )


def _from_scan(db: duckdb.DuckDBPyConnection, file_id: str, scan: str) -> None:
    db.execute(f"""
        insert into refused
        select p.file_id, p.row_number, p.element, texts.line, p.reason, texts.raw, p.value
        from ({scan}) as texts
        join pending as p on p.row_number = texts.row_number and p.file_id = {literal(file_id)}""")


def _from_python(db: duckdb.DuckDBPyConnection, file: LandingFile, file_id: str) -> None:
    wanted = {
        r[0]
        for r in db.execute(
            "select row_number from pending where file_id = ?", [file_id]
        ).fetchall()
    }
    for batch in _batches(
        (r.number, r.line, printable(r.text)) for r in csv_records(file) if r.number in wanted
    ):
        numbers, lines, raws = zip(*batch, strict=True)
        texts = pa.table({"row_number": numbers, "line": lines, "raw": raws})
        db.register("found_texts", texts)
        _from_scan(db, file_id, "from found_texts")
        db.unregister("found_texts")


def _batches(rows: Iterator[tuple]) -> Iterator[list[tuple]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
