"""What a placement without rows is told to publish."""

import pytest

from nightshelf.progress import console
from nightshelf.readiness import Placement, Readiness
from nightshelf.show.readiness import show_readiness


def told(placement: str, has: int, wanted: int) -> str:
    """The table's last column for a shelf in whose place nothing stands."""
    short = Placement(placement, "of these", has, wanted, False, "may be empty", "nothing", "…")
    ready = [
        Placement(name, "of these", 1, 1, True, "ready", None, "…")
        for name in (
            "audiences",
            "user_churn_risk",
            "user_interest_history",
            "user_interest_forecast",
        )
    ]
    with console.capture() as printed:
        show_readiness(Readiness((short, *ready), ()))
    row = next(line for line in printed.get().splitlines() if "wanted" not in line and "│" in line)
    return row.strip("│┃ ").rpartition("│")[2].strip()


def test_a_sale_without_anything_cheaper_publishes_nothing():
    assert told("rec_on_sale", has=23, wanted=1) == "nothing"


@pytest.mark.parametrize("placement", ["rec_similar_items", "rec_bought_together", "rec_cart"])
def test_pairs_too_few_to_go_by_are_published(placement):
    assert told(placement, has=30, wanted=50) == "what there is"


def test_no_pairs_at_all_publish_nothing():
    assert told("rec_similar_items", has=0, wanted=50) == "nothing"
