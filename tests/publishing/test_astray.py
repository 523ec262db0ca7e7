"""What lies among published nights and is none, and pointers that lead readers nowhere, are found."""

from __future__ import annotations

import json
import shutil

import pytest

from nightshelf.errors import StorageError
from nightshelf.paths import Home
from nightshelf.publishing.nights import astray, current, damage, published
from nightshelf.publishing.roll_back import roll_back
from tests.support.published import furnish


@pytest.fixture
def shop(tmp_path):
    shop = Home(tmp_path).shop("shop")
    for name in ("2026-02-26/1", "2026-02-27/1"):
        furnish(shop, name, n=3)
    return shop


def back(shop, to):
    return roll_back(shop, to, lambda night: list, lambda again: [])


def test_whole_nights_with_their_pointer_have_nothing_astray(shop):
    assert astray(shop) == []


def test_a_night_whose_manifest_is_gone_is_named(shop):
    (shop.nights / "2026-02-26" / "1" / "manifest.json").unlink()
    (told,) = astray(shop)
    assert told.endswith("2026-02-26/1: has no manifest")


def test_the_night_that_readers_see_without_its_manifest_is_named_twice(shop):
    (shop.nights / "2026-02-27" / "1" / "manifest.json").unlink()
    folder, pointer = astray(shop)
    assert folder.endswith("has no manifest")
    assert pointer.endswith("which is no published night")


POINTERS = {
    "gone": (lambda shop: None, "is not there"),
    "a folder": (lambda shop: shutil.copytree(shop.nights / "2026-02-27/1", shop.current), "is no link"),
    "dangling": (lambda shop: shop.current.symlink_to("2026-03-09/1"), "which is not there"),
    "elsewhere": (lambda shop: _elsewhere(shop), "which is no published night"),
}  # fmt: skip


def _elsewhere(shop):
    shutil.copytree(shop.nights / "2026-02-27", shop.root / "2026-02-27")
    shop.current.symlink_to("../2026-02-27/1")


@pytest.mark.parametrize(("put", "told"), POINTERS.values(), ids=POINTERS)
def test_a_pointer_that_leads_to_no_published_night_is_told(shop, put, told):
    shop.current.unlink()
    put(shop)
    assert told in " ".join(astray(shop))


def test_nights_whose_folders_changed_places_are_damaged_and_not_gone_back_to(shop):
    one, other = (shop.nights / day / "1" for day in ("2026-02-26", "2026-02-27"))
    aside = shop.nights / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert [damage(night) for night in published(shop)] == [
        ["manifest.json: of night 2026-02-27/1, in the folder of another"],
        ["manifest.json: of night 2026-02-26/1, in the folder of another"],
    ]
    with pytest.raises(StorageError, match="is damaged"):
        back(shop, "2026-02-26")


@pytest.mark.parametrize("text", ["[]", '{"tables": {"rec_for_you.parquet": {}}}', "{}", "null"])
def test_a_manifest_of_another_shape_is_damage_and_no_traceback(shop, text):
    (shop.nights / "2026-02-26" / "1" / "manifest.json").write_text(text)
    (told,) = damage(published(shop)[0])
    assert "manifest.json" in told
    with pytest.raises(StorageError, match="is damaged"):
        back(shop, "2026-02-26")
    assert current(shop).name == "2026-02-27/1"


def test_a_folder_in_the_pointer_s_place_stops_a_roll_back_before_anything_moves(shop):
    shop.current.unlink()
    shop.current.mkdir()
    before = sorted(p.name for p in shop.nights.iterdir())
    with pytest.raises(StorageError, match="is a folder, where the link"):
        back(shop, "2026-02-26")
    assert sorted(p.name for p in shop.nights.iterdir()) == before
    assert json.loads((shop.nights / "2026-02-26/1/manifest.json").read_text())["attempt"] == 1
