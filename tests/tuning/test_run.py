"""A search's beginning: on which attempt, with what budget, of what."""

from datetime import date

import pytest

from nightshelf.errors import InputError, SettingsError
from nightshelf.paths import Home
from nightshelf.tuning.run import Budget, newest_with_features, tune

SHOP = """
name = "corner"
time_zone = "UTC"
currency = "EUR"
[[sources]]
name = "orders"
adapter = "online_retail"
path = "*.csv"
"""


def reached(where, night: str, number: str) -> None:
    """A folder that looks like an attempt with its features."""
    folder = where.attempts / night / number
    (folder / "stages").mkdir(parents=True)
    (folder / "stages" / "door_features.json").write_text("{}")
    (folder / "night.duckdb").write_text("")


def test_the_newest_attempt_is_taken_whatever_else_lies_beside_it(tmp_path):
    where = Home(tmp_path).shop("corner")
    for night, number in (
        ("2026-03-01", "2"), ("2026-03-01", "10"), ("2026-02-28", "11"),
        ("2026-03-01.bak", "12"), ("2026-03-01", "13.bak"), ("2026-03-01", "014"), ("old", "15"),
    ):  # fmt: skip
        reached(where, night, number)
    found = newest_with_features(where, None)
    assert (found.night, found.number) == (date(2026, 3, 1), 10)
    assert newest_with_features(where, date(2026, 2, 28)).number == 11
    with pytest.raises(InputError, match="No attempt at the night of 2026-02-27"):
        newest_with_features(where, date(2026, 2, 27))


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), -1.0])
def test_minutes_that_are_no_length_of_time_are_refused(minutes):
    with pytest.raises(SettingsError, match="minutes = .*must be a finite number") as told:
        Budget(minutes, 40)
    assert "--minutes" in told.value.next_step


def test_a_file_that_names_nothing_to_search_says_so_and_touches_nothing(tmp_path):
    (tmp_path / "corner.toml").write_text(SHOP)
    (tmp_path / "search.toml").write_text("")
    tuned = tune(
        Home(tmp_path / "home"), tmp_path / "corner.toml", None, Budget(1, 1), (),
        tmp_path / "search.toml",
    )  # fmt: skip
    assert tuned.version is None
    assert f"{tmp_path / 'search.toml'} names nothing to search" in tuned.told
    assert not (tmp_path / "home").exists()
