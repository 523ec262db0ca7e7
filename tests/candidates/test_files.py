import hashlib
import os

import numpy as np
import pytest

from nightshelf.candidates import files, fingerprint, load_npz, save_npz
from nightshelf.errors import ModelError, StorageError

ARRAYS = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.ones(2, dtype=np.float32)}


def test_equal_arrays_give_equal_files(tmp_path):
    shas = [
        save_npz(tmp_path / "1.npz", ARRAYS),
        save_npz(tmp_path / "2.npz", dict(reversed(ARRAYS.items()))),
    ]
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert shas == [hashlib.sha256((tmp_path / "1.npz").read_bytes()).hexdigest()] * 2


def test_what_is_saved_is_loaded(tmp_path):
    sha256 = save_npz(tmp_path / "m.npz", ARRAYS)
    loaded = load_npz(tmp_path / "m.npz", sha256)
    assert fingerprint(loaded) == fingerprint(ARRAYS)
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


@pytest.mark.parametrize(
    "other",
    [
        {"a": ARRAYS["a"]},
        {"c": ARRAYS["a"], "b": ARRAYS["b"]},
        {**ARRAYS, "a": ARRAYS["a"].reshape(3, 2)},
        {**ARRAYS, "a": ARRAYS["a"].view(np.uint32)},
        {**ARRAYS, "a": ARRAYS["a"] + 1},
    ],
)
def test_a_fingerprint_sees_names_types_shapes_and_values(other):
    assert fingerprint(other) != fingerprint(ARRAYS)


def test_a_file_with_one_byte_changed_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    sha256 = save_npz(path, ARRAYS)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="sha256 is .* expected"):
        load_npz(path, sha256)


def pickled(path):
    np.savez(path, a=np.array([{"x": 1}], dtype=object))


def text(path):
    path.write_text("not a zip")


def truncated(path):
    save_npz(path, ARRAYS)
    path.write_bytes(path.read_bytes()[:100])


def npy(path):
    with path.open("wb") as file:
        np.save(file, ARRAYS["a"])


@pytest.mark.parametrize("write", [pickled, text, truncated, npy])
def test_anything_but_plain_arrays_is_refused(tmp_path, write):
    path = tmp_path / "m.npz"
    write(path)
    with pytest.raises(ModelError, match="not an .npz of plain arrays"):
        load_npz(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="gone.npz"):
        load_npz(tmp_path / "gone.npz", "0")


def test_objects_are_not_saved(tmp_path):
    with pytest.raises(ModelError, match="array ids has dtype object"):
        save_npz(tmp_path / "m.npz", {"ids": np.array(["x"], dtype=object)})
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_named(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        save_npz(tmp_path / "absent" / "m.npz", ARRAYS)


def test_a_file_larger_than_its_bound_is_not_read(tmp_path, monkeypatch):
    sha256 = save_npz(tmp_path / "m.npz", ARRAYS)
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="is larger than 100 bytes"):
        load_npz(tmp_path / "m.npz", sha256)


def test_a_symlink_and_a_pipe_are_no_models(tmp_path):
    sha256 = save_npz(tmp_path / "m.npz", ARRAYS)
    (tmp_path / "link.npz").symlink_to(tmp_path / "m.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    for name in ("link.npz", "pipe.npz"):
        with pytest.raises(ModelError, match=name):
            load_npz(tmp_path / name, sha256)
