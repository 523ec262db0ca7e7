"""What training leaves in an attempt for the steps after it, and models/trained.json: the sha256 of each
file. What is not named there was not left; what is named there is read only as it was left.

Hashing costs a second for 1 GB, a tenth of what reading a pool of that size does.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from nightshelf.candidates import load_npz
from nightshelf.errors import ModelError
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import OF_ATTEMPT
from nightshelf.ranking.pool import Pool
from nightshelf.ranking.proposals import Proposals
from nightshelf.storage import read_json, sha256_of, write_json

AGAIN = "Run `nightshelf train` again; it writes the file."


def clear(attempt: Attempt) -> None:
    """Removes what an earlier training of the attempt left, a cut that has fallen away since among it.
    The settings that the attempt was begun with stay."""
    attempt.models.mkdir(parents=True, exist_ok=True)
    _manifest(attempt).unlink(missing_ok=True)
    for path in _files(attempt):
        path.unlink()
    shutil.rmtree(attempt.candidates, ignore_errors=True)


def seal(attempt: Attempt) -> None:
    """Writes the manifest: from now on the files are what this training left."""
    found = [*_files(attempt), *sorted(attempt.candidates.glob("*.parquet"))]
    write_json(_manifest(attempt), {_name(attempt, path): sha256_of(path) for path in found})


def told(attempt: Attempt, name: str) -> dict[str, Any]:
    """models/<name>, a JSON file that every training leaves."""
    return read_json(_needed(attempt, attempt.models / name))


def arrays(attempt: Attempt, name: str) -> dict[str, np.ndarray] | None:
    """models/<name>.npz; None where training had nothing to leave."""
    path = attempt.models / f"{name}.npz"
    sha256 = _sha256(attempt, path)
    return load_npz(path, sha256) if sha256 else None


def pool(attempt: Attempt, role: str, view: str, user: str | None = None) -> Pool:
    """What was proposed for "serve"; for "evaluate", where that cut left labels. With `user`, for
    them alone."""
    return Proposals.read(proposals(attempt, role), user).of(view)


def proposals(attempt: Attempt, role: str) -> Path:
    """The file, checked."""
    path = attempt.candidates / f"{role}.parquet"
    for part in ("users", "items"):
        _needed(attempt, path.with_suffix(f".{part}.parquet"))
    return _needed(attempt, path)


def _needed(attempt: Attempt, path: Path) -> Path:
    if _sha256(attempt, path) is None:
        raise ModelError(f"{path} is none of the files that training left.", AGAIN)
    return path


def _sha256(attempt: Attempt, path: Path) -> str | None:
    """Of a file that training left, and that is still so; None where it left none. Raises ModelError
    where the file has changed since."""
    expected = _left(attempt).get(_name(attempt, path))
    if expected is None:
        return None
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.", AGAIN) from None
    if found != expected:
        raise ModelError(f"{path} is not what training left: its sha256 is {found}.", AGAIN)
    return found


def _left(attempt: Attempt) -> dict[str, str]:
    path = _manifest(attempt)
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", AGAIN) from None


def _files(attempt: Attempt) -> list[Path]:
    """Of training: all files of models/ but the settings. Folders there are other steps'."""
    return sorted(p for p in attempt.models.iterdir() if p.is_file() and p.name not in OF_ATTEMPT)


def _manifest(attempt: Attempt) -> Path:
    return attempt.models / "trained.json"


def _name(attempt: Attempt, path: Path) -> str:
    return str(path.relative_to(attempt.root))
