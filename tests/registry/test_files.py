"""A recipe is read back as it was written, or not at all; and nothing in it is ever run."""

import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from nightshelf.errors import ModelError
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.registry import files, read_recipe, write_recipe
from nightshelf.storage import sha256_of
from tests.support.rankers import logistic_ranker

RECIPE = Recipe("all", RANKER, logistic_ranker(1))


@pytest.fixture
def written(tmp_path):
    return write_recipe(RECIPE, tmp_path)


def said_anew(folder, **changes) -> str:
    """recipe.json with other content, as somebody who may write the registry's tags could have it;
    its sha256."""
    path = folder / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return sha256_of(path)


def with_arrays(folder, content: bytes) -> str:
    """The same for ranker.npz."""
    (folder / "ranker.npz").write_bytes(content)
    return said_anew(folder, ranker_sha256=sha256_of(folder / "ranker.npz"))


def test_a_recipe_comes_back_as_it_was_written(written):
    found = read_recipe(*written)
    assert found.fingerprint() == RECIPE.fingerprint()
    assert found.score(None, np.eye(2)).tolist() == RECIPE.score(None, np.eye(2)).tolist()


def test_a_single_source_s_recipe_is_one_file(tmp_path):
    folder, sha256 = write_recipe(Recipe("new", "svd"), tmp_path)
    assert [p.name for p in folder.iterdir()] == ["recipe.json"]
    assert read_recipe(folder, sha256).source == "svd"


# ------------------------------------------------------------------ touched


def test_a_recipe_without_its_file_is_refused(written):
    shutil.rmtree(written[0])
    with pytest.raises(ModelError, match="recipe.json cannot be read"):
        read_recipe(*written)


def test_a_recipe_that_was_touched_is_refused(written):
    path = written[0] / "recipe.json"
    path.write_text(path.read_text().replace('"all"', '"new"'))
    with pytest.raises(ModelError, match="sha256 is .*, the registry says"):
        read_recipe(*written)


def test_a_recipe_that_the_registry_has_no_sha256_of_is_refused(written):
    with pytest.raises(ModelError, match="the registry says nothing"):
        read_recipe(written[0], "")


def test_ranker_arrays_that_were_touched_are_refused(written):
    path = written[0] / "ranker.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="ranker.npz: sha256 is"):
        read_recipe(*written)


def test_another_model_under_the_same_name_is_refused(written, tmp_path):
    other, _ = write_recipe(Recipe("all", RANKER, logistic_ranker(3)), tmp_path / "other")
    shutil.copy(other / "ranker.npz", written[0] / "ranker.npz")
    with pytest.raises(ModelError, match="ranker.npz: sha256 is"):
        read_recipe(*written)


def test_another_model_that_recipe_json_was_made_to_name_is_refused(written, tmp_path):
    other, _ = write_recipe(Recipe("all", RANKER, logistic_ranker(3)), tmp_path / "other")
    sha256 = with_arrays(written[0], (other / "ranker.npz").read_bytes())
    with pytest.raises(ModelError, match="the model's content is not what it says"):
        read_recipe(written[0], sha256)


# ------------------------------------------------------------------ not plain files of their size


@pytest.mark.parametrize("name", ["recipe.json", "ranker.npz", "examined.npz"])
def test_a_symlink_is_not_followed_even_to_the_right_content(written, tmp_path, name):
    path, aside = written[0] / name, tmp_path / "aside"
    shutil.move(path, aside)
    path.symlink_to(aside)
    with pytest.raises(ModelError, match=f"{name} cannot be read"):
        read_recipe(*written)


@pytest.mark.parametrize("name", ["recipe.json", "ranker.npz", "examined.npz"])
def test_a_pipe_is_not_waited_for(written, name):
    path = written[0] / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError, match=f"{name} is no plain file"):
        read_recipe(*written)


@pytest.mark.parametrize("name", ["recipe.json", "ranker.npz", "examined.npz"])
def test_a_folder_is_no_file(written, name):
    (written[0] / name).unlink()
    (written[0] / name).mkdir()
    with pytest.raises(ModelError, match=name):
        read_recipe(*written)


@pytest.mark.parametrize("limit", ["MAX_RECIPE_BYTES", "MAX_RANKER_BYTES"])
def test_a_file_larger_than_its_bound_is_not_read(written, monkeypatch, limit):
    monkeypatch.setattr(files, limit, 50)
    with pytest.raises(ModelError, match="is larger than 50 bytes"):
        read_recipe(*written)


def test_a_huge_file_costs_no_more_memory_than_its_bound(written):
    with (written[0] / "recipe.json").open("r+b") as file:
        file.truncate(1 << 40)  # sparse: no disk is used
    with pytest.raises(ModelError, match="is larger than 1,000,000 bytes"):
        read_recipe(*written)


# ------------------------------------------------------------------ hostile, and known by sha256


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '"ranker"', "{}", "not json", "\xff", "[" * 100_000, '{"source": NaN}'],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_recipe_is_refused(written, text):
    path = written[0] / "recipe.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match="is no recipe"):
        read_recipe(written[0], sha256_of(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"view": "everything"},
        {"view": ["all"]},
        {"source": 7},
        {"source": {"a": 1}},
        {"fingerprint": None},
        {"ranker_sha256": 1},
    ],
    ids=repr,
)
def test_a_recipe_with_a_strange_value_is_refused(written, changes):
    sha256 = said_anew(written[0], **changes)
    with pytest.raises(ModelError, match=r"is no recipe|is not what it says"):
        read_recipe(written[0], sha256)


