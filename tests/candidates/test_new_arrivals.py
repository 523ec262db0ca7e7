import numpy as np
import pytest

from nightshelf.candidates import NewArrivals, NewArrivalsParams
from nightshelf.candidates.new_arrivals import arrival_days
from nightshelf.dataset import Interactions
from nightshelf.dataset.catalogue import UNKNOWN_DAY
from tests.support.furnished import with_items

AS_OF = 100
OLD = [("old user", "old", day) for day in range(0, 100, 10)]


def shop(rows, items=None):
    users, names, days = zip(*rows, strict=True)
    rows = Interactions.from_arrays(users, names, days, None, AS_OF)
    return rows if items is None else with_items(rows, items)


def offered(model, user="anybody"):
    return model.items[model.recommend([user], 10).item_codes].tolist()


def arrivals(data):
    return dict(zip(data.items.tolist(), arrival_days(data, 28).tolist(), strict=True))


def test_what_people_take_to_faster_comes_first():
    rows = [(f"{n}", "slow", 80 + n) for n in range(3)] + [(f"{n}", "fast", 98) for n in range(3)]
    assert offered(NewArrivals().fit(shop(OLD + rows))) == ["fast", "slow"]


def test_rates_by_hand():
    # slow: 3 users in 20 days, fast: 3 in 2. Average (6 + 1) / 22; 7 days of it are mixed in.
    rows = [(f"{n}", "slow", 80 + n) for n in range(3)] + [(f"{n}", "fast", 98) for n in range(3)]
    found = NewArrivals().fit(shop(OLD + rows)).recommend(["anybody"], 2)
    mixed = 7 * 7 / 22
    assert found.scores == pytest.approx([(3 + mixed) / 9, (3 + mixed) / 27])


def test_one_users_spree_is_no_success():
    spree = [("fan", "spree", day) for day in range(90, 100)]
    rows = [("a", "liked", 90), ("b", "liked", 90)]
    assert offered(NewArrivals().fit(shop(OLD + spree + rows))) == ["liked", "spree"]


def test_an_item_is_new_for_its_window():
    items = {"old": {"listed_on": -1}, "in": {"listed_on": 72}, "out": {"listed_on": 71}}
    assert offered(NewArrivals().fit(shop(OLD, items))) == ["in"]


def test_what_nobody_took_yet_is_offered_and_what_cannot_be_bought_is_not():
    items = {
        "old": {"listed_on": -1},
        "here": {"listed_on": 99},
        "sold out": {"listed_on": 99, "is_offerable": False},
        "tomorrow": {"listed_on": 100},
        "undated": {},
    }
    assert offered(NewArrivals().fit(shop(OLD, items))) == ["here"]


def test_the_earlier_of_listing_and_first_sale_is_the_arrival():
    rows = [*OLD, ("a", "relisted", 50), ("a", "listed first", 90), ("a", "never listed", 60)]
    items = {
        "old": {"listed_on": -1},
        "relisted": {"listed_on": 95},
        "listed first": {"listed_on": 85},
        "listed before the books": {"listed_on": -5},
        "coming": {"listed_on": 120},
    }
    assert arrivals(shop(rows, items)) == {
        "old": -1,
        "relisted": 50,
        "listed first": 85,
        "never listed": 60,
        "listed before the books": UNKNOWN_DAY,
        "coming": 100,
    }


def test_nothing_is_new_where_everything_begins_with_the_log():
    rows = [("a", "first day", 80), ("a", "second day", 81), ("a", "last day", 99)]
    assert offered(NewArrivals().fit(shop(rows))) == []
    assert offered(NewArrivals(NewArrivalsParams(settle_days=19)).fit(shop(rows))) == ["last day"]


def test_the_opening_of_the_catalogue_is_no_arrival():
    items = {"old": {}, "a": {"listed_on": 90}, "b": {"listed_on": 90}, "c": {"listed_on": 91}}
    assert offered(NewArrivals().fit(shop(OLD, items))) == ["c"]


def test_a_listing_dated_by_its_first_sale_waits_for_the_log_to_settle():
    rows = [("a", "known", 80), ("a", "first day", 80), ("a", "later", 95)]
    items = {name: {"listed_on": day} for _, name, day in rows}
    assert offered(NewArrivals().fit(shop(rows, items))) == []


def test_the_users_own_shelves_and_brands_come_first():
    items = {
        "old": {"listed_on": -1},
        "lamp": {"listed_on": 90, "category": "Lamps"},
        "tea": {"listed_on": 90, "category": "Tea"},
        "ours": {"listed_on": 90, "brand": "Ours"},
    }
    for n in range(2):
        items |= {
            f"old tea {n}": {"category": "Tea"},
            f"old lamp {n}": {"category": "Lamps"},
            f"old ours {n}": {"brand": "Ours"},
            f"old theirs {n}": {"brand": "Theirs"},
        }
    rows = [("t", "old tea 0", 1), ("l", "old lamp 0", 1), ("o", "old ours 0", 1)]
    rows += [("p", "old theirs 0", 1)]
    model = NewArrivals(NewArrivalsParams(prior=1.0)).fit(shop(OLD + rows, items))
    assert offered(model) == ["lamp", "ours", "tea"]
    assert offered(model, "t")[0] == "tea"
    assert offered(model, "l")[0] == "lamp"
    assert offered(model, "o")[0] == "ours"


def test_a_shop_where_nobody_took_an_arrival_lists_them_all_alike():
    items = {"old": {"listed_on": -1}} | {f"n{n}": {"listed_on": 99} for n in range(3)}
    found = NewArrivals().fit(shop(OLD, items)).recommend(["anybody"], 9)
    assert len(np.unique(found.scores)) == 1
    assert found.scores[0] > 0
