"""Writing that survives a power cut: contents are on the disk before a name points at them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

from nightshelf.errors import StorageError


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


sync_directory = sync_file  # a directory is opened and synced the same way


def write_atomically(path: Path, text: str) -> None:
    """The file has its old content or the new one, also after a crash. What fails leaves nothing beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def json_text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True, default=str) + "\n"


def write_json(path: Path, value: object) -> None:
    write_atomically(path, json_text(value))


def read_json(path: Path) -> dict:
    """Raises ValueError where it holds no JSON object."""
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict):
        raise ValueError("it holds no JSON object")
    return told


def read_left(path: Path, step: str) -> dict:
    """A JSON file that a step of the night left. Raises StorageError where it is not there or damaged."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.",
            f"Run `nightshelf {step}` again, and the steps after it; it writes the file.",
        ) from None


def without_nan(value: Any) -> Any:
    """null for what is no number: other readers of JSON know neither NaN nor Infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return value


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
