"""Runs whose process was killed are closed by a later examination; runs of the living are not."""

from datetime import date

import pytest
from filelock import FileLock

from nightshelf.registry.abandoned import WHY, alive, close_abandoned, tune_lock

NIGHT = date(2015, 4, 1)


@pytest.fixture
def shop(home, registry):
    where = home.shop(registry.shop)
    where.attempt(NIGHT, 1).root.mkdir(parents=True)
    return where


@pytest.fixture
def begun(registry):
    """Begins a parent and a child as an examination, or a search, does; their ids."""

    def begun(attempt: int = 1, **tags: str) -> list[str]:
        tags = {"night": str(NIGHT), "attempt": str(attempt), **tags}
        parent = registry.begin("night", None, tags)
        return [parent, registry.begin("a source", parent, tags)]

    return begun


def statuses(registry, runs) -> set[str]:
    return {registry.client.get_run(run).info.status for run in runs}


def test_runs_of_a_dead_process_are_closed_once_and_say_why(registry, shop, begun):
    runs = begun()
    assert close_abandoned(registry, shop) == 2
    assert statuses(registry, runs) == {"KILLED"}
    assert {registry.client.get_run(run).data.tags["why_killed"] for run in runs} == {WHY}
    assert close_abandoned(registry, shop) == 0


def test_runs_of_an_attempt_whose_folder_is_gone_are_closed(registry, shop, begun):
    runs = begun(attempt=7)
    close_abandoned(registry, shop)
    assert statuses(registry, runs) == {"KILLED"}


def test_runs_of_the_living_are_left_open(registry, shop, begun):
    with alive(shop.attempt(NIGHT, 1)), FileLock(tune_lock(shop)):
        runs = [*begun(), *begun(role="tuning")]
        assert close_abandoned(registry, shop) == 0
        assert statuses(registry, runs) == {"RUNNING"}
    assert close_abandoned(registry, shop) == 4


def test_a_second_process_at_one_attempt_is_not_kept_waiting(shop):
    with alive(shop.attempt(NIGHT, 1)), alive(shop.attempt(NIGHT, 1)):
        pass


def test_a_run_that_ended_meanwhile_keeps_its_status(registry, begun):
    run, _ = begun()
    registry.finish(run)
    assert not registry.close_killed(run, WHY)
    assert statuses(registry, [run]) == {"FINISHED"}


def test_what_somebody_else_has_open_is_none_of_ours(registry, shop):
    runs = [
        registry.begin("notebook", None, {}),
        registry.begin("notebook", None, {"night": "tonight", "attempt": "1"}),
    ]
    assert close_abandoned(registry, shop) == 0
    assert statuses(registry, runs) == {"RUNNING"}
