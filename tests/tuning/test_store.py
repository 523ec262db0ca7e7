"""Versions of settings: who serves which night, who is to be judged, and what is never read."""

import os
from datetime import date
from pathlib import Path

import pytest

from nightshelf.errors import ModelError
from nightshelf.settings.models import ModelSettings
from nightshelf.storage import sha256_of
from nightshelf.tuning.store import FILE, Ruling

FILES = ModelSettings.of_files()
FIRST, SECOND, THIRD = ({"ials": {"factors": n}} for n in (8, 16, 32))
APRIL = [date(2015, 4, day) for day in range(1, 10)]
"""APRIL[0] is the night as of which versions are searched."""


def number(version) -> str | None:
    return version.number if version else None


def state(store, night: date) -> tuple[str | None, str | None]:
    """(who serves the night, whom it judges)."""
    return number(store.serving(night)), number(store.pending(night))


def of(store, version: str):
    return store.registry.client.get_model_version(store.registry.model_name("settings"), version)


def set_by_hand(store, version: str) -> None:
    name = store.registry.model_name("settings")
    store.registry.client.set_registered_model_alias(name, "champion", version)


@pytest.fixture
def judged(store, tmp_path):
    def judged(version, night, replaced="", verdict="promoted", part=None, why="as it was told"):
        ruling = Ruling(verdict, why, part)
        return store.judge(version, night, replaced, ruling, tmp_path / f"held_{night}")

    return judged


# ------------------------------------------------------------------ who serves, who is judged


def test_a_find_serves_nobody_and_is_judged_by_the_next_night(store, add):
    add(FIRST)
    assert state(store, APRIL[1]) == (None, "1")
    assert store.champion() is None


def test_a_find_is_judged_by_no_night_whose_window_the_search_saw(store, add):
    add(FIRST, night="2015-04-05")
    assert state(store, date(2015, 4, 4)) == (None, None)
    assert state(store, date(2015, 4, 5)) == (None, "1")


def test_a_promoted_find_serves_from_the_next_night_on(store, add, judged):
    assert judged(add(FIRST), APRIL[1]) == ("promoted", "as it was told")
    assert state(store, APRIL[1]) == (None, None)
    assert state(store, APRIL[2]) == ("1", None)


def test_a_night_run_again_goes_by_what_served_then(store, add, judged):
    judged(add(FIRST), APRIL[1])
    judged(add(SECOND, "2015-04-02"), APRIL[3], replaced="1")
    assert [state(store, night)[0] for night in APRIL[1:6]] == [None, "1", "1", "2", "2"]


def test_a_refused_find_leaves_the_settings_and_is_not_judged_again(store, add, judged):
    assert judged(add(FIRST), APRIL[1], verdict="refused")[0] == "refused"
    assert state(store, APRIL[2]) == (None, None)
    assert of(store, "1").tags["verdict"] == "refused"


def test_the_verdict_stands_in_tags_and_above_the_description(store, add, judged):
    judged(add(FIRST), APRIL[1])
    version = of(store, "1")
    assert {"verdict": "promoted", "why": "as it was told", "judged_on": "2015-04-02"}.items() <= (
        version.tags.items()
    )
    assert version.description == (
        "**Promoted** by the night of 2015-04-02: as it was told.\n\nFound by a search."
    )


def test_a_find_that_is_there_already_adds_no_version(store, add):
    assert [add(FIRST), add(FIRST), add(FIRST, "2015-04-08")] == ["1", "1", "2"]


def test_a_newer_find_takes_the_place_of_one_that_nobody_judged(store, add):
    add(FIRST)
    add(SECOND)
    assert state(store, APRIL[1]) == (None, "2")


