"""A recipe as files: recipe.json, and for a ranker ranker.npz, and its twin as examined.npz. Read back
only as what was written.

Each file is read once, and what was hashed is what is parsed. Nothing is followed (no symlink),
waited for (no pipe), or larger than a bound; nothing in a file can name code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nightshelf.candidates import save_npz
from nightshelf.candidates.files import parse_npz, read_bounded
from nightshelf.errors import ModelError
from nightshelf.evaluation import View
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.storage import sha256_of, write_json

AGAIN = "Roll back to another version, or promote a new model; this one cannot be trusted."
RANKERS = ("ranker", "examined")
"""Files of a ranker: what serves, and its twin."""
MAX_RECIPE_BYTES = 1_000_000
"""A recipe.json names some fifty features: a few kB."""
MAX_RANKER_BYTES = 256_000_000
"""A ranker of 30 features is 2 kB, a thousand trees some 10 MB."""


def write_recipe(recipe: Recipe, folder: Path) -> tuple[Path, str]:
    """Writes the recipe into a folder of its own below `folder`; returns it and recipe.json's sha256."""
    path = folder / f"{recipe.view}_{recipe.source}"
    path.mkdir(parents=True, exist_ok=True)
    content = {"view": recipe.view, "source": recipe.source, "fingerprint": recipe.fingerprint()}
    for name, ranker in zip(RANKERS, (recipe.ranker, recipe.as_examined.ranker), strict=True):
        if ranker is not None:
            content[f"{name}_sha256"] = save_npz(path / f"{name}.npz", ranker.arrays())
            content["features"] = list(ranker.features)
    write_json(path / "recipe.json", content)
    return path, sha256_of(path / "recipe.json")


def read_recipe(folder: Path, sha256: str) -> Recipe:
    """The recipe in `folder`, if it is the one that was written. Raises ModelError otherwise."""
    path = folder / "recipe.json"
    content = _told(path, whole(path, sha256, MAX_RECIPE_BYTES))
    rankers = []
    for name in RANKERS if content["source"] == RANKER else ():
        arrays = folder / f"{name}.npz"
        rankers.append(_ranker(arrays, whole(arrays, content[f"{name}_sha256"], MAX_RANKER_BYTES)))
    recipe = Recipe(content["view"], content["source"], *rankers)
    if recipe.fingerprint() != content["fingerprint"]:
        raise ModelError(f"{path}: the model's content is not what it says.", AGAIN)
    return recipe


def whole(path: Path, sha256: str, limit: int) -> bytes:
    """The file's bytes, if their sha256 is as expected."""
    content = read_bounded(path, limit, AGAIN)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path}: sha256 is {found}, the registry says {sha256 or 'nothing'}.", AGAIN
        )
    return content


def _told(path: Path, text: bytes) -> dict[str, Any]:
    """What recipe.json says, every key of the right kind."""
    try:
        content = json.loads(text)
        wanted = ("view", "source", "fingerprint")
        wanted += tuple(f"{n}_sha256" for n in RANKERS) if content["source"] == RANKER else ()
        strange = [key for key in wanted if not isinstance(content[key], str)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is no recipe: {error!r}", AGAIN) from None
    if strange or content["view"] not in get_args(View):
        raise ModelError(f"{path} is no recipe: its {(*strange, 'view')[0]} is strange.", AGAIN)
    return content


def _ranker(path: Path, content: bytes) -> Ranker:
    """The ranker, if it can score a row of as many features as it names."""
    arrays = parse_npz(content, path)
    try:
        ranker = Ranker.from_arrays(arrays)
        scores = ranker.score(np.zeros((1, len(ranker.needs)), dtype=np.float32))
        if scores.shape != (1,) or not np.isfinite(scores).all():
            raise ValueError(f"it scores a row as {scores}")
    except ModelError:
        raise
    except Exception as error:  # whatever arrays of another shape or kind make it stumble over
        raise ModelError(f"{path} holds no ranker: {error!r}", AGAIN) from None
    return ranker
