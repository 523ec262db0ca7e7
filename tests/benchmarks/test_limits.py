"""What ingest, the doors and publishing cost beside their limits, at a small size and with a wide margin: ratios of
core-seconds within one run. `benchmarks/` has the sizes that count."""

from __future__ import annotations

import pytest

from benchmarks import doors, ingest, publish

pytestmark = pytest.mark.long


def test_publishing_costs_a_few_bare_writes():
    found = publish.measured(1_000_000)
    # 2.1 where it was written: an ordering, two hashes and thirty small tables on top.
    assert found["published"]["core"] < 5 * found["bare"]["core"]


def test_a_larger_log_costs_the_first_door_a_few_queries_over_it():
    small, large = doors.measured(200_000), doors.measured(2_000_000)
    more = {what: large[what]["core"] - small[what]["core"] for what in large}
    # 1.7 where it was written. What the door costs whatever the log's size, a second, is left out.
    assert more["door"] < 5 * more["query"]


@pytest.mark.parametrize("kind", ingest.SOURCES)
def test_more_lines_cost_ingest_some_scans_of_them(kind):
    small, large = ingest.measured(kind, 50_000), ingest.measured(kind, 550_000)
    more = {what: large[what] - small[what] for what in large}
    # 53 of CSV and 38 of JSON where it was written; what ingest costs whatever the size is left out.
    assert more["ingest"] < 150 * more["scan"]
