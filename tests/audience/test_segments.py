"""Segments: which clusters are found, what they are called, and that they stay what they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.audience.segments import (
    AVERAGE,
    LastNight,
    Profiles,
    SegmentParams,
    Segments,
    learn,
    matched,
    name_of,
)

TRAITS = ("frequency", "basket", "evening")
PLACES = np.array([[2.0, -1.0, 1.5], [-1.5, 2.0, 0.0], [0.0, 0.0, -2.5], [-1.5, -1.5, 1.0]])
"""Where four groups of shoppers stand."""
NAMES = {
    "often, evenings, small baskets", "large baskets, rarely", "by day",
    "rarely, small baskets, evenings",
}  # fmt: skip


def profiles(n_each: int = 60, seed: int = 1) -> Profiles:
    rng = np.random.default_rng(seed)
    matrix = np.repeat(PLACES, n_each, axis=0) + rng.normal(0, 0.2, (n_each * len(PLACES), 3))
    users = np.array([f"user {n:04d}" for n in range(len(matrix))], dtype=object)
    return Profiles(users, TRAITS, matrix)


def as_published(made: Segments, of: Profiles, highest: int = 0) -> LastNight:
    names = dict(zip(made.numbers.tolist(), made.names, strict=True))
    return LastNight(of.users, made.of(of.matrix), names, max(highest, int(made.numbers.max())))


def subset(of: Profiles, kept: np.ndarray) -> Profiles:
    return Profiles(of.users[kept], of.names, of.matrix[kept])


def test_four_groups_are_four_segments_named_after_what_marks_them():
    made, report = learn(profiles(), None, SegmentParams())
    assert report["k"] == 4
    assert set(made.names) == NAMES
    labels = made.of(profiles().matrix).reshape(4, 60)
    assert [len(np.unique(row)) for row in labels] == [1, 1, 1, 1]
    assert sorted(np.unique(labels)) == [1, 2, 3, 4]


def test_learning_twice_gives_the_same_bytes():
    one, other = (learn(profiles(), None, SegmentParams())[0].arrays() for _ in range(2))
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_refit_on_other_users_with_another_seed_keeps_numbers_and_names(seed):
    first, _ = learn(profiles(), None, SegmentParams())
    rng = np.random.default_rng(seed)
    kept = rng.random(240) < 0.8
    tonight = subset(profiles(seed=seed + 10), kept)
    params = dataclasses.replace(SegmentParams(), seed=seed)
    second, report = learn(tonight, as_published(first, profiles()), params)
    expected = first.of(profiles().matrix)[kept]
    assert (second.of(tonight.matrix) == expected).all()
    assert report["moved"] == 0.0
    assert set(second.names) == NAMES


def test_numbers_follow_the_users_however_the_old_ones_were_permuted():
    first, _ = learn(profiles(), None, SegmentParams())
    swap = np.array([0, 7, 2, 9, 4])
    published = as_published(first, profiles())
    before = LastNight(
        published.users,
        swap[published.segments].astype(np.int32),
        {int(swap[n]): name for n, name in published.names.items()},
        9,
    )
    second, _ = learn(profiles(seed=2), before, SegmentParams())
    assert (second.of(profiles().matrix) == swap[first.of(profiles().matrix)]).all()


def test_a_group_that_leaves_takes_its_number_with_it_and_a_new_one_gets_a_new_number():
    first, _ = learn(profiles(), None, SegmentParams())
    numbers = first.of(profiles().matrix)
    rng = np.random.default_rng(0)
    newcomers = np.array([3.0, 3.0, 3.0]) + rng.normal(0, 0.2, (60, 3))
    users = np.array([f"new {n}" for n in range(60)], dtype=object)
    stayed = profiles()
    tonight = Profiles(
        np.concatenate([users, stayed.users[60:]]),
        TRAITS,
        np.concatenate([newcomers, stayed.matrix[60:]]),
    )
    second, report = learn(tonight, as_published(first, stayed), SegmentParams())
    found = second.of(tonight.matrix)
    assert (found[60:] == numbers[60:]).all()
    assert set(found[:60]) == {5}
    assert (report["k"], report["highest"], report["moved"]) == (4, 5, 0.0)


def test_another_number_of_segments_must_be_better_by_the_margin():
    first, _ = learn(profiles(), None, SegmentParams(fewest=5, most=5))
    before = as_published(first, profiles())
    stays, report = learn(profiles(), before, SegmentParams(margin=1.0))
    changes, _ = learn(profiles(), before, SegmentParams(margin=0.0))
    assert (len(stays.numbers), len(changes.numbers)) == (5, 4)
    assert report["silhouettes"]["4"] > report["silhouettes"]["5"]


def test_users_who_do_not_differ_make_no_segments():
    alike = Profiles(profiles().users, TRAITS, np.zeros((240, 3)))
    made, report = learn(alike, None, SegmentParams())
    assert made is None
    assert report["told"] == "1 different profiles, 4 wanted"
    assert learn(Profiles(alike.users, (), np.zeros((240, 0))), None, SegmentParams())[0] is None


labels = st.lists(st.integers(0, 3), min_size=1, max_size=40)


@given(labels, st.permutations(range(4)))
def test_a_renumbering_is_undone_by_matching(of_users, renumbering):
    clusters = np.array(of_users)
    before = np.array(renumbering)[clusters] + 1
    found = matched(clusters, 4, before, before)
    assert (found[clusters] == before).all()


@given(labels, labels)
def test_no_number_is_given_twice_and_none_to_strangers(one, other):
    n = min(len(one), len(other))
    clusters, before = np.array(one[:n]), np.array(other[:n]) + 1
    found = matched(clusters, 4, before, before)
    given_out = found[found > 0]
    assert len(set(given_out)) == len(given_out)
    for cluster, number in enumerate(found):
        if number:
            mine, theirs = clusters == cluster, before == number
            assert (mine & theirs).sum() / (mine | theirs).sum() >= 1 / 3


def test_a_name_stays_while_its_words_hold_and_changes_when_they_do_not():
    before = "often, small baskets"
    assert name_of({"frequency": 0.4, "basket": -0.3, "evening": 0.9}, before) == before
    assert name_of({"frequency": 0.1, "basket": -0.3, "evening": 0.9}, before) == "evenings"
    assert name_of({"frequency": -0.6, "basket": -0.3, "evening": 0.0}, before) == "rarely"


def test_the_strongest_word_stands_alone_where_none_is_strong_and_nothing_is_average():
    assert name_of({"frequency": 0.3, "basket": -0.2}) == "often"
    assert name_of({"frequency": 0.2, "basket": -0.2}) == AVERAGE
    assert name_of({"frequency": 0.3, "basket": -0.2}, AVERAGE) == AVERAGE
