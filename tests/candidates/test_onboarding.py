"""The items to ask a newcomer about: known answers, and the joint entropy they claim to raise."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nightshelf.candidates.onboarding import telling

USERS = np.arange(16)
EVERYBODY = np.ones(16, dtype=bool)
HALF = USERS % 2 == 0
OTHER_HALF = USERS // 2 % 2 == 0
QUARTER = USERS // 4 == 0
NOBODY = np.zeros(16, dtype=bool)


def asked(*columns, groups=None, can=None, k=9):
    taken = csr_matrix(np.stack(columns, axis=1))
    n = len(columns)
    groups = np.full(n, -1) if groups is None else np.array(groups)
    can = np.ones(n, dtype=bool) if can is None else np.array(can)
    items, bits = telling(taken, can, groups, k)
    return items.tolist(), bits.tolist()


def test_what_half_of_the_users_take_tells_more_than_what_all_take():
    assert asked(EVERYBODY, QUARTER, HALF, k=1) == ([2], [1.0])


def test_an_answer_that_another_gives_away_is_not_asked_for():
    assert asked(HALF, ~HALF, OTHER_HALF) == ([0, 2], [1.0, 1.0])


def test_the_bits_are_what_each_answer_adds_to_the_joint_entropy():
    rng = np.random.default_rng(7)
    columns = [rng.random(400) < p for p in (0.5, 0.4, 0.3, 0.3, 0.2)]
    items, bits = asked(*columns)
    joint = [0.0]
    for n in range(1, len(items) + 1):
        patterns = np.stack([columns[i] for i in items[:n]], axis=1)
        shares = np.unique(patterns, axis=0, return_counts=True)[1] / 400
        joint.append(-(shares * np.log2(shares)).sum())
    assert bits == pytest.approx(np.diff(joint), abs=1e-9)
    assert bits == sorted(bits, reverse=True)


def test_a_category_is_asked_about_once_while_there_is_another():
    third = USERS // 8 == 0
    assert asked(HALF, OTHER_HALF, third, QUARTER, groups=[0, 0, 1, 2], k=2)[0] == [0, 2]
    assert sorted(asked(HALF, OTHER_HALF, third, groups=[0, 0, 1])[0]) == [0, 1, 2]


def test_what_cannot_be_bought_is_not_asked_about():
    assert asked(HALF, OTHER_HALF, can=[False, True])[0] == [1]


def test_equal_answers_go_to_the_first_item():
    assert asked(HALF, HALF)[0] == [0]


def test_as_many_answers_as_users_take_the_memory_of_what_was_taken():
    """A number for each cell and item would be 80 MB here."""
    rng = np.random.default_rng(7)
    rows, columns = np.repeat(np.arange(20_000), 12), rng.zipf(1.3, 240_000) % 500
    taken = csr_matrix((np.ones(240_000, dtype=bool), (rows, columns)), (20_000, 500))
    tracemalloc.start()
    items, _ = telling(taken, np.ones(500, dtype=bool), np.full(500, -1), 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(items.tolist())) == 20
    assert peak < 30e6


def test_where_nobody_took_anything_nothing_is_asked():
    assert asked(NOBODY, NOBODY) == ([], [])
    assert asked(HALF, k=0) == ([], [])
