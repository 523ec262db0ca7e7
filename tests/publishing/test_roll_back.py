"""Back to an older night: checked first, moved together, and not undone by a retry."""

import pytest

from nightshelf.errors import ModelError, SettingsError, StorageError
from nightshelf.publishing.nights import current, published
from nightshelf.publishing.publish import _point
from nightshelf.publishing.roll_back import roll_back
from nightshelf.publishing.withdrawn import withdrawn

NIGHTS = ("2017-11-30/1", "2017-12-01/1", "2017-12-01/2")


@pytest.fixture
def three(put_out):
    return [put_out(name) for name in NIGHTS]


def models(night):
    """A registry that always agrees."""
    return lambda: [f"models of {night.name}"]


def test_without_a_target_it_leads_to_what_was_published_before(shop, three):
    done = roll_back(shop, None, models)
    assert current(shop).name == done.target.name == "2017-12-01/1"
    assert (done.before.name, [n.name for n in done.withdrawn]) == (
        "2017-12-01/2",
        ["2017-12-01/2"],
    )
    assert done.told == ["models of 2017-12-01/1"]


def test_twice_leads_two_back(shop, three):
    for _ in range(2):
        roll_back(shop, None, models)
    assert current(shop).name == "2017-11-30/1"
    with pytest.raises(SettingsError, match="No night was published before 2017-11-30/1"):
        roll_back(shop, None, models)


@pytest.mark.parametrize(("to", "found"), [("2017-12-01", 2), ("2017-12-01/1", 1)])
def test_a_night_by_name_is_its_newest_attempt_or_the_one_named(shop, put_out, three, to, found):
    put_out("2017-12-02/1")
    assert roll_back(shop, to, models).target.attempt == found


@pytest.mark.parametrize(
    "to", ["2017-12-05", "2017-12-01/7", "yesterday", "2017-12-01/x", "../current"]
)
def test_what_was_not_published_is_refused(shop, three, to):
    with pytest.raises(SettingsError):
        roll_back(shop, to, models)
    assert current(shop).name == "2017-12-01/2"
    assert withdrawn(shop) == set()


def test_a_damaged_night_is_refused_and_nothing_moves(shop, three):
    (three[1].path / "rec_for_you.parquet").write_text("other")
    with pytest.raises(StorageError, match="2017-12-01, attempt 1 is damaged"):
        roll_back(shop, None, models)
    assert current(shop).name == "2017-12-01/2"


def test_models_that_cannot_reign_are_refused_before_anything_moves(shop, three):
    def gone(night):
        raise ModelError("Version 3 is gone.", "Go back to another night.")

    with pytest.raises(ModelError):
        roll_back(shop, None, gone)
    assert current(shop).name == "2017-12-01/2"
    assert withdrawn(shop) == set()


def test_a_night_taken_back_is_not_shown_by_a_retry_of_its_publication(shop, three):
    roll_back(shop, None, models)
    assert not _point(shop, three[2])
    assert current(shop).name == "2017-12-01/1"


def test_the_next_night_is_shown_and_its_roll_back_passes_over_what_was_taken_back(
    shop, put_out, three
):
    roll_back(shop, None, models)
    tomorrow = put_out("2017-12-02/1")
    assert _point(shop, tomorrow)
    assert roll_back(shop, None, models).target.name == "2017-12-01/1"


def test_a_night_that_was_taken_back_can_be_shown_again(shop, three):
    roll_back(shop, None, models)
    roll_back(shop, "2017-12-01/2", models)
    assert current(shop).name == "2017-12-01/2"
    assert withdrawn(shop) == set()
    assert _point(shop, three[2])


def test_a_roll_back_killed_before_the_models_moved_is_ended_by_the_next(shop, three):
    moved = []

    def dies(night):
        def move():
            raise KeyboardInterrupt

        return move

    def lives(night):
        return lambda: moved.append(night.name) or []

    with pytest.raises(KeyboardInterrupt):
        roll_back(shop, "2017-12-01/1", dies)
    roll_back(shop, "2017-12-01/1", lives)
    assert moved == ["2017-12-01/1"]
    assert current(shop).name == "2017-12-01/1"
    assert [n.name for n in published(shop)] == list(NIGHTS)


def test_a_list_that_cannot_be_read_is_told(shop, three):
    (shop.nights / "withdrawn.json").write_text("[")
    with pytest.raises(StorageError, match="withdrawn.json cannot be read"):
        roll_back(shop, None, models)
