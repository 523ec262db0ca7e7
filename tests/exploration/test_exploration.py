"""Exploring slots: logged chance = frequency, the budget, the pool, and chance that hangs on names."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import chisquare

from nightshelf.errors import InputError, SettingsError
from nightshelf.exploration import (
    Candidates,
    Law,
    explore_by_thompson,
    explore_uniformly,
    keys,
    posteriors,
    seed_of,
)
from nightshelf.ope import LoggedImpressions, Options, Sampling, evaluate

SEED = seed_of("2026-05-01", "rec_for_you")
ITEMS = 9
LAW = Law.of(
    posteriors(
        clicks=np.array([1, 9, 4, 0, 0, 30, 12, 2, 5]),
        impressions=np.array([400, 400, 400, 0, 50, 900, 400, 9, 100]),
        is_new=np.arange(ITEMS) == 3,
    )
)


def uniformly(candidates, k, budget, seed=SEED):
    return explore_uniformly(candidates, k, budget, seed)


def by_thompson(candidates, k, budget, seed=SEED):
    return explore_by_thompson(candidates, k, budget, seed, LAW)


POLICIES = pytest.mark.parametrize("explore", [uniformly, by_thompson])


def alike(lists: int, pool: int = ITEMS) -> Candidates:
    """Lists of the same `pool` candidates, best first, for users of their own names."""
    return Candidates(
        context=np.repeat(np.arange(lists), pool),
        item=np.tile(np.arange(pool), lists),
        score=-np.tile(np.arange(pool), lists).astype(float),
        context_keys=keys(f"user {n}" for n in range(lists)),
        item_keys=keys(f"item {n}" for n in range(ITEMS)),
    )


def chances_by_slot(candidates, slots, k) -> tuple[np.ndarray, np.ndarray]:
    """(k, ITEMS) each: how often a slot showed an item, and the chance logged when it did."""
    shown, logged = np.zeros((k, ITEMS)), np.zeros((k, ITEMS))
    at = slots.rank - 1, candidates.item[slots.row]
    np.add.at(shown, at, 1)
    logged[at] = slots.propensity
    assert np.array_equal(logged[at], slots.propensity)  # alike lists have alike chances
    return shown, logged


@POLICIES
@pytest.mark.parametrize(("k", "budget"), [(3, 0.2), (3, 0.5), (4, 1.0), (7, 0.6)])
def test_a_slot_shows_an_item_as_often_as_its_logged_propensity_says(explore, k, budget):
    lists = 40_000
    candidates = alike(lists)
    shown, logged = chances_by_slot(candidates, explore(candidates, k, budget), k)
    assert logged.sum(axis=1) == pytest.approx(np.ones(k), abs=1e-6)
    for rank in range(k):
        seen = logged[rank] > 0
        p = chisquare(shown[rank, seen], lists * logged[rank, seen] / logged[rank].sum()).pvalue
        assert p > 1e-4, (rank, p)


def test_the_chances_of_an_even_draw_are_the_designed_ones():
    slots = uniformly(alike(1000), 3, 0.2)
    assert set(slots.propensity[slots.is_exploration]) == {0.2 / 6}
    assert set(slots.propensity[~slots.is_exploration]) == {0.8}


@POLICIES
def test_exploring_slots_show_the_pool_once_each_and_other_slots_their_own_rank(explore):
    candidates = alike(2000)
    slots = explore(candidates, 4, 0.7)
    items = candidates.item[slots.row]
    assert (items[slots.is_exploration] >= 4).all()
    assert np.array_equal(items[~slots.is_exploration], slots.rank[~slots.is_exploration] - 1)
    pairs = candidates.context[slots.row] * ITEMS + items
    assert len(np.unique(pairs)) == len(pairs)


def test_a_list_explores_its_budget_rounded_up_or_down():
    slots = uniformly(alike(5000), 4, 0.3)
    explored = slots.is_exploration.reshape(-1, 4).sum(axis=1)
    assert set(explored) == {1, 2}
    assert explored.mean() == pytest.approx(1.2, abs=0.03)


def test_a_part_without_items_leaves_the_slot_to_its_ranked_item():
    slots = by_thompson(alike(20_000, pool=5), 4, 0.5)
    explored = slots.is_exploration.reshape(-1, 4).sum(axis=1)
    assert set(explored) == {1}  # one item falls into one of two parts
    assert set(slots.propensity[~slots.is_exploration]) == {0.75}
    assert slots.propensity[slots.is_exploration] == pytest.approx(0.25, abs=1e-6)


def test_a_pool_smaller_than_the_budget_is_never_overdrawn():
    slots = uniformly(alike(5000, pool=5), 4, 0.9)
    assert slots.is_exploration.reshape(-1, 4).sum(axis=1).max() == 1
    assert set(slots.propensity[slots.is_exploration]) == {0.25}


def test_an_even_share_bounds_every_propensity_from_below():
    slots = by_thompson(alike(5000), 3, 0.3)
    alone = explore_by_thompson(alike(5000), 3, 0.3, SEED, LAW, even=0.0)
    assert slots.propensity[slots.is_exploration].min() > 0.3 * 0.1 / 6
    assert alone.propensity[alone.is_exploration].min() < 0.3 * 0.1 / 6


@POLICIES
def test_no_budget_and_no_pool_leave_the_list_as_it_is(explore):
    for slots in (explore(alike(50), 4, 0.0), explore(alike(50, pool=4), 4, 0.5)):
        assert not slots.is_exploration.any()
        assert set(slots.propensity) == {1.0}
    assert list(explore(alike(1, pool=2), 4, 0.5).rank) == [1, 2]


def test_the_only_item_of_a_pool_is_certain_and_no_more_than_that():
    for item in range(1, ITEMS):
        two = replace(alike(1, pool=2), item=np.array([0, item]))
        (chance,) = by_thompson(two, 1, 1.0).propensity
        assert 1 - 1e-6 < chance <= 1


@POLICIES
def test_no_candidates_are_no_slots(explore):
    assert not len(explore(alike(0), 3, 0.5).row)


@POLICIES
def test_a_list_is_the_same_whoever_else_is_in_the_night_and_whatever_their_codes(explore):
    whole = alike(300)
    told = told_of(whole, explore(whole, 3, 0.5))
    order = np.random.default_rng(1).permutation(300)[:40]
    rows = np.concatenate([np.arange(ITEMS) + ITEMS * c for c in order])
    fewer = Candidates(
        np.repeat(np.arange(40), ITEMS),
        whole.item[rows],
        whole.score[rows],
        whole.context_keys[order],
        whole.item_keys,
    )
    found = told_of(fewer, explore(fewer, 3, 0.5))
    assert found and found.items() <= told.items()


def told_of(candidates, slots) -> dict:
    rows = slots.row
    at = zip(candidates.context_keys[candidates.context[rows]], slots.rank, strict=True)
    return dict(zip(at, zip(candidates.item[rows], slots.propensity, strict=True), strict=True))


@POLICIES
def test_another_order_of_a_list_s_candidates_changes_nothing(explore):
    whole = alike(50)
    mixed = np.concatenate(
        [ITEMS * c + np.random.default_rng(c).permutation(ITEMS) for c in range(50)]
    )
    other = Candidates(
        whole.context, whole.item[mixed], whole.score[mixed], whole.context_keys, whole.item_keys
    )
    assert told_of(whole, explore(whole, 3, 0.5)) == told_of(other, explore(other, 3, 0.5))


@POLICIES
def test_another_night_and_another_placement_explore_otherwise(explore):
    candidates = alike(200)
    seeds = (SEED, seed_of("2026-05-02", "rec_for_you"), seed_of("2026-05-01", "rec_discover"))
    rows = [explore(candidates, 3, 0.5, seed).row for seed in seeds]
    for one, other in pairwise(rows):
        assert (one != other).mean() > 0.2


def test_blocks_of_lists_change_no_byte(monkeypatch):
    candidates = alike(500)
    whole = by_thompson(candidates, 3, 0.6)
    monkeypatch.setattr("nightshelf.exploration.law.LISTS_AT_ONCE", 7)
    assert by_thompson(candidates, 3, 0.6).propensity.tobytes() == whole.propensity.tobytes()


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("seen", [0, 50, 5000, 10**6])
def test_the_chances_of_a_pool_sum_to_one_within_a_millionth(parts, seen):
    generator = np.random.default_rng(seen)
    n = 40
    impressions = np.full(n, seen)
    clicks = generator.binomial(impressions, generator.beta(3, 300, n))
    law = Law.of(posteriors(clicks, impressions, np.zeros(n, dtype=bool)))
    found = law.chances(csr_matrix(np.ones((1, n))), np.zeros(n, dtype=int), np.arange(n), parts)
    assert found.sum() * parts == pytest.approx(parts * (1 - (1 - 1 / parts) ** n), abs=1e-6)


def test_the_law_s_chances_are_those_of_the_betas():
    generator = np.random.default_rng(1)
    impressions = np.array([30, 200, 800, 3000, 0, 100])
    found = posteriors(np.array([1, 3, 11, 45, 0, 0]), impressions, impressions == 0)
    draws = generator.beta(found.alpha, found.beta, (400_000, 6))
    frequency = np.bincount(draws.argmax(axis=1), minlength=6) / len(draws)
    one = csr_matrix(np.ones((1, 6)))
    chances = Law.of(found).chances(one, np.zeros(6, dtype=int), np.arange(6), 1)
    assert chances == pytest.approx(frequency, abs=0.01)


def test_a_new_item_is_lifted_and_a_sure_one_still_doubted():
    found = posteriors(
        np.array([10, 10, 0, 0, 10**5]),
        np.array([1000, 1000, 0, 0, 10**7]),
        np.array([False, False, True, False, False]),
        lift=2.0,
    )
    means = found.alpha / (found.alpha + found.beta)
    assert means[2] == pytest.approx(2 * means[3])
    assert means[4] == pytest.approx(0.01, rel=0.01)
    assert found.alpha[4] + found.beta[4] == pytest.approx(7000)


def test_equal_rates_make_a_strong_prior_and_unlike_ones_a_weak_one():
    impressions, old = np.full(50, 1000), np.zeros(50, dtype=bool)
    equal = posteriors(np.full(50, 10), impressions, old)
    unlike = posteriors(np.where(np.arange(50) < 5, 200, 0), impressions, old)
    assert equal.alpha[0] + equal.beta[0] == pytest.approx(3000)
    assert unlike.alpha[0] + unlike.beta[0] == pytest.approx(1020)


def test_a_shop_without_impressions_believes_all_items_alike():
    none = np.zeros(3, dtype=int)
    assert len({*posteriors(none, none, none > 0).alpha}) == 1


def test_what_cannot_be_explored_is_refused_in_words():
    whole = alike(2)
    with pytest.raises(
        SettingsError, match=r"budget of 1.5 is no share of slots(.|\n)*Give 0 to 1"
    ):
        uniformly(whole, 3, 1.5)
    with pytest.raises(SettingsError, match="A list of 0 slots"):
        by_thompson(whole, 0, 0.5)
    with pytest.raises(SettingsError, match="even share of 2"):
        explore_by_thompson(whole, 3, 0.5, SEED, LAW, even=2)
    with pytest.raises(InputError, match="Candidate 4 has the score nan"):
        score = np.where(np.arange(18) == 4, np.nan, whole.score)
        Candidates(whole.context, whole.item, score, whole.context_keys, whole.item_keys)
    with pytest.raises(InputError, match="not sorted by context"):
        Candidates(
            whole.context[::-1], whole.item, whole.score, whole.context_keys, whole.item_keys
        )
    with pytest.raises(InputError, match="Item 1 has 3 clicks of 2 impressions"):
        posteriors(np.array([0, 3]), np.array([1, 2]), np.zeros(2, dtype=bool))
    with pytest.raises(SettingsError, match="A lift of 0.5 hides new items"):
        posteriors(np.zeros(1), np.zeros(1), np.zeros(1, dtype=bool), lift=0.5)


@POLICIES
def test_a_log_made_by_exploration_gives_the_value_of_another_policy(explore):
    """Item 6 always second, by the log of a policy that shows it there now and then."""
    lists, k = 40_000, 3
    candidates = alike(lists)
    slots = explore(candidates, k, 0.5)
    items, at = candidates.item[slots.row], slots.rank - 1
    clicked = np.random.default_rng(1).random(len(items)) < 0.1 + 0.05 * items + 0.02 * at
    wanted = np.array([0, 6, 2])
    found = evaluate(
        LoggedImpressions(
            clicked.astype(float),
            slots.propensity,
            (items == wanted[at]).astype(float),
            context=candidates.context[slots.row],
            position=at,
        ),
        Options(sampling=Sampling("normal", level=0.9999)),
    )
    truth = (0.1 + 0.05 * wanted + 0.02 * np.arange(k)).mean()
    for value in (found.values["IPS"], found.values["SNIPS"]):
        assert value.low <= truth <= value.high
    assert found.values["IPS"].high - found.values["IPS"].low < 0.2 * truth
    assert found.mean_weight.low <= 1 <= found.mean_weight.high
