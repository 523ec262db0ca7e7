"""A home's backup: everything in one file, taken while servers write, and brought back whole or not at all."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from nightshelf.backup import back_up, restore
from nightshelf.errors import InputError, SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import PROJECT, Home
from tests.support.published import furnish


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    from nightshelf.backup.databases import VARIABLES

    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def home(tmp_path) -> Home:
    """A published night, a file with two names, a database, and a lock that nobody holds."""
    home = Home(tmp_path / "home")
    furnish(home.shop("shop"), "2024-03-01/1")
    made = home.mlflow / "artifacts" / "shop"
    made.mkdir(parents=True)
    (made / "model.npz").write_bytes(b"arrays")
    os.link(made / "model.npz", home.shop("shop").root / "model.npz")
    with closing(sqlite3.connect(home.shop("shop").ledger)) as db:
        db.execute("create table files (name text)")
        db.commit()
    (home.shop("shop").root / "writer.lock").touch()
    return home


def tree(home: Home) -> dict[str, bytes | str]:
    """Every file's bytes and every symlink's target, but for locks."""
    found = {}
    for path in sorted(home.root.rglob("*")):
        name = str(path.relative_to(home.root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and path.suffix != ".lock":
            found[name] = path.read_bytes()
    return found


@pytest.fixture
def backup(home, tmp_path) -> Path:
    back_up(home, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def test_a_home_comes_back_as_it_was(home, backup, tmp_path):
    new = Home(tmp_path / "new")
    told = restore(new, backup, replace=False)
    assert tree(new) == tree(home)
    assert told.endswith(f"to {new.root}: 1 published nights, all whole.")
    assert [p.name for p in new.root.iterdir() if p.name.startswith(".")] == []


def test_a_backup_is_its_owner_s_alone_and_never_written_over_another(home, backup):
    assert backup.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="is there already"):
        back_up(home, backup)


def test_a_database_that_a_server_is_writing_is_as_of_its_last_commit(home, tmp_path):
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as server:
        server.execute("pragma journal_mode = wal")
        server.execute("create table runs (id integer)")
        server.execute("insert into runs values (1)")
        server.commit()
        server.execute("insert into runs values (2)")  # not committed
        back_up(home, tmp_path / "backup.tar")
    restore(Home(tmp_path / "new"), tmp_path / "backup.tar", replace=False)
    with closing(sqlite3.connect(tmp_path / "new" / "mlflow" / "mlflow.db")) as db:
        assert db.execute("select id from runs").fetchall() == [(1,)]


def test_a_database_that_sqlite_cannot_copy_is_named_and_no_backup_is_left(home, tmp_path):
    ledger = home.shop("shop").ledger
    ledger.write_bytes(b"SQLite format 3\0" + b"no header" * 500)
    with pytest.raises(StorageError, match=r"ledger\.sqlite cannot be read"):
        back_up(home, tmp_path / "backup.tar")
    assert list(tmp_path.glob("*.tar*")) == []


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_step_at_work_is_named_and_nothing_is_done(home, backup, tmp_path, what):
    lock = home.shop("shop").root / "writer.lock"
    lock.with_suffix(".holder").write_text("night 2024-03-02, ingest, process 7")
    with FileLock(lock), pytest.raises(WarehouseLocked, match="night 2024-03-02, ingest"):
        if what == "backup":
            back_up(home, tmp_path / "second.tar")
        else:
            restore(home, backup, replace=True)
    assert not (tmp_path / "second.tar").exists()


def test_a_backup_is_not_brought_back_under_servers(home, backup):
    with (
        FileLock(home.root / "servers.lock"),
        pytest.raises(WarehouseLocked, match="Servers are up"),
    ):
        restore(home, backup, replace=True)


def test_a_home_is_replaced_only_when_asked(home, backup):
    before = tree(home)
    (home.shop("shop").root / "later").write_text("made since")
    with pytest.raises(SettingsError, match="holds artifacts, shop already") as told:
        restore(home, backup, replace=False)
    assert "--replace" in told.value.next_step
    restore(home, backup, replace=True)
    assert tree(home) == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_its_end(path: Path) -> None:
    """As a pipe that was closed between two files leaves it."""
    kept = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=kept, mode="w") as new:
        for member in old.getmembers()[:-1]:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    path.write_bytes(kept.getvalue())


def flipped(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"arrays", b"arrayz"))


@pytest.mark.parametrize("harm", [cut, without_its_end, flipped])
def test_a_backup_that_is_not_whole_touches_nothing(home, backup, harm):
    harm(backup)
    before = tree(home)
    with pytest.raises((StorageError, InputError)) as told:
        restore(home, backup, replace=True)
    assert "another backup" in told.value.next_step
    assert tree(home) == before


RENAMES = 6
"""Of a swap: mlflow and shops away, the mark that all are, mlflow and shops in place, the mark lifted."""


def no_renames(patch: pytest.MonkeyPatch, begun: int, error: BaseException, n: int) -> None:
    """From rename number `begun` on, `n` of them fail."""
    rename, done = Path.rename, iter(range(100))

    def failing(path: Path, to: Path) -> Path:
        if begun <= next(done) < begun + n:
            raise error
        return rename(path, to)

    patch.setattr(Path, "rename", failing)


@pytest.mark.parametrize("error", [OSError(16, "Device or resource busy"), KeyboardInterrupt()])
@pytest.mark.parametrize("begun", range(RENAMES))
def test_a_swap_that_fails_leaves_the_home_as_it_was(home, backup, monkeypatch, begun, error):
    (home.shop("shop").root / "later").write_text("made since")
    before = tree(home)
    with monkeypatch.context() as patch:
        no_renames(patch, begun, error, 1)
        with pytest.raises((StorageError, KeyboardInterrupt)) as told:
            restore(home, backup, replace=True)
    assert tree(home) == before
    if isinstance(error, OSError):
        assert "busy" in told.value.what and "as they were" in told.value.what


@pytest.mark.parametrize("begun", range(RENAMES))
def test_what_a_killed_swap_moved_is_brought_back_before_anything_else(
    home, backup, monkeypatch, begun
):
    (home.shop("shop").root / "later").write_text("made since")
    before = tree(home)
    with monkeypatch.context() as patch:
        no_renames(patch, begun, KeyboardInterrupt(), 100)
        with pytest.raises(KeyboardInterrupt):
            restore(home, backup, replace=True)
    whole = backup.read_bytes()
    cut(backup)
    with pytest.raises((StorageError, InputError)):
        restore(home, backup, replace=True)
    assert tree(home) == before
    backup.write_bytes(whole)
    restore(home, backup, replace=True)
    assert tree(home).keys() == {name for name in before if not name.endswith("later")}


def test_a_home_with_a_disk_of_its_own_inside_is_refused_before_anything_is_touched(
    home, backup, monkeypatch
):
    before, mounted = tree(home), home.shop("shop").nights
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == mounted)
    with pytest.raises(StorageError, match=r"shops/shop/nights is a disk of its own"):
        restore(home, backup, replace=True)
    assert tree(home) == before


def test_a_backup_is_neither_written_nor_looked_for_in_the_home(home, backup):
    (inside := home.root / "backups").mkdir()
    with pytest.raises(SettingsError, match=r"b\.tar lies in the home") as told:
        back_up(home, inside / "b.tar")
    assert "outside" in told.value.next_step
    backup.rename(inside / "b.tar")
    with pytest.raises(SettingsError, match=r"b\.tar lies in the home"):
        restore(home, inside / "b.tar", replace=True)
    assert [p.name for p in inside.iterdir()] == ["b.tar"]


def escapes() -> dict[str, list[tarfile.TarInfo]]:
    def member(name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> tarfile.TarInfo:
        made = tarfile.TarInfo(name)
        made.type, made.linkname = kind, linkname
        return made

    victim = "../../../victim.txt"  # from .restore/home: beside the home
    return {
        "upwards": [member("home/../../../out.txt")],
        "absolute": [member("/out.txt")],
        "through a symlink": [member("home/a", tarfile.SYMTYPE, "../.."), member("home/a/out.txt")],
        "through a symlink of its name": [
            member("home/a", tarfile.SYMTYPE, victim),
            member("home/a"),
        ],
        "through a symlink's second name": [
            member("home/a", tarfile.SYMTYPE, victim),
            member("home/b", tarfile.LNKTYPE, "home/a"),
        ],
        "into a symlink's folder": [
            member("home/a", tarfile.SYMTYPE, ".."),
            member("home/a", tarfile.DIRTYPE),
        ],
        "one name twice": [member("home/a"), member("home/a")],
        "another's file by its second name": [member("home/b", tarfile.LNKTYPE, "../../../a.txt")],
        "a device": [member("home/c", tarfile.CHRTYPE)],
        "the folder above": [member("home/../..", tarfile.DIRTYPE)],
    }


@pytest.mark.parametrize("way", escapes())
def test_what_leads_out_of_the_home_is_refused(home, tmp_path, way):
    evil, before = tmp_path / "evil.tar", tree(home)
    (tmp_path / "victim.txt").write_text("as it was")
    (tmp_path / "victim.txt").chmod(0o640)
    with tarfile.open(evil, "w") as tar:
        for member in escapes()[way]:
            tar.addfile(member)
    with pytest.raises(InputError, match="leads out"):
        restore(home, evil, replace=True)
    assert tree(home) == before
    assert (tmp_path / "victim.txt").read_text() == "as it was"
    assert (tmp_path / "victim.txt").stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.rglob("out.txt")) and not (tmp_path.parent / "out.txt").exists()


def test_a_night_that_was_damaged_before_is_told(home, tmp_path):
    (table,) = (home.shop("shop").current.resolve()).glob("rec_for_you.parquet")
    table.write_bytes(b"no parquet")
    back_up(home, tmp_path / "backup.tar")
    with pytest.raises(StorageError, match=r"of damaged nights:\n.*rec_for_you\.parquet"):
        restore(Home(tmp_path / "new"), tmp_path / "backup.tar", replace=False)


def test_one_command_s_output_is_the_other_s_input(home, tmp_path):
    def command(*arguments: str, **how) -> subprocess.CompletedProcess:
        given = [sys.executable, "-m", "nightshelf", *arguments]
        env = os.environ | {"PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}
        return subprocess.run(given, env=env, capture_output=True, check=True, **how)

    made = command("backup", "-", "--home", str(home.root))
    assert b"Backed up" in made.stderr
    command("restore", "-", "--home", str(tmp_path / "new"), input=made.stdout)
    assert tree(Home(tmp_path / "new")) == tree(home)
