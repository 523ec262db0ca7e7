"""A roll-back's aliases, in a real registry."""

from datetime import date
from pathlib import Path

import pytest

from nightshelf.errors import ModelError
from nightshelf.publishing.nights import PublishedNight
from nightshelf.publishing.roll_back import models_of
from nightshelf.storage import write_json
from tests.registry.conftest import ranked
from tests.registry.test_store import aliases


@pytest.fixture
def back_to(home, registry, tmp_path):
    """What moves the aliases to those of a night on which that version served."""

    def back_to(version: str | None, night: str = "2015-04-01"):
        told = {"tables": {}, "models": {"for_you": {"version": version}}}
        write_json(tmp_path / "manifest.json", told)
        target = PublishedNight(date.fromisoformat(night), 1, Path(tmp_path))
        return models_of(home, registry.shop)(target)

    return back_to


@pytest.fixture
def two(registry, add):
    """Versions 1 and 2 of two nights, promoted in turn."""
    for weight, night in ((1, "2015-04-01"), (2, "2015-04-02")):
        registry.promote("for_you", add(ranked(weight), night=night))


def test_the_version_that_served_is_champion_again_and_by_no_hand(registry, two, back_to):
    assert back_to("1")() == ["rec_for_you: version 1 is champion"]
    champion = registry.champion("for_you")
    assert (champion.version, champion.by_hand) == ("1", False)
    assert aliases(registry)["previous"] == 2


def test_done_twice_it_changes_nothing_more(registry, two, back_to):
    for _ in range(2):
        back_to("1")()
    assert aliases(registry)["champion"] == 1
    assert aliases(registry)["previous"] == 2


def test_where_a_baseline_served_a_later_champion_is_dismissed(registry, two, back_to):
    assert back_to(None)() == ["rec_for_you: no champion, since a baseline served that night"]
    assert registry.champion("for_you") is None


def test_where_a_baseline_served_a_champion_of_the_time_stays(registry, two, back_to):
    assert back_to(None, "2015-04-03")() == ["rec_for_you: version 2 is champion"]


def test_a_version_that_is_gone_is_refused_before_anything_moves(registry, two, back_to):
    with pytest.raises(ModelError, match="Version 7 of .* is not in the registry"):
        back_to("7")
    assert aliases(registry)["champion"] == 2


def test_a_version_that_was_changed_is_refused_before_anything_moves(registry, two, back_to):
    folder = registry.folder_of(registry.version("for_you", "1").source)
    next(folder.glob("*.npz")).write_bytes(b"other")
    with pytest.raises(ModelError):
        back_to("1")
    assert aliases(registry)["champion"] == 2
