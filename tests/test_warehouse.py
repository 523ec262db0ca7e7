"""What the environment says of the machine is checked before anybody relies on it."""

from pathlib import Path

import duckdb
import pytest

from nightshelf.errors import SettingsError
from nightshelf.warehouse import connect, cores, lock_seconds, memory_limit

OF = {
    "NIGHTSHELF_THREADS": cores,
    "NIGHTSHELF_MEMORY": memory_limit,
    "NIGHTSHELF_LOCK_SECONDS": lock_seconds,
}


@pytest.mark.parametrize(
    ("name", "told", "meant"),
    [
        ("NIGHTSHELF_THREADS", "3", 3),
        ("NIGHTSHELF_MEMORY", "1.5GB", "1.5GB"),
        ("NIGHTSHELF_MEMORY", "500 MiB", "500 MiB"),
        ("NIGHTSHELF_MEMORY", "80%", "80%"),
        ("NIGHTSHELF_LOCK_SECONDS", "0", 0),
        ("NIGHTSHELF_LOCK_SECONDS", "0.3", 0.3),
        ("NIGHTSHELF_LOCK_SECONDS", "", 600),
    ],
)
def test_what_is_set_is_meant(monkeypatch, name, told, meant):
    monkeypatch.setenv(name, told)
    assert OF[name]() == meant


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NIGHTSHELF_THREADS", "0"),
        ("NIGHTSHELF_THREADS", "-1"),
        ("NIGHTSHELF_THREADS", "two"),
        ("NIGHTSHELF_MEMORY", "tiny"),
        ("NIGHTSHELF_MEMORY", "3"),
        ("NIGHTSHELF_MEMORY", "1GB'; drop table x; --"),
        ("NIGHTSHELF_LOCK_SECONDS", "abc"),
        ("NIGHTSHELF_LOCK_SECONDS", "nan"),
        ("NIGHTSHELF_LOCK_SECONDS", "inf"),
        ("NIGHTSHELF_LOCK_SECONDS", "-5"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(monkeypatch, name, told):
    monkeypatch.setenv(name, told)
    with pytest.raises(SettingsError, match=f"{name} is (.|\\n)*or unset it"):
        OF[name]()


def test_a_file_is_opened_once_more_while_a_reader_spills(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_MEMORY", "60MB")
    path = tmp_path / "night.duckdb"
    with connect(path, read_only=False):
        pass
    with connect(path) as db:
        db.execute(
            "create temp table t as select range, hash(range) as h from range(6000000) order by h"
        )
        assert list((tmp_path / "spill").iterdir())
        with connect(path) as other:
            assert other.execute("select 1").fetchall() == [(1,)]


def test_a_database_whose_making_was_cut_short_is_made_again(tmp_path, monkeypatch):
    path = tmp_path / "night.duckdb"

    def cut_short(file: str, **how) -> None:
        Path(file).write_bytes(bytes(4096))  # of 12,288: DuckDB opens none of fewer
        raise duckdb.IOException("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(duckdb, "connect", cut_short)
        with pytest.raises(duckdb.IOException), connect(path, read_only=False):
            pass
    with connect(path, read_only=False) as db:
        db.execute("create table kept as select 1 as one")
    with connect(path) as db:
        assert db.execute("from kept").fetchall() == [(1,)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_that_was_moved_away_is_made_anew_without_its_log(tmp_path):
    path, log = tmp_path / "warehouse.duckdb", tmp_path / "warehouse.duckdb.wal"
    with connect(path, read_only=False) as db:
        db.execute("create table kept as select 1 as one")
        left = log.read_bytes()
    path.unlink()
    log.write_bytes(left)
    with connect(path, read_only=False) as db:
        assert db.execute("show tables").fetchall() == []


def test_a_file_whose_blocks_are_damaged_is_named(tmp_path):
    path = tmp_path / "night.duckdb"
    with connect(path, read_only=False) as db:
        db.execute("create table kept as select range as n from range(100000)")
    whole = path.read_bytes()
    path.write_bytes(whole[:12288] + b"x" * (len(whole) - 12288))
    with pytest.raises(duckdb.Error, match=r"night\.duckdb: Corrupt database file"), connect(path):
        pass
