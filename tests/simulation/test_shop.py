"""The made-up shop: what is said to be true of it is what its log shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from nightshelf.errors import SettingsError
from nightshelf.settings_exploration import Exploration
from nightshelf.simulation import SimulatedShop, Size, simulate, truth_of
from nightshelf.simulation.loop import Folder, found_shop, land
from nightshelf.simulation.shop import HISTORY_DAYS, looks
from nightshelf.simulation.truth import SLOTS
from nightshelf.simulation.visits import COLUMNS, Page, visits

SIZE = Size(users=80, items=60, nights=20)
SHOP = SimulatedShop.of(SIZE, seed=1)


def page(items=range(SLOTS), list_id="for_you@2020-04-01") -> Page:
    return Page(np.broadcast_to(np.array(list(items)), (SIZE.users, len(items))), list_id)


def lines(day: int, shown: Page, shop: SimulatedShop = SHOP) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, line, strict=True)) for line in visits(shop, day, shown)]


def test_tastes_turn_and_stay_as_strong():
    still = replace(SHOP, speed=np.zeros(SIZE.users))
    quarter = replace(SHOP, speed=np.full(SIZE.users, np.pi / 2 / HISTORY_DAYS))
    assert np.array_equal(still.takes(HISTORY_DAYS) > 0, quarter.takes(HISTORY_DAYS) > 0)
    assert np.allclose((SHOP.tastes * SHOP.turned).sum(axis=1), 0)
    assert np.allclose((SHOP.tastes**2).sum(axis=1), (SHOP.turned**2).sum(axis=1))
    swapped = replace(still, tastes=SHOP.turned)
    assert np.allclose(quarter.takes(HISTORY_DAYS), swapped.takes(HISTORY_DAYS))


def test_items_arrive_through_history_and_nights_and_are_taken_by_nobody_before():
    assert (SHOP.arrives == 0).sum() == 36
    assert SHOP.arrives.max() >= HISTORY_DAYS
    for day in (0, 40, 100):
        assert np.array_equal((SHOP.takes(day) > 0).all(axis=0), SHOP.arrives <= day)


def test_visitors_and_searches_are_the_same_whatever_the_page_shows():
    def unshown(shown: Page) -> list:
        told = lines(50, shown)
        return [(t["user"], t["item"], t["at"]) for t in told if t["kind"] == "view"]

    assert unshown(page()) == unshown(page(range(20, 30))) == unshown(page([-1] * SLOTS))
    assert unshown(page())


def test_looks_and_clicks_come_as_often_as_the_truth_says():
    seen, clicked, expected = np.zeros(SLOTS), 0, 0.0
    for day in range(60, 160):
        takes = SHOP.takes(60)
        told = lines(60, page(), replace(SHOP, seed=day))
        for t in told:
            if t["kind"] == "impression":
                seen[int(t["place"]) - 1] += 1
                expected += takes[SHOP.users.index(t["user"]), SHOP.items.index(t["item"])]
            clicked += t["kind"] == "click"
    assert seen / seen[0] == pytest.approx(looks(SLOTS), abs=0.04)
    assert clicked == pytest.approx(expected, rel=0.1)


def test_a_day_s_lines_have_ids_of_their_own_and_name_the_list_only_where_one_was_shown():
    told = lines(50, page())
    assert len({t["event_id"] for t in told}) == len(told)
    kinds = Counter((t["kind"], t["list"] != "", t["place"] != "", t["price"] != "") for t in told)
    assert set(kinds) == {
        ("view", False, False, False), ("purchase", False, False, True),
        ("impression", True, True, False), ("click", True, True, False),
    }  # fmt: skip


def truth(lists, day: int = 100, explores=None):
    lists = np.broadcast_to(np.asarray(lists), (SIZE.users, SLOTS))
    explores = np.zeros(lists.shape, dtype=bool) if explores is None else explores
    return truth_of(SHOP, day, lists, explores)


def test_the_best_lists_leave_nothing_and_no_lists_all():
    best = np.argsort(-SHOP.takes(100), axis=1, kind="stable")[:, :SLOTS]
    told = truth(best)
    assert told.regret == 0
    assert told.value == told.best > told.crowd > 0
    assert truth(best[:, ::-1]).regret > 0
    one = np.full(SLOTS, -1)
    one[0] = 0
    assert truth(one).value == pytest.approx(SHOP.takes(100)[:, 0].mean())


def test_what_the_crowd_likes_is_worth_what_the_same_list_for_all_is():
    same = np.argsort(-SHOP.takes(100).mean(axis=0), kind="stable")[:SLOTS]
    assert truth(same).value == pytest.approx(truth(same).crowd)


def test_coverage_news_and_exploration_are_shares_of_items_and_slots():
    new = int(np.flatnonzero((SHOP.arrives > 72) & (SHOP.arrives <= 100))[0])
    explores = np.zeros((SIZE.users, SLOTS), dtype=bool)
    explores[:, 0] = True
    told = truth([0, 1, new, *[-1] * 7], explores=explores)
    assert told.coverage == pytest.approx(3 / (SHOP.arrives <= 100).sum())
    assert (told.new_share, told.exploring_share) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_a_shop_is_founded_with_the_same_bytes_and_says_that_it_is_made_up(tmp_path):
    def files(name: str) -> dict[str, bytes]:
        folder = Folder(tmp_path / name)
        found_shop(folder, SHOP, Exploration())
        land(folder, SHOP, HISTORY_DAYS, page())
        paths = (p for p in folder.root.rglob("*") if p.is_file())
        return {str(p.relative_to(folder.root)): p.read_bytes() for p in paths}

    one, other = files("one"), files("other")
    assert one == other
    assert b"none of this is data of a real shop" in one["simulated.toml"]
    assert sum(name.startswith("landing/log") for name in one) == HISTORY_DAYS + 1


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SettingsError, match="is not empty"):
        next(simulate(tmp_path, SIZE, 1, Exploration()))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
