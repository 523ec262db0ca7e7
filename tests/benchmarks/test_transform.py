"""The log is cleaned and counted alike by dbt, polars and pandas, and for no many times their cost."""

import pytest

from benchmarks.big_log import BigLog
from benchmarks.transform import Clock, measured

pytestmark = pytest.mark.long

LOG = BigLog(100_000, days=20)


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    LOG.write(folder)
    return measured(LOG, folder, peers=True)


def test_dbt_finds_what_peers_find(costs):
    found = [costs[name]["found"] for name in ("dbt", "polars", "pandas")]
    assert found[0] == found[1] == found[2]
    sessions, events, pairs = found[0]
    assert LOG.sessions * 0.8 < sessions < LOG.sessions * 1.2
    assert events == pytest.approx(LOG.events, rel=0.05)
    assert 0 < pairs < events


def test_the_models_take_no_many_times_of_what_pandas_takes(costs):
    # At this size it is dbt's start of each model: 1.1 of pandas at a million events, .8 at ten.
    models = sum(core_seconds for _, core_seconds in costs["dbt"]["models"].values())
    assert models < 6 * costs["pandas"]["core_seconds"]


def test_a_night_later_a_day_more_is_there(costs):
    assert costs["dbt, a night later"]["found"][1] > costs["dbt"]["found"][1]


def test_the_clock_tells_what_each_node_took():
    clock = Clock()
    for name in ("int_a", "fct_b"):
        clock.advance(f"dbt 1 of 2: {name}")
    spent = clock.spent()
    assert list(spent) == ["int_a", "fct_b"]
    assert all(seconds >= 0 and core >= 0 for seconds, core in spent.values())
