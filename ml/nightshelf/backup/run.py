"""Takes a backup and brings it back. Both hold every lock of every shop, so that a night waits, and
refuse where a step is at work."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

from filelock import FileLock, Timeout

from nightshelf.backup import archive, databases
from nightshelf.errors import SettingsError, StorageError, WarehouseLocked
from nightshelf.paths import Home
from nightshelf.publishing.nights import damage, published

PIPE = Path("-")


def back_up(home: Home, target: Path) -> str:
    """Writes everything into one new file, or to standard output; says in words what. Servers may stay
    up. Raises WarehouseLocked where a step is at work."""
    if not home.root.exists():
        raise SettingsError(f"There is no home at {home.root}.", "Name it with --home.")
    _refuse_inside(home, target)
    with (
        _nobody_works(home),
        _folder(home, ".backup") as scratch,
        _written(target) as into,
        archive.Writer(into) as writer,
    ):
        for name, address in databases.addresses().items():
            dump = scratch / f"{name}.dump"
            databases.dump(name, address, dump)
            writer.add(dump, f"postgres/{name}.dump")
        archive.add_home(writer, home.root, scratch)
        writer.finish(home=str(home.root))
    return f"Backed up {len(writer.sha256):,} files of {home.root}{_and(databases.addresses())}."


def restore(home: Home, source: Path, replace: bool) -> str:
    """Puts a backup in the place of what is there; says in words what. It is unpacked and checked before
    anything is touched, and its nights are verified at the end.

    Raises SettingsError where it is of another kind of home, or would replace something unasked.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    _refuse_inside(home, source)
    with _no_servers(home), _nobody_works(home), _folder(home, ".restore") as beside:
        _take_back(home.root, beside)  # of a restore that was killed
        _refuse_to_replace(home, replace)
        _refuse_disks(home.root)
        with _opened(source) as file:
            told = archive.unpack(file, beside)
        dumps = {path.stem: path for path in sorted((beside / "postgres").glob("*.dump"))}
        addresses = _same_databases(dumps)
        for name, path in dumps.items():
            databases.load(name, addresses[name], path)
        _swap(home.root, beside)
    nights = _verified(home)
    return (
        f"Brought back the backup of {told['made_at'][:16]} to {home.root}{_and(dumps)}:"
        f" {nights} published nights, all whole."
    )


def _and(names: dict) -> str:
    return f" and databases {', '.join(names)}" if names else ""


# ------------------------------------------------------------------ alone


@contextmanager
def _nobody_works(home: Home) -> Iterator[None]:
    """Holds the locks that steps take. One that begins meanwhile waits, as for another step."""
    with ExitStack() as held:
        for folder in (home.root / "shops", home.mlflow):
            for lock in sorted(folder.rglob("*.lock")):
                try:
                    held.enter_context(FileLock(lock, timeout=0))
                except Timeout:
                    raise WarehouseLocked(
                        f"A step is at work in {home.root}: {_holder(lock)}.",
                        "Wait until it has ended, then run this again.",
                    ) from None
        yield


def _holder(lock: Path) -> str:
    told = lock.with_suffix(".holder")
    return told.read_text() if told.exists() else f"{lock} is held"


@contextmanager
def _no_servers(home: Home) -> Iterator[None]:
    try:
        with FileLock(home.root / "servers.lock", timeout=0):
            for name, address in databases.addresses().items():
                databases.refuse_used(name, address)
            yield
    except Timeout:
        raise WarehouseLocked(
            f"Servers are up in {home.root}.",
            "End them with `nightshelf down`, then restore again.",
        ) from None


# ------------------------------------------------------------------ files


