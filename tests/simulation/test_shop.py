"""The made-up shop: what is said to be true of it is what its log shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from nightshelf.errors import SettingsError
from nightshelf.settings.exploration import Exploration
from nightshelf.simulation import SimulatedShop, Size, simulate, truth_of
from nightshelf.simulation.loop import Folder, bestsellers, found_shop, land
from nightshelf.simulation.published import page_of
from nightshelf.simulation.shop import ARRIVAL_DAYS, HISTORY_DAYS, looks
from nightshelf.simulation.shop_file import write_shop_file
from nightshelf.simulation.truth import SLOTS, Shown
from nightshelf.simulation.visits import CARTS, COLUMNS, KEEPS, Page, visits

SIZE = Size(users=80, items=60, nights=20)
SHOP = SimulatedShop.of(SIZE, seed=1)


def page(items=range(SLOTS), list_id="for_you@2020-04-01") -> Page:
    lists = np.broadcast_to(np.array(list(items)), (SIZE.users, len(items)))
    return Page(lists, [list_id] * SIZE.users)


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


def test_users_join_through_history_and_nights_and_none_comes_before():
    assert (SHOP.joins == 0).sum() == 32
    assert SHOP.joins.max() == ARRIVAL_DAYS > HISTORY_DAYS
    first = dict.fromkeys(SHOP.users, ARRIVAL_DAYS)
    for day in range(ARRIVAL_DAYS):
        for t in lines(day, page()):
            first[t["user"]] = min(first[t["user"]], day)
    late = np.array(list(first.values())) - SHOP.joins
    assert late.min() == 0
    assert np.median(late) < 7


def test_strangers_are_of_the_users_kind_and_are_none_of_them():
    strangers, users = SHOP.strangers_take(100), SimulatedShop.of(Size(5000, 60), 2)
    as_one = replace(users, places=SHOP.places, appeal=SHOP.appeal, arrives=SHOP.arrives)
    assert strangers.mean(axis=0) == pytest.approx(as_one.takes(100).mean(axis=0), rel=0.15)
    assert not np.isin(strangers[:, 0], SHOP.takes(100)[:, 0]).any()


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


def test_half_of_what_is_looked_into_is_bought_and_the_rest_of_the_cart_abandoned():
    told = [t["kind"] for day in range(60, 110) for t in lines(day, page())]
    kinds = Counter(told)
    into = kinds["view"] + kinds["click"]
    assert kinds["cart_add"] / into == pytest.approx(CARTS, abs=0.05)
    assert kinds["purchase"] / kinds["cart_add"] == pytest.approx(KEEPS, abs=0.05)


def test_what_is_bought_lay_in_the_cart_and_is_bought_at_the_end():
    told = lines(50, page())
    for user in {t["user"] for t in told}:
        kinds = [t["kind"] for t in told if t["user"] == user]
        carts, bought = (
            {t["item"] for t in told if (t["user"], t["kind"]) == (user, kind)}
            for kind in ("cart_add", "purchase")
        )
        assert bought <= carts
        assert "purchase" not in kinds[: len(kinds) - kinds.count("purchase")]


def test_a_day_s_lines_have_ids_of_their_own_and_name_the_list_only_where_one_was_shown():
    told = lines(50, page())
    assert len({t["event_id"] for t in told}) == len(told)
    kinds = Counter((t["kind"], t["list"] != "", t["place"] != "", t["price"] != "") for t in told)
    assert set(kinds) == {
        ("view", False, False, False), ("cart_add", False, False, False),
        ("purchase", False, False, True),
        ("impression", True, True, False), ("click", True, True, False),
    }  # fmt: skip


def shown(lists, explores=None, **more) -> Shown:
    lists = np.broadcast_to(np.asarray(lists), (SIZE.users, SLOTS))
    given = {
        "is_exploration": np.zeros(lists.shape, dtype=bool) if explores is None else explores,
        "is_known": np.ones(SIZE.users, dtype=bool),
        "ranked": lists, "cold_start": lists[0], "bestsellers": lists[0], "rules_expected": 0.0,
    }  # fmt: skip
    return Shown(lists, **{**given, **more})


def truth(lists, explores=None, day: int = 100, **more):
    return truth_of(SHOP, day, shown(lists, explores, **more))


def test_the_best_lists_leave_nothing_and_no_lists_all():
    best = np.argsort(-SHOP.takes(100), axis=1, kind="stable")[:, :SLOTS]
    told = truth(best)
    assert told.regret == 0
    assert told.value == told.best > told.crowd > 0
    assert truth(best[:, ::-1]).regret > 0
    one = np.full(SLOTS, -1)
    one[0] = 0
    assert truth(one).value == pytest.approx(SHOP.takes(100)[SHOP.joins <= 100, 0].mean())


def test_what_a_rule_takes_is_what_the_ranked_lists_bring_more():
    best = np.argsort(-SHOP.takes(100), axis=1, kind="stable")[:, :SLOTS]
    told = truth(best[:, ::-1], ranked=best, rules_expected=0.25)
    assert told.ranked == told.best > told.value
    assert told.rules_expected == 0.25


def test_who_has_not_joined_counts_nowhere():
    lists = np.broadcast_to(np.arange(SLOTS), (SIZE.users, SLOTS)).copy()
    told = truth(lists)
    lists[SHOP.joins > 100] = 20
    assert truth(lists) == told


def test_no_list_that_is_the_same_for_all_brings_a_stranger_more_than_the_best_one():
    best = np.argsort(-SHOP.strangers_take(100).mean(axis=0), kind="stable")[:SLOTS]
    told = truth(range(SLOTS), cold_start=best, bestsellers=best[::-1])
    assert told.cold_start == told.cold_best > told.bestsellers > 0


def test_who_is_not_known_is_shown_the_list_for_strangers():
    known = np.arange(SIZE.users) > 0
    told = page_of(shown(range(SLOTS), is_known=known), "2020-04-01")
    assert told.list_ids[:2] == ["cold_start/all@2020-04-01", "for_you@2020-04-01"]


def test_bestsellers_are_those_of_the_last_four_weeks():
    before, lately = np.zeros(20), np.zeros(20)
    before[3], lately[[7, 5]] = 9, (1, 2)
    assert bestsellers([before, *[np.zeros(20)] * 27, lately]).tolist()[:3] == [5, 7, 0]
    assert bestsellers([before, *[np.zeros(20)] * 26, lately]).tolist()[:3] == [3, 5, 7]


def test_what_the_crowd_likes_is_worth_what_the_same_list_for_all_is():
    there = SHOP.takes(100)[SHOP.joins <= 100]
    same = np.argsort(-there.mean(axis=0), kind="stable")[:SLOTS]
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
        folder.root.mkdir()
        write_shop_file(folder.shop_file, 1, Exploration(), "")
        found_shop(folder, SHOP)
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


def test_rules_that_no_night_could_read_leave_the_folder_empty(tmp_path):
    wrong = "[rules]\nmax_per_shelf = 2\n"
    with pytest.raises(SettingsError, match="rules.max_per_shelf: unknown key"):
        next(simulate(tmp_path / "shop", SIZE, 1, Exploration(), wrong))
    assert not any((tmp_path / "shop").iterdir())
