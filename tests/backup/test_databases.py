"""A server's databases in a backup: all three, as of one moment, and back in one transaction each."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from nightshelf.backup import back_up, databases, restore
from nightshelf.errors import SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import Home
from tests.support.postgres import Server

SECRET = "hunter2"


@pytest.fixture(scope="module")
def server():
    if not all(map(shutil.which, ("pg_dump", "pg_restore", "psql"))):
        pytest.skip("a server's backup was not tested: no pg_dump on this machine")
    server = Server()
    yield server
    server.end()


@pytest.fixture
def urls(server, monkeypatch) -> dict[str, str]:
    """A database and an owner for each tenant, as stack/databases.sql makes them; each with a table."""
    found = {}
    with psycopg.connect(server.url, autocommit=True) as db:
        for name in databases.VARIABLES:
            db.execute(f"drop database if exists {name} with (force)")
            db.execute(f"drop role if exists {name}")
            db.execute(f"create role {name} login password '{SECRET}'")
            db.execute(f"create database {name} owner {name}")
    for name, variable in databases.VARIABLES.items():
        found[name] = f"postgresql://{name}:{SECRET}@/{name}?host={server.root}"
        dialect = "+psycopg" if name == "airflow" else ""
        monkeypatch.setenv(variable, found[name].replace("postgresql", f"postgresql{dialect}", 1))
        with psycopg.connect(found[name]) as db:
            db.execute("create schema kept; create table kept.told (word text)")
            db.execute("insert into kept.told values (%s)", [name])
    return found


@pytest.fixture
def home(tmp_path) -> Home:
    home = Home(tmp_path / "home")
    home.shop("shop").root.mkdir(parents=True)
    return home


def told(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as db:
        return db.execute("select word from kept.told").fetchall()


def test_every_database_comes_back_as_it_was_and_nothing_newer_stays(home, urls, tmp_path):
    back_up(home, tmp_path / "backup.tar")
    for url in urls.values():
        with psycopg.connect(url) as db:
            db.execute("update kept.told set word = 'spoilt'; create table newer ()")
    said = restore(home, tmp_path / "backup.tar", replace=True)
    assert "databases airflow, mlflow, shelves" in said
    for name, url in urls.items():
        assert told(url) == [(name,)]
        with psycopg.connect(url) as db:
            assert db.execute("select to_regclass('newer')").fetchone() == (None,)


def test_a_database_that_servers_use_is_not_replaced(home, urls, tmp_path):
    back_up(home, tmp_path / "backup.tar")
    with (
        psycopg.connect(urls["mlflow"]),
        pytest.raises(WarehouseLocked, match="1 others are connected to database mlflow") as said,
    ):
        restore(home, tmp_path / "backup.tar", replace=True)
    assert "Stop Airflow and MLflow" in said.value.next_step


def test_a_home_s_backup_is_not_brought_to_a_server_nor_a_server_s_to_a_home(
    home, urls, tmp_path, monkeypatch
):
    back_up(home, tmp_path / "server.tar")
    for variable in databases.VARIABLES.values():
        monkeypatch.delenv(variable)
    with pytest.raises(SettingsError, match="airflow, mlflow, shelves; .* names none"):
        restore(home, tmp_path / "server.tar", replace=True)


def test_a_dump_that_fails_leaves_no_file_and_tells_no_password(home, urls, tmp_path, monkeypatch):
    monkeypatch.setenv(databases.VARIABLES["mlflow"], urls["mlflow"].replace("/mlflow?", "/gone?"))
    with pytest.raises(StorageError, match="pg_dump of database mlflow ended with 1") as said:
        back_up(home, tmp_path / "backup.tar")
    assert SECRET not in str(said.value)
    assert list(tmp_path.glob("*.tar*")) == []


def test_a_load_that_fails_leaves_the_database_as_it_was(home, urls, tmp_path):
    bad = tmp_path / "bad.dump"
    bad.write_bytes(b"no dump")
    with pytest.raises(StorageError, match="pg_restore of database mlflow"):
        databases.load("mlflow", databases.addresses()["mlflow"], bad)
    assert told(urls["mlflow"]) == [("mlflow",)]


def test_commands_do_not_show_the_password(urls):
    command, env = databases._connection("mlflow", urls["mlflow"])
    assert SECRET not in command and env["PGPASSWORD"] == SECRET