@contextmanager
def _folder(home: Home, name: str) -> Iterator[Path]:
    """Of our own in the home, which has the space; begun anew, since a killed one left its own."""
    path = home.root / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """A file has its name when it is whole, and is its owner's alone: Airflow's own secrets are in it."""
    if target == PIPE:
        if sys.stdout.isatty():
            raise SettingsError("A backup is no text.", "Send it into a file: `> backup.tar`.")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists():
        raise SettingsError(f"{target} is there already.", "Name a new file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.incoming")
    beside.unlink(missing_ok=True)
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _opened(source: Path) -> Iterator[IO[bytes]]:
    if source == PIPE:
        yield sys.stdin.buffer
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise SettingsError(
            f"{source} cannot be read: {error.strerror}.", "Name the file of a backup."
        ) from None
    with file:
        yield file


def _refuse_inside(home: Home, path: Path) -> None:
    """It would be part of itself, and go with the home that a restore replaces."""
    if path != PIPE and path.resolve().is_relative_to(home.root.resolve()):
        raise SettingsError(
            f"{path} lies in the home {home.root}.",
            "Keep backups outside of it, and name it there.",
        )


# ------------------------------------------------------------------ the way back


def _refuse_to_replace(home: Home, replace: bool) -> None:
    kept = [p.name for p in (home.root / "shops").glob("*")] + [
        p.name for p in home.mlflow.glob("artifacts")
    ]
    if kept and not replace:
        raise SettingsError(
            f"{home.root} holds {', '.join(sorted(kept))} already.",
            "Back that up, then restore with --replace, which removes it; or name another --home.",
        )


def _same_databases(dumps: dict[str, Path]) -> dict[str, str]:
    """Addresses of this environment. Raises SettingsError unless the backup has just these."""
    here = databases.addresses()
    if here.keys() != dumps.keys():
        of, now = (", ".join(sorted(names)) or "none" for names in (dumps, here))
        raise SettingsError(
            f"The backup has of PostgreSQL's databases {of}; this environment names {now}.",
            "Restore a server's backup on a server, and a home's into a home.",
        )
    return here


def _refuse_disks(root: Path) -> None:
    """What is mounted inside cannot be moved."""
    found = (Path(folder, name) for folder, below, _ in os.walk(root) for name in below)
    if disk := next(filter(os.path.ismount, found), None):
        raise StorageError(
            f"{disk} is a disk of its own, and a restored home is put in place as a whole.",
            "Unmount it, restore, and move its files there again; or mount the whole home.",
        )


def _swap(root: Path, beside: Path) -> None:
    """Renames only, within one disk. What was there lies in the home until the new one stands: where the
    swap fails it is taken back, and where it was killed, by the next restore."""
    leaving, replaced = root / archive.LEAVING, root / archive.REPLACED
    try:
        leaving.mkdir()
        _move(root, leaving)
        leaving.rename(replaced)
        _move(beside / "home", root)
        replaced.rename(beside / "replaced")
    except BaseException as error:
        _take_back(root, beside)
        if isinstance(error, OSError):
            raise StorageError(
                f"The backup could not be put in place: {error}. The home's files are as they were.",
                "Mend that, then restore again.",
            ) from None
        raise


def _take_back(root: Path, beside: Path) -> None:
    """Puts back what a swap moved away that did not come to its end. Nothing, where none was begun."""
    leaving, replaced = root / archive.LEAVING, root / archive.REPLACED
    try:
        if replaced.exists():  # so what is there now is of the new home
            _move(root, Path(mkdtemp(dir=beside)))
            replaced.rename(leaving)
        if leaving.exists():
            _move(leaving, root)
            leaving.rmdir()
    except OSError as error:
        raise StorageError(
            f"What a restore moved out of {root} could not be brought back: {error}.",
            "Mend that, then restore again: it begins by bringing that back.",
        ) from None


def _move(source: Path, to: Path) -> None:
    for path in source.iterdir():
        if path.name not in (*archive.OWN, "servers.lock"):
            path.rename(to / path.name)


def _verified(home: Home) -> int:
    nights = [n for p in (home.root / "shops").glob("*") for n in published(home.shop(p.name))]
    if wrong := [f"{n.path}: {w}" for n in nights for w in damage(n)]:
        raise StorageError(
            "The backup is back, and was of damaged nights:\n  " + "\n  ".join(wrong),
            "Run those nights again, each gets a new attempt.",
        )
    return len(nights)
