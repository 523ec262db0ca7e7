"""The file of a backup: written in one pass, to a pipe too; unpacked beside, and trusted once it is whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from nightshelf import __version__
from nightshelf.errors import InputError, StorageError
from nightshelf.storage import read_json, sha256_of

LAST = "backup.json"
LEAVING, REPLACED = ".leaving", ".replaced"
"""Hold a home that a restored one is to replace: some of it, all of it."""
OWN = ".backup", ".restore", LEAVING, REPLACED
"""Folders in a home that a backup, or the way back, works in."""
SQLITE = b"SQLite format 3\0"
BESIDE_SQLITE = ("-wal", "-shm", "-journal")
ANOTHER = "Take another backup; this one was not written to its end, or was changed since."


class Writer:
    """Adds files to a stream, and remembers what they were."""

    def __init__(self, into: IO[bytes]) -> None:
        self.tar = tarfile.open(fileobj=into, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by __exit__
        self.sha256: dict[str, str] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error) -> None:
        self.tar.__exit__(*error)

    def add(self, path: Path, name: str) -> None:
        """A file, folder or symlink. One that has gone meanwhile, such as a server's old log, is left out."""
        with suppress(FileNotFoundError):
            info = self.tar.gettarinfo(path, name)
            if info is None:  # a socket
                return
            if not info.isreg():
                self.tar.addfile(info)
                return
            with path.open("rb") as file:
                read = _Hashed(file)
                self.tar.addfile(info, read)
                self.sha256[name] = read.digest.hexdigest()

    def finish(self, **told: str) -> None:
        about = {"version": __version__, "made_at": datetime.now(UTC).isoformat(), **told}
        text = json.dumps(about | {"files": self.sha256}).encode()
        info = tarfile.TarInfo(LAST)
        info.size = len(text)
        self.tar.addfile(info, io.BytesIO(text))


class _Hashed:
    """A file that is hashed as far as it is read. A log that has shrunk meanwhile is filled up."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        found = self.file.read(size).ljust(size, b"\0")
        self.digest.update(found)
        return found


def add_home(writer: Writer, home: Path, scratch: Path) -> None:
    """Every file, but for locks and what says which servers are up. SQLite's are copied by SQLite: a
    server may be writing them."""
    for folder, below, names in os.walk(home):
        below[:] = sorted(name for name in below if name not in OWN)
        for name in (*below, *sorted(names)):
            path = Path(folder, name)
            if path != home / "servers.json" and not _is_left_out(path, names):
                _add(writer, path, f"home/{path.relative_to(home).as_posix()}", scratch)


def _is_left_out(path: Path, beside: list[str]) -> bool:
    if path.suffix in (".lock", ".holder"):
        return True
    whose = next((path.name.removesuffix(s) for s in BESIDE_SQLITE if path.name.endswith(s)), None)
    return whose in beside and _is_sqlite(path.with_name(whose))


def _add(writer: Writer, path: Path, name: str, scratch: Path) -> None:
    if not _is_sqlite(path):
        writer.add(path, name)
        return
    copy = scratch / "copy.db"
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=60)) as db, closing(sqlite3.connect(copy)) as to:
            db.backup(to)
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"{path} cannot be read: {error}.",
            "Let its writer finish, or mend it or move it away, then back up again.",
        ) from None
    copy.chmod(path.stat().st_mode)
    writer.add(copy, name)


def _is_sqlite(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
    return False  # gone meanwhile


def unpack(source: IO[bytes], into: Path) -> dict:
    """Unpacks into an empty folder, and returns backup.json. Raises InputError where it is no backup,
    StorageError where it is not whole."""
    try:
        with tarfile.open(fileobj=source, mode="r|*") as tar:
            # Ours looks at what is extracted; Python's own came with 3.11.4.
            tar.extraction_filter = staticmethod(lambda member, folder: member)
            for member in tar:
                _refuse_to_leave(into, member)
                tar.extract(member, into)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"The backup cannot be read: {error}.", ANOTHER) from None
    try:
        told = read_json(into / LAST)
    except (OSError, ValueError):
        raise StorageError("The backup has no end, so it is not whole.", ANOTHER) from None
    if wrong := list(_damaged(into, told["files"])):
        raise StorageError(
            f"The backup is damaged: {len(wrong)} files, the first {wrong[0]}.", ANOTHER
        )
    return told


def _refuse_to_leave(into: Path, member: tarfile.TarInfo) -> None:
    """Nothing is written outside, not through a symlink either, and nothing is made that a home has not."""
    names = [member.name, *([member.linkname] if member.islnk() else [])]
    known = member.isreg() or member.isdir() or member.issym() or member.islnk()
    inside = all((into / n).parent.resolve().is_relative_to(into.resolve()) for n in names)
    up = any(Path(n).name == ".." for n in names)
    if not (known and inside) or up or _meets_another(into, member):
        raise InputError(f"The backup leads out of its folder: {member.name!r}.", ANOTHER)
    member.mode &= 0o777


def _meets_another(into: Path, member: tarfile.TarInfo) -> bool:
    """Its name stands for something already, or it is a second name of a symlink: tarfile would follow
    the link, and change what it leads to. A folder may come twice."""
    path = into / member.name
    if member.isdir() and path.is_dir():
        return path.is_symlink()
    return os.path.lexists(path) or (member.islnk() and (into / member.linkname).is_symlink())


def _damaged(folder: Path, files: dict[str, str]) -> Iterator[str]:
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            yield name
