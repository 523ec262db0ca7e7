"""Fitted models on disk: .npz without pickle, equal bytes for equal arrays, read by sha256."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nightshelf.errors import ModelError, StorageError

FIXED_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest a zip can hold: a clock in the file would make two equal models differ."""

MAX_BYTES = 4_000_000_000
"""EASE at its bound of 20 thousand items is 1.6 GB; nothing else comes near."""


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 hex over names, dtypes, shapes and bytes; the order of the mapping does not count."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes the arrays, whole or not at all, and returns the file's sha256.

    Not compressed: factors do not shrink, and zlib's bytes differ between its versions. Raises
    ModelError for an array of objects, StorageError where the file cannot be written.
    """
    content = _npz(arrays)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error}", "free space or permit writing there") from error
    return hashlib.sha256(content).hexdigest()


def load_npz(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a file whose sha256 is as expected. Raises ModelError for anything else."""
    again = "restore the file, fit the model again, or roll back to another night"
    content = read_bounded(path, MAX_BYTES, again)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(f"{path}: sha256 is {found}, expected {sha256}", again)
    return parse_npz(content, path)


def read_bounded(path: Path, limit: int, again: str) -> bytes:
    """A plain file's bytes. Raises ModelError, with `again` as the next step, for a symlink, a pipe, a
    folder, and for more than `limit` bytes, of which no more are read."""
    try:
        # Not through a symlink; and opening a pipe would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            told = os.fstat(handle)
            if not stat.S_ISREG(told.st_mode):
                raise ModelError(f"{path} is no plain file.", again)
            content = file.read(limit + 1) if told.st_size <= limit else None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}", again) from None
    if content is None or len(content) > limit:
        raise ModelError(f"{path} is larger than {limit:,} bytes.", again)
    return content


def parse_npz(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file's bytes; `path` is for the message. Raises ModelError where they are no
    .npz of plain arrays, or would unfold to more than what was read."""
    again = "restore the file, fit the model again, or roll back to another night"
    if not content.startswith(b"PK"):
        raise ModelError(f"{path}: not an .npz of plain arrays: no zip file", again)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
        if unfolded > len(content):  # ours are stored, never compressed
            raise ValueError(f"{len(content):,} bytes that unfold to {unfolded:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        strange = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
        if strange:
            raise ValueError(f"{strange[0]!r} is no array")
        return arrays
    except Exception as error:  # a hostile header makes numpy and zipfile raise almost anything
        raise ModelError(f"{path}: not an .npz of plain arrays: {error}", again) from error


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", FIXED_TIME)
            with archive.open(entry, "w", force_zip64=True) as file:
                _write(file, name, np.ascontiguousarray(arrays[name]))
    return buffer.getvalue()


def _write(file, name: str, array: np.ndarray) -> None:
    try:
        np.lib.format.write_array(file, array, allow_pickle=False)
    except ValueError as error:
        raise ModelError(
            f"array {name} has dtype {array.dtype}: {error}", "store numbers; ids by pack_ids"
        ) from error
