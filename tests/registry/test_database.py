"""MLflow's database in PostgreSQL: the same as a file, and never a hang, a password or a second start."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager, suppress

import psutil
import psycopg
import pytest

from nightshelf.errors import SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import Home
from nightshelf.registry import Registry, database, patience
from tests.registry.conftest import ranked
from tests.support.postgres import Server

SECRET = "hunter2"


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.end()


@pytest.fixture
def address(server, request, monkeypatch) -> str:
    """An empty database of the test's own, named by NIGHTSHELF_MLFLOW_URI."""
    name = f"t{abs(hash(request.node.name))}"
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"create database {name}")
    address = server.url.replace("/postgres?", f"/{name}?")
    monkeypatch.setenv(database.VARIABLE, address)
    return address


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def given(monkeypatch, uri: str) -> None:
    monkeypatch.setenv(database.VARIABLE, uri)


def test_a_champion_is_kept_in_postgresql_and_its_files_in_the_home(home, address, tmp_path):
    registry = Registry(home, "shop")
    run = registry.begin("night", None, {})
    registry.promote("for_you", registry.register("for_you", ranked(), run, tmp_path / "made", {}))
    again = Registry(home, "shop")
    champion = again.champion("for_you")
    assert again.load("for_you", champion).fingerprint() == ranked().fingerprint()
    assert again.folder_of(champion.source).is_relative_to(home.mlflow)
    assert not (home.mlflow / "mlflow.db").exists()
    with psycopg.connect(address) as db:
        assert db.execute("select count(*) from experiments where name = 'shop'").fetchone() == (1,)


def test_tables_whose_making_was_cut_short_are_made_whole(home, address):
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    engine = create_engine(database.uri_of(home))
    Base.metadata.create_all(engine)  # as far as MLflow is before its migrations, in a transaction
    engine.dispose()
    assert Registry(home, "shop").begin("night", None, {})


def test_an_emptied_database_beside_artefacts_is_refused_by_nights_and_by_prepare(home, address):
    (home.mlflow / "artifacts").mkdir(parents=True)
    for opened in (lambda: Registry(home, "shop"), lambda: database.upgrade(home)):
        with pytest.raises(StorageError, match="is empty, though .* has artefacts") as told:
            opened()
        assert "nightshelf restore" in told.value.next_step


def test_prepare_makes_tables_once_and_leaves_them_the_second_time(home, address):
    for _ in range(2):
        database.upgrade(home)
    with psycopg.connect(address) as db:
        assert db.execute("select count(*) from alembic_version").fetchone() == (1,)


def test_tables_of_another_mlflow_are_told_with_the_command_that_helps(home, address):
    database.upgrade(home)
    with psycopg.connect(address) as db:
        db.execute("update alembic_version set version_num = 'bd07f7e963c5'")
    with pytest.raises(StorageError, match="out-of-date database schema") as told:
        Registry(home, "shop")
    assert "nightshelf prepare" in told.value.next_step


# ------------------------------------------------------------------ what cannot be reached


def test_a_server_that_is_not_there_is_told_with_its_host_and_without_the_password(
    home, monkeypatch
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given(monkeypatch, f"postgresql://mlflow:{SECRET}@127.0.0.1:{port}/mlflow")
    with pytest.raises(StorageError, match=rf"mlflow on PostgreSQL at 127\.0\.0\.1:{port}") as told:
        Registry(home, "shop")
    assert SECRET not in str(told.value)
    assert told.value.next_step.startswith("Start it, or mend NIGHTSHELF_MLFLOW_URI")


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(home, monkeypatch):
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        given(monkeypatch, f"postgresql://mlflow:{SECRET}@127.0.0.1:{port}/mlflow")
        with pytest.raises(StorageError, match="timeout") as told:
            Registry(home, "shop")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "uri",
    [
        f"mysql://mlflow:{SECRET}@db/mlflow",
        f"http://mlflow:{SECRET}@db",
        f"postgresql://mlflow:{SECRET}@@db/mlflow",
        f"postgresql://mlflow:{SECRET}@db:port/mlflow",
        SECRET,
    ],
)
def test_an_address_that_is_none_of_postgresql_is_refused_without_repeating_it(
    home, monkeypatch, uri
):
    given(monkeypatch, uri)
    with pytest.raises(SettingsError, match="is no address of a PostgreSQL database") as told:
        Registry(home, "shop")
    assert SECRET not in str(told.value)


def test_an_unknown_database_is_told(home, address, monkeypatch):
    given(monkeypatch, address.replace("?", "_nowhere?"))
    with pytest.raises(StorageError, match="does not exist") as told:
        Registry(home, "shop")
    assert "Make it" in told.value.next_step


# ------------------------------------------------------------------ what stops in the middle


def test_a_database_that_is_lost_in_the_middle_of_a_night_is_told(home, address, server):
    registry = Registry(home, "shop")
    server.kill()
    try:
        with pytest.raises(StorageError, match="on PostgreSQL at") as told, registry.told():
            registry.begin("night", None, {})
        assert told.value.next_step.startswith(("Start it", "Wait until"))
    finally:
        server.start()
    with registry.told():
        assert registry.begin("night", None, {})


def test_a_statement_that_waits_too_long_ends_as_locked(home, address, monkeypatch):
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 1)
    registry = Registry(home, "shop")
    with psycopg.connect(address) as other:
        other.execute("lock table runs in access exclusive mode")
        with pytest.raises(WarehouseLocked, match="took longer than 1 s") as told, registry.told():
            registry.begin("night", None, {})
    assert "pg_stat_activity" in told.value.next_step


@contextmanager
def paused(server: Server):
    """Every process of the server stopped, as a paused container's."""
    first = psutil.Process(server.process.pid)
    family = [first, *first.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in reversed(family):
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGCONT)


def test_a_server_that_stops_answering_is_given_up(home, address, server, monkeypatch):
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    registry = Registry(home, "shop")
    monkeypatch.setattr(patience, "SILENT_SECONDS", 1.5)
    try:
        with (
            paused(server),
            pytest.raises(StorageError, match=r"no answer for 1\.5 s") as told,
            registry.told(),
        ):
            registry.begin("night", None, {})
    finally:
        patience._silent.clear()
    assert told.value.next_step.startswith("Start it")
