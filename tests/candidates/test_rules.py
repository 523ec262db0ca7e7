from math import log

import numpy as np
import pytest

from nightshelf.candidates import Rules, RulesParams
from nightshelf.candidates.companions import baskets_of, wilson_lower
from nightshelf.candidates.rules import association_rules
from nightshelf.candidates.variants import Variants
from nightshelf.errors import SettingsError
from tests.support import checkerboard
from tests.support.typed import typed_shop

AS_OF = 1000
FOREVER = 1e12
AT_ITS_WORD = {"min_baskets": 1, "certainty": 0.5, "profile_half_life_days": FOREVER}


def fitted(rows, catalogue=None, **changes):
    """Rows of (user, day, items of the basket)."""
    flat = [(user, item, "purchase", day) for user, day, items in rows for item in items]
    model = Rules(RulesParams(**{**AT_ITS_WORD, **changes}))
    return model.fit(typed_shop(flat, AS_OF, catalogue))


def scores(model, user):
    found = model.recommend([user], 100)
    return dict(zip(model.items[found.item_codes], found.scores.tolist(), strict=True))


def holds(*baskets, n=4):
    lines = [(number, item) for number, basket in enumerate(baskets) for item in basket]
    return baskets_of(*np.array(lines).T, n)


def test_wilsons_lower_bound_of_known_shares():
    # From the closed form at z = 1.96: n / (n + z²) where all hit.
    assert wilson_lower(np.array([2]), np.array([2]), 1.96) == pytest.approx([2 / (2 + 1.96**2)])
    assert wilson_lower(np.array([5]), np.array([10]), 1.96) == pytest.approx([0.236590], abs=1e-6)
    assert wilson_lower(np.array([0, 3]), np.array([9, 3]), 0.0).tolist() == [0.0, 1.0]
    assert wilson_lower(np.array([0]), np.array([9]), 1.96).tolist() == [0.0]


def test_support_confidence_and_lift_of_known_baskets():
    # a in 3 of 5 baskets, b in 2, c in 2; a and b together in 2.
    table = association_rules(holds([0, 1], [0, 1], [0, 2], [2], [3]), 1, 0.5)
    rules = list(zip(table.antecedents.tolist(), table.consequents.tolist(), strict=True))
    # a and c share one basket where chance gives 3 × 2 / 5 = 1.2: no rule.
    assert rules == [(0, 1), (1, 0)]
    assert table.baskets.tolist() == [2, 2]
    assert table.confidence == pytest.approx([2 / 3, 1])
    assert table.lift == pytest.approx([2 / 3 / (2 / 5), 1 / (3 / 5)])


def test_two_of_two_baskets_do_not_beat_eighty_of_a_hundred():
    baskets = [[0, 1]] * 80 + [[0]] * 20 + [[2, 3]] * 2 + [[4]] * 300
    table = association_rules(holds(*baskets, n=5), 1, 0.95)
    bound = {
        (a, b): c
        for a, b, c in zip(table.antecedents, table.consequents, table.confidence, strict=True)
    }
    assert bound[0, 1] > bound[2, 3]
    at_its_word = association_rules(holds(*baskets, n=5), 1, 0.5).confidence
    assert at_its_word.max() == 1.0


def test_pairs_in_too_few_baskets_are_no_rules():
    assert len(association_rules(holds([0, 1], [0, 1], [2, 3], [3]), 2, 0.5)) == 2
    assert len(association_rules(holds([0, 1], [2], [3]), 2, 0.5)) == 0


def test_rules_equal_a_count_by_hand_over_random_baskets():
    generator = np.random.default_rng(5)
    full = generator.random((60, 8)) < 0.3
    table = association_rules(baskets_of(*np.nonzero(full), 8), 2, 0.95)
    n = np.count_nonzero(full.any(axis=1))
    expected = {}
    for a in range(8):
        for b in range(8):
            both, of_a = np.count_nonzero(full[:, a] & full[:, b]), np.count_nonzero(full[:, a])
            if a != b and both >= 2:
                bound = wilson_lower(np.array([both]), np.array([of_a]), 1.6448536)[0]
                lift = bound / (np.count_nonzero(full[:, b]) / n)
                if lift > 1:
                    expected[a, b] = pytest.approx((both, bound, lift))
    columns = (table.baskets, table.confidence, table.lift)
    found = zip(*columns, strict=True)
    assert dict(
        zip(zip(table.antecedents, table.consequents, strict=True), found, strict=True)
    ) == (expected)


def test_a_users_items_vote_by_their_rules():
    rows = [("u", 990, "ab"), ("v", 991, "ab"), ("w", 992, "a"), ("x", 993, "c"), ("y", 994, "c")]
    # Five baskets; a leads to b in 2 of 3, and b is in 2 of 5.
    confidence = 2 / 3
    strength = confidence * log(confidence / (2 / 5))
    assert scores(fitted(rows), "w") == pytest.approx({"b": log(2) * strength})
    assert scores(fitted(rows), "x") == {}


