"""What completes a cart, counted by hand."""

import numpy as np
import pytest

from nightshelf.candidates.carts import BACK_OFF, CartParams, completions
from nightshelf.candidates.companions import wilson_lower
from nightshelf.candidates.variants import Variants
from nightshelf.dataset.baskets import Baskets

PLAIN = CartParams(min_baskets=2, certainty=0.5, pairs=100, k=10)
"""What was counted is taken at its word: confidence is the plain share."""
LOG = ["abc"] * 6 + ["ab"] * 2 + ["ad"] * 2 + ["b"] * 2 + ["c"] + ["e"] * 7
"""20 baskets: a in 10, b in 10, c in 7, d in 2; a and b in 8, all three in 6."""


def baskets(log, parents=None, offerable=None) -> Baskets:
    items = sorted({item for basket in log for item in basket})
    codes = np.array([items.index(item) for basket in log for item in basket])
    numbers = np.array([n for n, basket in enumerate(log) for _ in basket])
    counts = np.bincount(codes, minlength=len(items))
    can = np.array([item not in (offerable or ()) for item in items])
    variants = Variants.of([(parents or {}).get(i, i) for i in items], can, counts)
    return Baskets(np.array(items, dtype=object), numbers, codes, variants)


def lists(log, params=PLAIN, **rest) -> dict[str, list[tuple[str, float, bool]]]:
    """Context → (completion, score, was counted), best first."""
    given = baskets(log, **rest)
    found = completions(given, params)
    told: dict[str, list] = {}
    for n in range(len(found.first)):
        pair = [found.first[n], found.second[n]]
        context = "".join(given.items[code] for code in pair if code >= 0)
        row = (given.items[found.items[n]], float(found.scores[n]), bool(found.counted[n]))
        told.setdefault(context, []).append(row)
    return {context: sorted(rows, key=lambda r: (-r[1], r[0])) for context, rows in told.items()}


def test_of_a_pair_the_baskets_with_all_three_are_counted():
    # Of 8 baskets with a and b, 6 hold c, which 7 of all 20 do.
    share = 6 / 8
    assert lists(LOG)["ab"][0] == ("c", pytest.approx(share * np.log(share / (7 / 20))), True)


def test_of_one_item_the_rule_counts():
    share = 2 / 10
    (found,) = [row for row in lists(LOG)["a"] if row[0] == "d"]
    assert found == ("d", pytest.approx(share * np.log(share / (2 / 20))), False)


def test_where_three_are_too_few_the_items_rules_stand_in_for_less():
    alone = {item: score for item, score, _ in lists(LOG)["a"]}
    assert ("d", pytest.approx(BACK_OFF * alone["d"]), False) in lists(LOG)["ab"]


def test_a_count_is_believed_as_far_as_its_interval_reaches():
    sure = lists(LOG, CartParams(min_baskets=2, certainty=0.95, pairs=100, k=10))
    bound = wilson_lower(np.array([6]), np.array([8]), 1.6448536269514722)[0]
    assert sure["ab"][0][1] == pytest.approx(bound * np.log(bound / (7 / 20)))
    assert sure["ab"][0][1] < lists(LOG)["ab"][0][1]


def test_nothing_completes_a_cart_that_holds_it():
    for context, rows in lists(LOG).items():
        assert not {item for item, _, _ in rows} & {*context}


def test_another_size_of_what_lies_in_the_cart_is_no_completion():
    log = ["abc"] * 6 + ["abC"] * 3 + ["cC"] * 3 + ["e"] * 12
    found = lists(log, parents={"c": "C"})
    assert all(item not in "cC" for context in ("ac", "bc") for item, _, _ in found[context])
    # Both sizes are one product: the more bought one is shown, and named once.
    assert [item for item, _, counted in found["ab"] if counted] == ["c"]
    assert found["C"] == found["c"]


def test_what_cannot_be_bought_completes_nothing_and_may_lie_in_a_cart():
    found = lists(LOG, offerable=("c",))
    assert all(item != "c" for rows in found.values() for item, _, _ in rows)
    assert "c" in found


def test_only_so_many_pairs_have_a_list_those_bought_most():
    found = lists(LOG, CartParams(min_baskets=2, certainty=0.5, pairs=1, k=10))
    assert [context for context in found if len(context) == 2] == ["ab"]
    assert lists(LOG, CartParams(2, 0.5, 0, 10)).keys() == {"a", "b", "c", "d"}


def test_a_list_is_no_longer_than_k():
    found = lists(LOG, CartParams(min_baskets=2, certainty=0.5, pairs=100, k=1))
    assert {len(rows) for rows in found.values()} == {1}


def test_without_a_pair_that_is_common_enough_there_is_nothing():
    found = completions(baskets(["ab", "cd", "e"]), PLAIN)
    assert len(found.first) == len(found.scores) == 0
