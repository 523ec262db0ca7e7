import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.candidates import OwnHistory, OwnHistoryParams, rhythm
from nightshelf.candidates.rhythm import GAPS, RATIOS, Rows
from nightshelf.dataset import Interactions
from tests.support.typed import typed_shop

AS_OF = 1000


def shop(rows, as_of=AS_OF):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def listed(model, user, k=10):
    found = model.recommend([user], k)
    return model.items[found.item_codes].tolist()


def every_28_days():
    """User n bought `paper` n + 1 days ago and every 28 days before; `ink` half a rhythm apart."""
    rows = []
    for n in range(28):
        for back in range(n + 1, 420, 28):
            rows.append((f"u{n:02d}", "paper", AS_OF - back))
        for back in range((n + 14) % 28 + 1, 420, 28):
            rows.append((f"u{n:02d}", "ink", AS_OF - back))
    return shop(rows)


def test_what_is_bought_every_28_days_is_first_when_due_and_not_the_day_after():
    model = OwnHistory().fit(every_28_days())
    assert listed(model, "u00") == ["ink", "paper"]  # paper yesterday, ink 15 days ago
    assert listed(model, "u26") == ["paper", "ink"]  # paper 27 days ago, ink 13


def test_without_strength_the_more_recent_comes_first():
    model = OwnHistory(OwnHistoryParams(strength=0)).fit(every_28_days())
    assert listed(model, "u00") == ["paper", "ink"]
    assert listed(model, "u26") == ["ink", "paper"]


def test_without_strength_the_score_is_the_decayed_count():
    rows = [("u", "a", AS_OF - 60), ("u", "a", AS_OF - 120), ("u", "b", AS_OF - 60)]
    model = OwnHistory(OwnHistoryParams(half_life_days=60, strength=0)).fit(shop(rows))
    found = model.recommend(["u"], 2)
    assert found.scores.tolist() == [0.75, 0.5]


def test_an_item_that_nobody_takes_again_falls_behind_one_that_all_do():
    milk = [(f"u{n}", "milk", AS_OF - back) for n in range(30) for back in range(5 + n % 7, 90, 14)]
    gift = [(f"u{n}", "gift", AS_OF - 20 - n) for n in range(30)]
    new = [("new", "milk", AS_OF - 8), ("new", "gift", AS_OF - 8), ("new", "gift", AS_OF - 9)]
    data = shop(milk + gift + new)
    assert listed(OwnHistory(OwnHistoryParams(strength=0)).fit(data), "new") == ["gift", "milk"]
    model = OwnHistory().fit(data)
    assert listed(model, "new") == ["milk", "gift"]
    gift, milk = model.rhythm.repeat
    assert gift < 1 < milk


def test_the_expected_gap_is_the_pairs_own_pulled_towards_the_items_and_the_shops():
    # u takes a on days 0, 10, 30 (two gaps of 15 on average), v takes b on days 0 and 6.
    rows = [("u", "a", 0), ("u", "a", 10), ("u", "a", 30), ("v", "b", 0), ("v", "b", 6)]
    pairs = Rows.of(shop(rows, 31)).pairs(31, 60.0)
    shop_mean = 36 / 3
    item = [(30 + 5 * shop_mean) / 7, (6 + 5 * shop_mean) / 6]
    expected = [(30 + 3 * item[0]) / 5, (6 + 3 * item[1]) / 4]
    assert pairs.expected_gaps(2) == pytest.approx(expected)


def test_a_pair_stands_in_the_bucket_of_its_ratio_and_its_gap():
    rows = [("u", "a", day) for day in range(0, 30, 10)]
    pairs = Rows.of(shop(rows, 35)).pairs(35, 60.0)
    # The shop knows gaps of 10 days only; 15 days have passed: 1.5 gaps.
    row, column = divmod(int(pairs.buckets(35, 1)[0]), len(GAPS) + 2)
    assert RATIOS[row] == 1.5
    assert GAPS[column - 1] == 10