def test_an_npz_that_carries_a_pickle_is_refused_unopened(written, tmp_path):
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    hold = io.BytesIO()
    np.savez(hold, mean=np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match="not an .npz of plain arrays"):
        read_recipe(written[0], with_arrays(written[0], hold.getvalue()))
    assert not marker.exists()


def test_a_pickle_in_place_of_an_npz_is_refused_unopened(written, tmp_path):
    import pickle

    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    with pytest.raises(ModelError, match="no zip file"):
        read_recipe(written[0], with_arrays(written[0], pickle.dumps(Bomb())))
    assert not marker.exists()


def zipped(compression: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    hold = io.BytesIO()
    with zipfile.ZipFile(hold, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return hold.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624,)}"
ZEROS = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000,)}"
CODE = "__import__('os').system('touch never')"


@pytest.mark.parametrize(
    "content",
    [
        b"PK",
        zipped(mean=b"no array"),
        zipped(mean=npy(HUGE)),
        zipped(mean=npy(CODE)),
        zipped(mean=npy("{'descr': 'O', 'fortran_order': False, 'shape': (1,)}", b"cos\nsystem")),
        zipped(mean=npy("(" * 100)),
    ],
    ids=["torn", "text", "more than memory", "code", "objects", "nested"],
)
def test_hostile_arrays_are_refused(written, content):
    with pytest.raises(ModelError, match="not an .npz of plain arrays"):
        read_recipe(written[0], with_arrays(written[0], content))


def test_arrays_that_unfold_are_refused_before_they_do(written):
    content = zipped(zipfile.ZIP_DEFLATED, mean=npy(ZEROS, bytes(8_000_000)))
    with pytest.raises(ModelError, match="bytes that unfold to 8,000,128"):
        read_recipe(written[0], with_arrays(written[0], content))


@pytest.mark.parametrize(
    "change",
    [
        {"kinds_bytes": np.frombuffer(b"logistix", dtype=np.uint8)},
        {"calibration": np.zeros(3)},
        {"member0_coefficients": np.array(["a", "b"])},
        {"member0_coefficients": np.array([np.nan, 1.0])},
        {"features_bytes": np.frombuffer(b"\xff\xff", dtype=np.uint8)},
        {"weights": np.zeros((2, 2))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_are_no_ranker_are_refused(written, tmp_path, change):
    arrays = RECIPE.ranker.arrays() | change
    np.savez(tmp_path / "strange.npz", **arrays)
    sha256 = with_arrays(written[0], (tmp_path / "strange.npz").read_bytes())
    with pytest.raises(ModelError, match="holds no ranker"):
        read_recipe(written[0], sha256)


# ------------------------------------------------------------------ what other loaders would run


class Bomb:
    """Runs when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (self.marker.touch, ())


def pickled(marker) -> bytes:
    import pickle

    return pickle.dumps(Bomb(marker))


def cloudpickled(marker) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(lambda: Bomb(marker)) + cloudpickle.dumps(Bomb(marker))


def as_skops(marker) -> bytes:
    """skops' format: a zip with a schema.json that names a class, and a pickle in it."""
    schema = {
        "__class__": "Path",
        "__module__": "pathlib",
        "__loader__": "ReduceNode",
        "content": {},
    }
    hold = io.BytesIO()
    with zipfile.ZipFile(hold, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        archive.writestr("0.pkl", pickled(marker))
    return hold.getvalue()


def as_npz_of_objects(marker) -> bytes:
    hold = io.BytesIO()
    np.savez(hold, mean=np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    return hold.getvalue()


def as_overlapping_zip(marker) -> bytes:
    """Many entries of the directory over one stored array: a zip bomb without compression."""
    one = zipped(mean=npy(ZEROS, bytes(8_000_000)))
    start = one.rindex(b"PK\x01\x02")
    end = one.rindex(b"PK\x05\x06")
    entry = one[start:end]
    directory = b"".join(entry.replace(b"mean", f"m{n:03}".encode()) for n in range(500))
    tail = bytearray(one[end:])
    tail[8:12] = (500).to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    return one[:start] + directory + bytes(tail)


EVIL = [pickled, cloudpickled, as_skops, as_npz_of_objects, as_overlapping_zip]


@pytest.mark.parametrize("make", EVIL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["ranker.npz", "recipe.json"])
def test_an_artefact_of_another_kind_neither_runs_nor_loads(written, tmp_path, make, name):
    """Known by its sha256, as somebody who may write the registry could have it."""
    marker = tmp_path / "ran"
    content = make(marker)
    if name == "ranker.npz":
        sha256 = with_arrays(written[0], content)
    else:
        (written[0] / name).write_bytes(content)
        sha256 = sha256_of(written[0] / name)
    with pytest.raises(ModelError):
        read_recipe(written[0], sha256)
    assert not marker.exists()


def test_files_beside_a_recipe_are_not_looked_at(written, tmp_path):
    """An MLmodel that names its own loader, the code for it, and pickles where MLflow looks for them."""
    marker, folder = tmp_path / "ran", written[0]
    code = f"open({str(marker)!r}, 'w')\n"
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n    python_version: 3.11\n"
    )
    (folder / "code").mkdir()
    for path in ("evil.py", "code/evil.py", "code/__init__.py", "sitecustomize.py"):
        (folder / path).write_text(code)
    for path, make in (
        ("model.pkl", pickled),
        ("python_model.pkl", cloudpickled),
        ("model.skops", as_skops),
    ):
        (folder / path).write_bytes(make(marker))
    assert read_recipe(*written).fingerprint() == RECIPE.fingerprint()
    assert not marker.exists()
