import numpy as np
import pytest

from nightshelf.candidates import PopularInSegment, Popularity, Trend, TrendParams
from nightshelf.candidates.trend import LEAST_PRIOR, MOST_PRIOR, least_rise, prior_strength
from nightshelf.dataset import Interactions
from nightshelf.errors import SettingsError
from tests.support.furnished import with_items

AS_OF = 100


def shop(rows):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, AS_OF)


def steady(n_items=20, takers=6):
    """Each item has its own takers, who come once a week for five weeks."""
    return [
        (f"user {item} {n}", f"item {item:02d}", AS_OF - 1 - 7 * week - n % 7)
        for item in range(n_items)
        for n in range(takers + item)
        for week in range(5)
    ]


def offered(model, k=30):
    return model.items[model.recommend(["anybody"], k).item_codes].tolist()


def test_least_rise_by_hand():
    # Two items, 4 against 0 and 0 against 4: p = 1/2, the prior is clipped to 2, so the posteriors
    # are Beta(5, 1) and Beta(1, 5), whose quantiles have closed forms.
    now, before = np.array([4, 0]), np.array([0, 4])
    low = np.array([0.05**0.2, 1 - 0.95**0.2])
    assert least_rise(now, before, 0.95) == pytest.approx(np.log(low / (1 - low)))


def test_prior_strength_by_hand():
    # n = 10, p = 1/2: chance gives 2 × 2.5, the items have 2 × 4; (5 × 9) / (8 - 5) - 1 = 14.
    assert prior_strength(np.array([7, 3]), np.array([3, 7])) == pytest.approx(14)


def test_prior_strength_is_bounded():
    assert prior_strength(np.array([3, 3]), np.array([3, 3])) == MOST_PRIOR
    assert prior_strength(np.array([9, 0]), np.array([0, 9])) == LEAST_PRIOR


def test_what_ten_times_as_many_take_leads():
    burst = [(f"new user {n}", "item 03", AS_OF - 1 - n % 3) for n in range(90)]
    model = Trend(TrendParams(burst=0)).fit(shop(steady() + burst))
    assert offered(model)[0] == "item 03"
    scores = model.scores
    assert scores[model.items == "item 03"] > np.log(3)
    assert (scores[model.items != "item 03"] < 0).all()


def test_the_same_burst_upsets_no_other_list():
    burst = [(f"new user {n}", "item 03", AS_OF - 1 - n % 3) for n in range(90)]
    with_burst, without = shop(steady() + burst), shop(steady())
    assert (Trend().fit(with_burst).scores < 0).all()
    for model in (Popularity, PopularInSegment):
        lists = [offered(model().fit(data)) for data in (with_burst, without)]
        others = [[item for item in found if item != "item 03"] for found in lists]
        assert others[0] == others[1]
        # Its 9 takers and next to none of the others: 10, where item 12 has 18.
        assert lists[0].index("item 03") >= 19 - 12


def test_more_users_are_those_beyond_the_item_s_own_pace():
    # 9 come for it every week; in the last one 90 more do.
    burst = [(f"new user {n}", "item 03", AS_OF - 1 - n % 3) for n in range(90)]
    data = shop(steady() + burst)
    more = Trend(TrendParams(burst=0, confidence=0.5)).fit(data).more_users(data)
    assert more[data.items == "item 03"] == pytest.approx(90, rel=0.1)
    assert (more[data.items != "item 03"] < 1).all()


def test_a_shop_without_weeks_before_has_no_users_more():
    data = shop([row for row in steady() if row[2] >= AS_OF - 7])
    assert Trend().fit(data).more_users(data).tolist() == [0.0] * 20


def test_two_against_none_do_not_win():
    fluke = [("a", "fluke", AS_OF - 1), ("b", "fluke", AS_OF - 2)]
    rising = [(f"new user {n}", "item 03", AS_OF - 1 - n % 7) for n in range(20)]
    model = Trend().fit(shop(steady() + fluke + rising))
    assert offered(model)[0] == "item 03"
    assert model.scores[model.items == "fluke"] < 0


def test_one_users_spree_is_no_trend():
    spree = [("fan", "item 03", AS_OF - 1 - day) for day in range(7)]
    with_spree, with_one = shop(steady() + spree), shop(steady() + spree[:1])
    assert Trend().fit(with_spree).scores.tolist() == Trend().fit(with_one).scores.tolist()


def test_what_users_take_weekly_does_not_rise():
    # Distinct takers in 7 days and in 28 are as many; only counts by week tell that nothing rose.
    assert (Trend().fit(shop(steady())).scores < 0).all()


def test_what_nobody_took_this_week_is_not_offered():
    gone = [(f"g {n}", "gone", AS_OF - 9) for n in range(30)]
    assert "gone" not in offered(Trend().fit(shop(steady() + gone)))


def test_a_log_of_one_week_has_no_trend():
    recent = [row for row in steady() if row[2] >= AS_OF - 7]
    model = Trend().fit(shop(recent))
    assert offered(model) == []
    assert not np.isnan(model.scores).any()


def test_what_cannot_be_bought_is_no_trend():
    data = with_items(shop(steady()), {"item 03": {"is_offerable": False}})
    assert set(offered(Trend().fit(data))) == {*data.items} - {"item 03"}


def test_a_reference_that_is_no_multiple_is_refused():
    with pytest.raises(SettingsError, match="before_days = 30: must be a multiple of recent_days"):
        TrendParams(before_days=30)