def test_factors_are_what_came_back_over_what_the_count_let_expect():
    # Two windows; 8 users take b in both, 8 others take a once before them and something else after.
    rows = [(f"b{n}", "b", day) for n in range(8) for day in (970, 980, 990)]
    rows += [(f"a{n}", item, day) for n in range(8) for item, day in (("a", 970), ("c", 990))]
    data = shop(rows)
    learnt = rhythm.learn(Rows.of(data), 3, AS_OF, 120.0, 14, 1)
    # One look, as of day 986: 8 pairs of b came back, 8 pairs of a did not. Their counts differ by
    # an octave, so each is expected to do what it did: 8 of b, none of a; nothing is left to say.
    assert learnt.repeat == pytest.approx([1, 1, 1])
    assert learnt.due == pytest.approx(np.ones_like(learnt.due))
    # With one purchase of b less the counts are equal: half of each is expected.
    rows = [row for row in rows if row != (row[0], "b", 980)]
    learnt = rhythm.learn(Rows.of(shop(rows)), 3, AS_OF, 120.0, 14, 1)
    a, b, c = learnt.repeat
    assert a == pytest.approx(5 / (4 + 5))
    assert b == pytest.approx((8 + 5) / (4 + 5))
    assert c == 1


def test_a_short_history_says_nothing_of_the_rhythm():
    model = OwnHistory().fit(shop([("u", "a", AS_OF - 5), ("v", "a", AS_OF - 20)]))
    assert set(model.rhythm.due.ravel()) == set(model.rhythm.repeat) == {1.0}


def test_what_was_only_looked_at_has_a_factor_of_its_own():
    # Who looked two days before a cut buys after it; who bought does not come back for it.
    rows = []
    for n in range(100):
        for back in (16, 30, 44, 58):
            rows.append((f"u{n}", f"i{n}{back}", "view", AS_OF - back))
            rows.append((f"u{n}", f"i{n}{back}", "purchase", AS_OF - back + 2))
    rows += [("w", "x", "view", AS_OF - 2), ("w", "y", "view", AS_OF - 16)]
    rows += [("w", "y", "purchase", AS_OF - 14)]
    model = OwnHistory().fit(typed_shop(rows, AS_OF))
    looked_at, owned = model.rhythm.due[:, 0], model.rhythm.due[:, 1:]
    assert owned.min() < 1 < looked_at.max()
    plain = OwnHistory(OwnHistoryParams(strength=0)).fit(typed_shop(rows, AS_OF))
    assert listed(plain, "w") == ["y", "x"]
    assert listed(model, "w") == ["x", "y"]


def test_a_shop_without_purchases_has_its_rhythm_in_what_it_has():
    rows = [("u", "a", "view", day) for day in (980, 990)] + [("v", "b", "cart_add", 980)]
    data = typed_shop(rows, AS_OF)
    assert Rows.of(data).is_target.all()
    assert listed(OwnHistory().fit(data), "u") == ["a"]


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.1, 10)), min_size=1, max_size=12).map(
        lambda pairs: np.array(pairs).T
    )
)
def test_smoothing_leaves_one_peak_and_the_weighted_mean(columns):
    values, weights = columns
    smooth = rhythm._one_peak(values, weights)
    steps = np.sign(np.diff(smooth))
    assert (np.diff(steps[steps != 0]) <= 0).all()
    assert np.average(smooth, weights=weights) == pytest.approx(np.average(values, weights=weights))


def test_a_log_too_large_is_learnt_from_every_nth_user():
    rows = Rows.of(shop([(f"u{n:02d}", "a", 990) for n in range(10)]))
    assert rows.thinned(4).users.tolist() == [0, 3, 6, 9]
    assert rows.thinned(10) is rows


def test_what_decayed_to_nothing_is_not_offered():
    model = OwnHistory(OwnHistoryParams(half_life_days=0.1)).fit(
        shop([("u", "a", AS_OF - 900), ("u", "b", AS_OF - 1)])
    )
    assert listed(model, "u") == ["b"]
