"""What an attempt begins with, and the verdict on the challenger that it was given."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nightshelf.candidates import save_npz
from nightshelf.errors import StorageError
from nightshelf.pinned.settings import pin, pinned
from nightshelf.settings.models import ModelSettings
from nightshelf.tuning.store import FILE
from nightshelf.tuning.verdict import judge_settings

FILES = ModelSettings.of_files()
FIRST, SECOND = {"ials": {"factors": 8}}, {"ials": {"factors": 16}}


@pytest.fixture
def begin(home, store):
    """Begins attempts at nights of a shop that has been searched."""
    shop = home.shop(store.registry.shop)
    shop.root.mkdir(parents=True, exist_ok=True)
    shop.tuned.write_text("{}")

    def begin(day: int, number: int = 1):
        attempt = shop.attempt(date(2015, 4, day), number)
        return attempt, pin(home, store.registry.shop, attempt)

    return begin


def examined(attempt, gain: float, n: int = 50) -> None:
    """As if `train` had tried ials in one view."""
    now = np.linspace(0.1, 0.5, n)
    tried = {"ials/all/now": now, "ials/all/then": now + gain}
    save_npz(attempt.models / "tried.npz", tried)


def damage(store, number: str) -> None:
    name = store.registry.model_name("settings")
    source = store.registry.client.get_model_version(name, number).source
    path = Path(source.removeprefix("file://")) / FILE
    path.write_text(path.read_text() + " ")


def test_an_attempt_keeps_what_it_began_with(begin, store, add):
    add(FIRST)
    attempt, going_by = begin(2)
    examined(attempt, 0.1)
    judge_settings(store.registry, attempt)
    assert pinned(attempt) == going_by
    assert (going_by.settings, going_by.tried["ials"].factors) == (FILES, 8)


def test_the_next_attempt_goes_by_what_was_promoted(begin, store, add):
    add(FIRST)
    attempt, _ = begin(2)
    examined(attempt, 0.1)
    assert judge_settings(store.registry, attempt).verdict == "promoted"
    _, after = begin(3)
    assert (after.version, after.settings["ials"].factors) == ("1", 8)
    assert after.told()["settings_of"] == "version 1 over ml/config"


def test_what_is_surely_worse_is_refused(begin, store, add):
    add(FIRST)
    attempt, _ = begin(2)
    examined(attempt, -0.05)
    judged = judge_settings(store.registry, attempt)
    assert (judged.verdict, judged.held) == ("refused", ())
    assert judged.why.startswith("did not hold: ials (all) -0.0500 [")
    assert begin(3)[1].settings == FILES


def test_where_nobody_could_be_examined_the_find_waits(begin, store, add):
    add(FIRST)
    attempt, _ = begin(2)
    judged = judge_settings(store.registry, attempt)
    assert judged.told == "settings version 1 left for a later night"
    assert begin(3)[1].challenger.version == "1"


def test_what_is_so_already_is_refused(begin, store, add):
    add({"ials": {"factors": FILES["ials"].factors}})
    attempt, _ = begin(2)
    assert judge_settings(store.registry, attempt).why == "it says nothing that is not so already"


def test_a_damaged_champion_gives_way_to_a_find_that_holds(begin, store, add):
    add(FIRST)
    attempt, _ = begin(2)
    examined(attempt, 0.1)
    judge_settings(store.registry, attempt)
    damage(store, "1")
    add(SECOND)
    attempt, going_by = begin(3)
    assert (going_by.settings, going_by.version) == (FILES, "")
    assert going_by.warning.startswith("settings version 1 is refused, so ml/config serves: ")
    assert "settings_warning" in going_by.told()
    examined(attempt, 0.1)
    assert judge_settings(store.registry, attempt).verdict == "promoted"
    assert begin(4)[1].version == "2"


def test_a_damaged_find_is_refused_with_the_reason(begin, store, add):
    add(FIRST)
    damage(store, "1")
    attempt, going_by = begin(2)
    assert (going_by.tried, going_by.changed) == (None, [])
    judged = judge_settings(store.registry, attempt)
    assert judged.verdict == "refused"
    assert "sha256 is" in judged.why
    assert begin(3)[1].challenger is None


def test_settings_that_were_touched_end_the_attempt(begin):
    attempt, _ = begin(2)
    path = attempt.models / "settings.toml"
    path.write_text(path.read_text().replace("factors = 64", "factors = 65", 1))
    with pytest.raises(StorageError, match="is not what this attempt was begun with"):
        pinned(attempt)


def test_an_attempt_that_began_without_settings_goes_by_the_files(begin, home, store):
    attempt = home.shop(store.registry.shop).attempt(date(2015, 4, 2), 9)
    assert pinned(attempt).settings == FILES
