"""What made a model: versions, hashes, and the commit of a checkout."""

from __future__ import annotations

import subprocess

import nightshelf
from nightshelf.paths import PROJECT
from nightshelf.storage import sha256_of

UNKNOWN = "unknown"


def code_version() -> dict[str, str]:
    """The package's version, the lock's sha256, and the commit; "unknown" where this is no checkout.

    A commit ends in "-dirty" where tracked files differ from it.
    """
    return {
        "nightshelf_version": nightshelf.__version__,
        "git_commit": git_commit(),
        "requirements_lock_sha256": sha256_of(PROJECT / "requirements.lock"),
    }


def git_commit() -> str:
    # A package unpacked inside somebody else's repository is not that repository's commit.
    if not (PROJECT / ".git").exists():
        return UNKNOWN
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    if not commit:
        return UNKNOWN
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    """What git prints; "" without git, or where it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
