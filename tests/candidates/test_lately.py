import numpy as np
import pytest

from nightshelf.candidates import Popularity, PopularityParams
from nightshelf.candidates.lately import (
    brought_by_a_burst,
    ordinary_days,
    taken_lately,
    takers,
)
from nightshelf.dataset import Interactions

AS_OF = 100


def shop(takers_by_day, as_of=AS_OF):
    """{item: {day: takers}}, every taker a user of their own."""
    rows = [
        (f"{item} {day} {n}", item, day)
        for item, days in takers_by_day.items()
        for day, many in days.items()
        for n in range(many)
    ]
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def counted(interactions, window_days=28, burst=2.0):
    counts = takers(taken_lately(interactions, window_days, burst))
    return dict(zip(interactions.items.tolist(), counts.tolist(), strict=True))


STEADY = dict.fromkeys(range(72, 100), 2)
ON_TELEVISION = dict.fromkeys(range(72, 100), 1) | {90: 60}


def test_a_day_out_of_the_ordinary_counts_for_little():
    # The ordinary day has 1 taker, so a day may have 2 × 1 + 3 √1 + 3 = 8; of 60 there count 8² / 60.
    found = counted(shop({"steady": STEADY, "on television": ON_TELEVISION}))
    assert found == {"steady": 56, "on television": pytest.approx(27 + 64 / 60)}


def test_the_further_beyond_the_ordinary_the_less_counts_down_to_an_ordinary_day():
    found = [
        counted(shop({"steady": STEADY, "item": dict.fromkeys(range(72, 100), 1) | {90: many}}))[
            "item"
        ]
        for many in (8, 9, 16, 64, 640)
    ]
    assert found == pytest.approx([27 + 8, 27 + 64 / 9, 27 + 4, 27 + 1, 27 + 1])


def test_whom_a_burst_brought_is_told_by_the_day_they_began():
    interactions = shop({"steady": STEADY, "on television": ON_TELEVISION})
    brought = brought_by_a_burst(interactions, 90, 2.0).tocoo()
    users = interactions.users[brought.row].tolist()
    assert sorted(users) == sorted(f"on television 90 {n}" for n in range(60))
    assert brought_by_a_burst(interactions, 91, 2.0).nnz == 0
    assert brought_by_a_burst(interactions, 90, 0.0).nnz == 0


def test_without_damping_it_leads_the_list():
    interactions = shop({"steady": STEADY, "on television": ON_TELEVISION})
    assert counted(interactions, burst=0.0) == {"steady": 56, "on television": 87}
    for burst, first in ((0.0, "on television"), (2.0, "steady")):
        model = Popularity(PopularityParams(burst=burst)).fit(interactions)
        assert model.items[model.recommend(["x"], 1).item_codes].tolist() == [first]


def test_who_had_taken_it_before_counts_in_full():
    # One user a day begins. On day 90 there come 60: the 18 who began before it, and 42 new ones.
    rows = [(f"{day}", "on television", day) for day in range(72, 100)]
    rows += [(f"{day}", "on television", 90) for day in range(72, 90)]
    rows += [(f"new {n}", "on television", 90) for n in range(41)]
    rows += [(f"{n} {day}", "steady", day) for day in range(72, 100) for n in range(2)]
    users, items, days = zip(*rows, strict=True)
    found = counted(Interactions.from_arrays(users, items, days, None, AS_OF))
    # 42 began on that day, and 64 / 42 of them count.
    assert found["on television"] == pytest.approx(27 + 64 / 42)


def test_who_takes_it_again_after_long_is_brought_by_the_burst_too():
    rows = [(f"{day}", "on television", day) for day in range(72, 100)]
    rows += [(f"old {n}", "on television", day) for n in range(59) for day in (10, 90)]
    users, items, days = zip(*rows, strict=True)
    found = counted(Interactions.from_arrays(users, items, days, None, AS_OF))
    assert found["on television"] == pytest.approx(27 + 64 / 60)


def test_a_day_on_which_the_shop_sells_more_of_everything_is_ordinary():
    days = dict.fromkeys(range(72, 100), 4) | {90: 40}
    found = counted(shop(dict.fromkeys("abcdef", days)))
    assert set(found.values()) == {27 * 4 + 40}


def test_an_item_of_yesterday_counts_in_full():
    assert counted(shop({"steady": STEADY, "new": {99: 50}}))["new"] == 50


def test_what_wins_more_users_for_two_weeks_counts_in_full():
    risen = dict.fromkeys(range(72, 86), 1) | dict.fromkeys(range(86, 100), 20)
    assert counted(shop({"steady": STEADY, "risen": risen}))["risen"] == 14 + 14 * 20


def test_a_short_window_knows_the_ordinary_day_by_four_weeks():
    five_days = dict.fromkeys(range(72, 95), 1) | dict.fromkeys(range(95, 100), 60)
    found = counted(shop({"steady": STEADY, "five days": five_days}), window_days=7)
    assert found == {"steady": 14, "five days": pytest.approx(2 + 5 * 64 / 60)}


def test_a_shop_of_one_item_and_closed_days_end_well():
    assert counted(shop({"only": {80: 1, 90: 30, 95: 1, 96: 1, 97: 1}}))["only"] < 34
    assert counted(shop({"only": {1: 40}})) == {"only": 40}


def test_no_day_of_few_takers_is_damped():
    rare = dict.fromkeys(range(72, 100, 9), 1) | {85: 3}
    assert counted(shop({"steady": STEADY, "rare": rare}))["rare"] == 4 + 3


def test_the_ordinary_day_by_hand():
    # Days by traffic: 2 takers among 9 others + 1, then 4 among 19 + 1: 2 and 4 over 10/15 and 20/15
    # are 3 and 3. So 3 × 2/3 = 2 and 3 × 4/3 = 4.
    counts, there = np.array([[2, 4]]), np.array([[True, True]])
    assert ordinary_days(counts, there, np.array([11, 23]))[0] == pytest.approx([2, 4])
