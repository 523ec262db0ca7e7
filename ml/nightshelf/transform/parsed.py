"""dbt's parse of the project, kept from night to night.

Parsing takes 3 s, reading what was parsed .2 s. dbt keeps a parse of its own, but lets it go whenever a
variable or the database's path differs, as they do every night. What is parsed hangs on neither: both
are read when a model is compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshelf.paths import PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

DBT_PROJECT = PROJECT / "dbt_project"
OF_THE_NIGHT = ("night", "as_ofs")
"""Variables that stand in SQL alone: which models there are, and what they read, is the same without."""
SEAL_BYTES = 32
KEPT = 8
"""Parses in the folder: a shop has one for each set of its settings, 3 MB each."""


def parsed(folder: Path, variables: Mapping[str, Any], arguments: Sequence[str]) -> Manifest:
    """The project as dbt understands it under `variables`. Anew where it is not in `folder`; a parse
    that cannot be read is none. `arguments` are dbt's, less the command.

    Raises what dbt raises about a project that it cannot read.
    """
    key = key_of(variables)
    path = folder / f"{key}.msgpack"
    return _read(path, key) or _written(path, key, _parse(arguments))


def key_of(variables: Mapping[str, Any]) -> str:
    """sha256 over all that a parse hangs on: the project's files, variables, dbt's versions; no night."""
    told = {name: value for name, value in variables.items() if name not in OF_THE_NIGHT}
    packages = {name: version(name) for name in ("dbt-core", "dbt-duckdb", "dbt-adapters")}
    hangs_on = json.dumps([told, packages, project_sha256()], sort_keys=True)
    return hashlib.sha256(hangs_on.encode()).hexdigest()


def project_sha256() -> str:
    """Over the names and contents of the project's files."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(f"\0{path.relative_to(DBT_PROJECT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _files() -> list[Path]:
    kinds = {".sql", ".yml", ".py", ".md", ".csv"}
    found = (p for p in DBT_PROJECT.rglob("*") if p.suffix in kinds)
    made = (DBT_PROJECT / "target", DBT_PROJECT / "logs")
    return sorted(p for p in found if not any(p.is_relative_to(folder) for folder in made))


def _read(path: Path, key: str) -> Manifest | None:
    """None where it is not, to the last byte, what was written for that key."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    seal, parse = content[:SEAL_BYTES], content[SEAL_BYTES:]
    if seal != _seal(key, parse):
        return None
    return Manifest.from_msgpack(parse, decoder=extended_mashumuro_decoder)


def _seal(key: str, parse: bytes) -> bytes:
    return hashlib.sha256(key.encode() + parse).digest()


def _parse(arguments: Sequence[str]) -> Manifest:
    from dbt.cli.main import dbtRunner

    result = dbtRunner().invoke(["parse", *arguments, "--no-partial-parse", "--no-write-json"])
    if result.exception is not None:
        raise result.exception
    return result.result


def _written(path: Path, key: str, manifest: Manifest) -> Manifest:
    """Keeps it, and returns it. A folder that cannot be written costs 3 s a night, and nothing else."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    incoming = path.with_suffix(f".{os.getpid()}.incoming")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parse = manifest.to_msgpack(extended_mashumaro_encoder)
        incoming.write_bytes(_seal(key, parse) + parse)
        incoming.replace(path)
        _thin_out(path.parent)
    except OSError:
        with suppress(OSError):
            incoming.unlink(missing_ok=True)
    return manifest


def _thin_out(folder: Path) -> None:
    by_age = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-KEPT]:
        path.unlink(missing_ok=True)
