"""Back to an older night: checked first, moved together, and not undone by a retry."""

import os
import shutil
import signal

import pytest

from nightshelf.errors import ModelError, SettingsError, StorageError
from nightshelf.paths import Home
from nightshelf.publishing import roll_back as module
from nightshelf.publishing.nights import current, published
from nightshelf.publishing.publish import _point
from nightshelf.publishing.roll_back import roll_back
from nightshelf.publishing.unfinished import unfinished
from nightshelf.publishing.withdrawn import withdrawn
from nightshelf.show.published import show_nights, show_verified

SHOP = """
name = "shop"
time_zone = "UTC"
currency = "EUR"
[[sources]]
name = "lines"
adapter = "online_retail"
path = "*.csv"
"""
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


STEPS_OF_A_ROLL_BACK = ("begin", "withdraw", "point_at", "aliases", "sinks", "end")


def killed_before(shop, step: str, to: str | None) -> None:
    """A roll-back in a process of its own, ended by SIGKILL as it comes to that step."""

    def dies(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        if step in ("begin", "withdraw", "point_at", "end"):
            setattr(module, step, dies)
        aliases = (lambda night: dies) if step == "aliases" else models
        roll_back(shop, to, aliases, dies if step == "sinks" else lambda again: [])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.parametrize("to", [None, "2017-12-01/1"])
@pytest.mark.parametrize("step", STEPS_OF_A_ROLL_BACK)
def test_a_roll_back_killed_at_any_step_is_ended_by_the_next_and_goes_no_night_further(
    shop, three, step, to
):
    killed_before(shop, step, to)
    delivered = []
    done = roll_back(shop, None, models, lambda again: delivered.append(again) or [])
    assert current(shop).name == "2017-12-01/1"
    assert done.told == ["models of 2017-12-01/1"]
    assert delivered == ["nightshelf roll-back --to 2017-12-01/1"]
    assert withdrawn(shop) == {"2017-12-01/2"}
    assert unfinished(shop, current(shop)) is None
    assert [n.name for n in published(shop)] == list(NIGHTS)


def test_a_pointer_that_a_killed_process_of_the_same_number_left_is_in_nobody_s_way(shop, three):
    (shop.nights / f".current-{os.getpid()}").symlink_to("2017-12-01/2")
    roll_back(shop, None, models)
    assert current(shop).name == "2017-12-01/1"


def test_killed_in_the_middle_of_going_forward_it_is_ended_forward(shop, three):
    roll_back(shop, "2017-11-30", models)
    killed_before(shop, "aliases", "2017-12-01/2")
    roll_back(shop, None, models)
    assert current(shop).name == "2017-12-01/2"


def test_a_night_named_wins_over_a_roll_back_that_was_cut_short(shop, three):
    killed_before(shop, "aliases", None)
    roll_back(shop, "2017-11-30", models)
    assert current(shop).name == "2017-11-30/1"
    assert unfinished(shop, current(shop)) is None


def test_a_night_published_since_ends_what_was_cut_short(shop, put_out, three):
    killed_before(shop, "aliases", None)
    assert unfinished(shop, current(shop)) == "2017-12-01/1"
    put_out("2017-12-02/1")
    assert unfinished(shop, current(shop)) is None
    assert roll_back(shop, None, models).target.name == "2017-12-01/1"


@pytest.mark.parametrize("show", [show_nights, show_verified])
def test_a_roll_back_cut_short_is_told_by_nights_and_verify(shop, three, tmp_path, capsys, show):
    shop_file = tmp_path / "shop.toml"
    shop_file.write_text(SHOP)
    killed_before(shop, "aliases", None)
    show(Home(tmp_path), shop_file)
    assert "a roll-back to 2017-12-01/1 is under way or was cut short" in told(capsys)
    roll_back(shop, None, models)
    show(Home(tmp_path), shop_file)
    assert "roll-back" not in told(capsys)


def test_a_pointer_that_leads_nowhere_does_not_hide_the_nights_to_go_back_to(
    shop, three, tmp_path, capsys
):
    shop_file = tmp_path / "shop.toml"
    shop_file.write_text(SHOP)
    shop.current.unlink()
    shop.current.symlink_to("2017-12-09/1")
    show_nights(Home(tmp_path), shop_file)
    lines = [line for line in capsys.readouterr().out.splitlines() if "2017-1" in line]
    assert len(lines) == len(three)


def told(capsys) -> str:
    return " ".join("".join(capsys.readouterr()).split())


def test_sinks_that_fail_leave_a_roll_back_to_end(shop, three):
    def fails(again):
        raise StorageError("The sink is gone.", again)

    with pytest.raises(StorageError, match="sink is gone"):
        roll_back(shop, None, models, fails)
    assert unfinished(shop, current(shop)) == "2017-12-01/1"
    assert roll_back(shop, None, models).target.name == "2017-12-01/1"


def test_a_note_whose_night_is_gone_is_told_with_the_way_out(shop, three):
    killed_before(shop, "point_at", "2017-11-30")
    shutil.rmtree(three[0].path)
    with pytest.raises(StorageError, match="'2017-11-30/1' was cut short") as told:
        roll_back(shop, None, models)
    assert "--to" in told.value.next_step
    assert roll_back(shop, "2017-12-01/1", models).target.name == "2017-12-01/1"


@pytest.mark.parametrize("content", ["[", '{"nights": 5}', "null", "[" * 100_000])
def test_a_list_of_any_damage_is_told(shop, three, content):
    (shop.nights / "withdrawn.json").write_text(content)
    with pytest.raises(StorageError, match="withdrawn.json cannot be read"):
        roll_back(shop, None, models)


def test_a_note_that_cannot_be_read_is_told_and_a_named_night_writes_it_anew(shop, three):
    (shop.nights / "roll_back.json").write_text("[]")
    with pytest.raises(StorageError, match="roll_back.json cannot be read"):
        roll_back(shop, None, models)
    assert roll_back(shop, "2017-11-30", models).target.name == "2017-11-30/1"


def test_a_folder_in_the_place_of_the_note_is_told(shop, three):
    (shop.nights / "roll_back.json").mkdir()
    with pytest.raises(StorageError, match="roll_back.json is a folder"):
        roll_back(shop, "2017-11-30", models)