def test_an_old_purchase_speaks_less():
    rows = [("u", 990, "ab"), ("v", 991, "ab"), ("w", 980, "a"), ("x", 993, "c")]
    now = scores(fitted(rows), "w")["b"]
    later = scores(fitted(rows, profile_half_life_days=10.0), "w")["b"]
    assert later == pytest.approx(now * log(1 + 2**-2) / log(2))


def shirts():
    """Trousers go with shirts, of either colour; two colours of one shirt in one basket."""
    rows = [(f"u{n}", 990, ["trousers", "shirt red"]) for n in range(2)]
    rows += [(f"v{n}", 990, ["trousers", "shirt blue"]) for n in range(3)]
    rows += [("two", 991, ["shirt red", "shirt blue"]), ("w", 992, ["trousers"])]
    rows += [(f"z{n}", 993, ["socks"]) for n in range(9)]
    return rows


PARENTS = {"shirt red": "shirt", "shirt blue": "shirt", "shirt white": "shirt"}


def test_variants_are_one_consequent_and_the_most_bought_is_offered():
    found = scores(fitted(shirts(), {"parent_id": PARENTS}), "w")
    assert set(found) == {"shirt blue"}
    # Five of six baskets with trousers have a shirt; six of sixteen have one.
    confidence = 5 / 6
    assert found["shirt blue"] == pytest.approx(log(2) * confidence * log(confidence / (6 / 16)))


def test_a_variant_is_no_companion_of_another():
    model = fitted(shirts(), {"parent_id": PARENTS})
    assert set(scores(model, "two")) == {"trousers"}
    assert set(scores(fitted(shirts()), "two")) == {"trousers", "shirt red", "shirt blue"}


def test_the_offered_variant_can_be_bought():
    off = {"shirt blue": False}
    model = fitted(shirts(), {"parent_id": PARENTS, "is_offerable": off})
    assert set(scores(model, "w")) == {"shirt red"}
    none = dict.fromkeys(PARENTS, False)
    model = fitted(shirts(), {"parent_id": PARENTS, "is_offerable": none})
    assert scores(model, "w") == {}


def test_variants_of_equal_counts_are_shown_by_item_code():
    variants = Variants.of(["p", "q", "p", "q", "q"], np.ones(5, bool), np.array([1, 2, 1, 1, 3]))
    assert variants.products.tolist() == [0, 1, 0, 1, 1]
    assert variants.shown.tolist() == [0, 4]


def test_baskets_are_of_purchases_and_views_speak():
    rows = [(f"u{n}", item, "purchase", 990) for n in range(3) for item in "ab"]
    rows += [("x", "c", "purchase", 990), ("x", "d", "view", 990), ("x", "e", "view", 990)]
    rows += [("w", "a", "view", 999)]
    model = Rules(RulesParams(**AT_ITS_WORD)).fit(typed_shop(rows, AS_OF))
    assert set(scores(model, "w")) == {"b"}
    assert model.rules.nnz == 2  # a and b; d and e were looked at together, no more


def test_a_robots_basket_is_left_out():
    rows = [("robot", 999, "abcdef"), ("u", 999, "ab"), ("v", 998, "c")]
    assert fitted(rows, max_items_per_basket=5).rules.nnz == 2


def test_old_baskets_make_no_rules():
    rows = [("u", AS_OF - 20, "ab"), ("v", AS_OF - 1, "c")]
    assert fitted(rows, days=10).rules.nnz == 0


def test_only_the_strongest_rules_of_a_product_are_kept():
    rows = [("u", 990, "abc"), ("v", 991, "ac"), ("w", 992, "d"), ("x", 993, "d"), ("y", 994, "b")]
    model = fitted(rows, consequents=1)
    assert set(scores(model, "v")) == {"a", "c"}
    assert np.diff(model.rules.indptr).max() == 1


def test_the_held_back_item_comes_first_among_new_ones():
    shop = checkerboard.interactions()
    model = Rules(RulesParams(min_baskets=1, certainty=0.5)).fit(shop)
    found = model.recommend(shop.users, 1, shop.bought())
    colour = np.array([int(model.items[code].split()[1]) % 2 for code in found.item_codes])
    assert colour.tolist() == [user % 2 for user in found.users]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("min_baskets", 0, "at least 1"),
        ("certainty", 1.0, "from 0.5 to below 1"),
        ("max_items_per_basket", 1, "2 or more"),
    ],
)
def test_a_wrong_setting_is_refused(key, value, rule):
    with pytest.raises(SettingsError, match=f"{key} = {value}: must be {rule}"):
        RulesParams(**{key: value})
