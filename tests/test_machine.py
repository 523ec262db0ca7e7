"""What befalls the machine is told in words, with the way out; what nobody foresaw is left as it is."""

from __future__ import annotations

import errno
import os

import duckdb
import pytest

from nightshelf.errors import DoorBroken, InputError, StorageError, TransformError, WarehouseLocked
from nightshelf.machine import in_words


def of_system(number: int) -> OSError:
    return OSError(number, os.strerror(number), "night.duckdb")


def from_within(cause: BaseException) -> Exception:
    """As dbt and the doors wrap it."""
    error = DoorBroken("A rule raised.", "Look at it.")
    error.__cause__ = cause
    return error


FORESEEN = {
    "a full disk": (of_system(errno.ENOSPC), StorageError, "No space left on the disk"),
    "a full disk, by SQLite": (RuntimeError("database or disk is full"), StorageError, "No space"),
    "a limit on files": (of_system(errno.EFBIG), StorageError, "A file may not grow further"),
    "a limit on files, by DuckDB": (
        RuntimeError("IO Error: Could not write file: File too large"), StorageError, "A file may not"),
    "a broken disk": (of_system(errno.EIO), StorageError, "The disk failed"),
    "a broken disk, by SQLite": (RuntimeError("disk I/O error"), StorageError, "The disk failed"),
    "no permission": (of_system(errno.EACCES), StorageError, "No permission"),
    "a read-only disk": (of_system(errno.EROFS), StorageError, "Read-only file system"),
    "no memory": (MemoryError(), StorageError, "Not enough memory"),
    "another writer": (
        RuntimeError("IO Error: Conflicting lock is held in PID 7"), WarehouseLocked, "Another process"),
    "a damaged database": (
        RuntimeError('IO Error: The file "/h/warehouse.duckdb" exists, but it is not a valid DuckDB database file!'),
        StorageError, "A file of ours is damaged: IO Error: The file \"/h/warehouse.duckdb\""),
    "a damaged block, by dbt": (
        TransformError("dbt prepare: 1 of 9 nodes failed:\n  fct_sessions: Corrupt database file: block 7", "Look."),
        StorageError, "is damaged: fct_sessions: Corrupt database file: block 7"),
    "a database that ends too early": (
        RuntimeError('Could not read enough bytes from file "/h/night.duckdb": attempted to read 4096 bytes'),
        StorageError, "A file of ours is damaged"),
    "a database that is gone": (
        RuntimeError('Cannot open database "/h/night.duckdb" in read-only mode: database does not exist'),
        StorageError, "A file of ours is gone"),
    "the engine's own fault": (
        TransformError('dbt prepare: FATAL Error: Failed: database has been invalidated because of a previous fatal error.', "Mend."),
        StorageError, "DuckDB itself failed"),
    "the engine's own fault, in a door": (
        from_within(duckdb.InternalException("INTERNAL Error: dict-surviving join: an unexpected dictionary")),
        StorageError, "DuckDB itself failed: INTERNAL Error: dict-surviving"),
    "from within a door": (from_within(of_system(errno.ENOSPC)), StorageError, "No space"),
}  # fmt: skip


@pytest.mark.parametrize(("error", "kind", "told"), FORESEEN.values(), ids=FORESEEN)
def test_what_befalls_the_machine_has_words_and_a_next_step(error, kind, told):
    known = in_words(error)
    assert type(known) is kind
    assert told in known.what
    assert known.next_step


def test_what_duckdb_says_of_a_damaged_file_is_foreseen(tmp_path):
    path = tmp_path / "night.duckdb"
    duckdb.connect(str(path)).close()
    whole = path.read_bytes()
    for harm in (b"", whole[:100], whole[:4096], whole[:8192], bytes(4096) + whole[4096:]):
        path.write_bytes(harm)
        with pytest.raises(duckdb.Error) as met:
            duckdb.connect(str(path))
        assert in_words(met.value).what.startswith("A file of ours is damaged")
    path.unlink()
    with pytest.raises(duckdb.Error) as met:
        duckdb.connect(str(path), read_only=True)
    assert in_words(met.value).what.startswith("A file of ours is gone")


def test_an_error_of_ours_stays_as_it_is_and_what_nobody_foresaw_has_no_words():
    ours = InputError("x", "y")
    assert in_words(ours) is ours
    assert in_words(ValueError("a bug")) is None
