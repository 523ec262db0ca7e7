"""Who teaches a large shop: some of its users, and the same ones every night."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nightshelf.candidates.teachers import teachers

IDS = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=40)


def taught(ids, most, without=()) -> set[str] | None:
    """Ids of those who teach; `without`: who has taken nothing."""
    users = np.array(sorted(ids), dtype=object)
    rows = csr_matrix(np.array([[float(user not in without)] for user in users]))
    found = teachers(users, rows, most)
    if found is not None:
        assert (np.diff(found) > 0).all()
        return set(users[found].tolist())
    return None


@given(IDS, IDS, st.integers(1, 20))
def test_who_comes_takes_the_place_of_nobody_but_those_that_the_newcomers_fill(ids, more, most):
    before, after = taught(ids, most), taught(ids | more, most)
    if before is None:
        return
    assert len(before) == len(after) == most
    assert after - before <= more - ids


@given(IDS, st.integers(1, 20))
def test_who_has_taken_nothing_teaches_nothing_and_takes_no_place(ids, most):
    without = set(sorted(ids)[::2])
    assert taught(ids, most, without) == taught(ids - without, most) if ids - without else True


def test_everybody_teaches_as_long_as_they_are_no_more():
    assert taught("abc", 3) is None
    assert taught("abcd", 3, without="b") is None
    assert len(taught("abcd", 3)) == 3


def test_teachers_are_the_same_on_every_machine():
    assert taught("abcdefghij", 4) == set("defh")