def test_what_held_in_part_is_a_version_of_its_own(store, add, judged):
    judged(add(FIRST), APRIL[1])
    both = {"ials": {"factors": 16}, "svd": {"factors": 16}}
    second = add(both, "2015-04-02")
    part = store.without(second, ["ials"], "1")
    assert part == {"svd": {"factors": 16}, "ials": {"factors": 8}}
    assert judged(second, APRIL[2], "1", "in part", part)[0] == "in part"
    assert [state(store, night) for night in APRIL[2:4]] == [("1", None), ("3", None)]
    assert store.load(store.champion(), FILES)[1] == part
    verdicts = {n: of(store, n).tags["verdict"] for n in ("2", "3")}
    assert verdicts == {"2": "in part", "3": "promoted"}
    assert of(store, "3").tags["part_of"] == "2"


def test_without_a_version_before_what_did_not_hold_is_the_files(store, add):
    add({"ials": {"factors": 16}, "svd": {"factors": 16}})
    assert store.without("1", ["ials"], "") == {"svd": {"factors": 16}}


def test_a_verdict_in_part_that_was_cut_short_is_completed(store, add, judged, monkeypatch):
    version = add({"ials": {"factors": 16}, "svd": {"factors": 16}})
    for cut_at in ("_tell", "_describe"):
        with monkeypatch.context() as cut:
            cut.setattr(store, cut_at, lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                judged(version, APRIL[1], "", "in part", FIRST)
    assert judged(version, APRIL[1], "", "in part", FIRST)[0] == "in part"
    assert number(store.champion()) == "2"
    assert {n: of(store, n).tags["verdict"] for n in "12"} == {"1": "in part", "2": "promoted"}


# ------------------------------------------------------------------ again, meanwhile, by hand


def test_a_verdict_is_given_once(store, add, judged):
    version = add(FIRST)
    judged(version, APRIL[1], verdict="refused")
    assert judged(version, APRIL[2], why="another word") == ("refused", "as it was told")
    assert store.champion() is None


def test_a_verdict_that_was_cut_short_is_completed(store, add, judged, monkeypatch):
    version = add(FIRST)
    with monkeypatch.context() as cut:
        cut.setattr(store, "_describe", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            judged(version, APRIL[1])
    assert number(store.champion()) == version
    # Not even the half of it serves the night that was cut short.
    assert store.serving(APRIL[1]) is None
    assert judged(version, APRIL[1])[0] == "promoted"
    assert of(store, version).tags["verdict"] == "promoted"


def test_a_promotion_whose_verdict_was_cut_short_is_no_challenger_of_itself(store, add, judged):
    add(FIRST)
    judged("1", APRIL[1])
    name = store.registry.model_name("settings")
    store.registry.client.delete_model_version_tag(name, "1", "verdict")
    store.registry.client.set_registered_model_alias(name, "challenger", "1")
    assert state(store, APRIL[2]) == ("1", None)
    assert of(store, "1").tags["verdict"] == "promoted"
    assert state(store, APRIL[1]) == (None, None)
    assert store.registry.aliased("settings", "challenger") is None


def test_what_is_champion_is_no_challenger_and_a_find_made_meanwhile_stays_one(store, add, judged):
    judged(add(FIRST), APRIL[1])
    assert store.registry.aliased("settings", "challenger") is None
    second, third = add(SECOND), add(THIRD)
    judged(second, APRIL[2], replaced="1")
    assert number(store.champion()) == second
    assert store.registry.aliased("settings", "challenger").version == int(third)


def test_a_version_that_says_it_replaced_itself_ends_the_history(store, add, judged):
    add(FIRST)
    judged("1", APRIL[1])
    name = store.registry.model_name("settings")
    store.registry.client.set_model_version_tag(name, "1", "replaced", "1")
    assert store.serving(APRIL[1]) is None


def test_an_alias_that_moves_meanwhile_is_left_alone_and_the_find_waits(store, add, judged):
    first, second = add(FIRST), add(SECOND)
    set_by_hand(store, first)
    verdict, why = judged(second, APRIL[1])
    assert (verdict, number(store.champion())) == ("", "1")
    assert "was moved meanwhile" in why
    assert "verdict" not in of(store, second).tags


def test_a_champion_set_by_hand_serves_every_night_and_nothing_is_judged(store, add, judged):
    judged(add(FIRST), APRIL[1])
    judged(add(SECOND), APRIL[2], replaced="1")
    set_by_hand(store, "1")
    add(THIRD)
    assert [state(store, night) for night in (APRIL[0], APRIL[5])] == [("1", None), ("1", None)]


def test_a_deleted_alias_gives_the_shop_back_to_the_files(store, add, judged):
    judged(add(FIRST), APRIL[1])
    name = store.registry.model_name("settings")
    store.registry.client.delete_registered_model_alias(name, "champion")
    assert state(store, APRIL[5]) == (None, None)


def test_a_version_that_somebody_deleted_is_not_judged(store, add, judged):
    version = add(FIRST)
    name = store.registry.model_name("settings")
    store.registry.client.delete_model_version(name, version)
    verdict, why = judged(version, APRIL[1])
    assert verdict == ""
    assert "deleted" in why


# ------------------------------------------------------------------ what is read, and what never is


def place(store, version: str) -> Path:
    return Path(of(store, version).source.removeprefix("file://")) / FILE


def loaded(store):
    return store.load(store._aliased("challenger"), FILES)


def test_a_version_lies_over_the_files(store, add):
    add({"ials": {"factors": 8}, "logistic": {"c": 2.0}})
    settings, changes = loaded(store)
    assert settings.differ(FILES) == ["ials", "logistic"]
    assert (settings["ials"].factors, settings.ranker.logistic.c) == (8, 2.0)
    assert settings["ials"].regularization == FILES["ials"].regularization
    assert changes == {"ials": {"factors": 8}, "logistic": {"c": 2.0}}


def test_a_file_that_was_touched_is_refused(store, add):
    path = place(store, add(FIRST))
    path.write_text(path.read_text() + " ")
    with pytest.raises(ModelError, match="sha256 is"):
        loaded(store)


def test_a_file_that_is_gone_or_a_link_is_refused(store, add, tmp_path):
    path = place(store, add(FIRST))
    path.rename(tmp_path / "elsewhere.toml")
    with pytest.raises(ModelError, match="cannot be read"):
        loaded(store)
    os.symlink(tmp_path / "elsewhere.toml", path)
    with pytest.raises(ModelError, match="cannot be read"):
        loaded(store)


def claimed(store, source: str, sha256: str) -> None:
    """A version that somebody registered without us."""
    name = store.registry.model_name("settings")
    made = store.registry.client.create_model_version(
        name, source, tags={"settings_sha256": sha256, "night": "2015-04-01"}
    )
    store.registry.client.set_registered_model_alias(name, "challenger", made.version)


def test_a_file_outside_the_shop_s_artefacts_is_refused(store, add, tmp_path):
    add(FIRST)
    (tmp_path / FILE).write_text("[ials]\nfactors = 8\n")
    claimed(store, tmp_path.as_uri(), sha256_of(tmp_path / FILE))
    with pytest.raises(ModelError, match="is not among the artefacts"):
        loaded(store)


STRANGE = {
    "[ials]\nfactors_of_old = 8\n": "unknown key factors_of_old",
    "[a_model_of_old]\nx = 8\n": "unknown model a_model_of_old",
    '[ials]\nfactors = "os.system"\n': "must be int",
    "[ials]\nfactors = -1\n": "must be",
    "ials = 3\n": "no set of settings",
    "[ials": "no set of settings",
}


@pytest.mark.parametrize("text", STRANGE)
def test_what_today_s_models_do_not_know_is_refused(store, add, text):
    path = place(store, add(FIRST))
    path.write_text(text)
    claimed(store, path.parent.as_uri(), sha256_of(path))
    with pytest.raises(ModelError, match=STRANGE[text]):
        loaded(store)
