"""The rows a ranker learns from: every label, and a known share of the rest."""

import numpy as np
import pytest

from nightshelf.ranking.pool import Pool
from nightshelf.ranking.rows import joined, sampled

N_USERS, EACH = 40, 50


def pool() -> Pool:
    ids = [np.array([f"{kind}{n:03d}" for n in range(size)], dtype=object)
           for kind, size in (("u", N_USERS), ("i", EACH))]  # fmt: skip
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), EACH)
    items = np.tile(np.arange(EACH, dtype=np.int32), N_USERS)
    return Pool(*ids, users, items, {}, {})


def one_in(n: int) -> np.ndarray:
    return np.arange(N_USERS * EACH) % n == 0


def rows_of(taken, negatives=2, max_rows=10_000, seed=1, teaches=True):
    numbered = np.arange(len(taken), dtype=np.float32)[:, None]
    teaches = np.broadcast_to(teaches, len(taken))
    return sampled(pool(), numbered.__getitem__, taken, teaches, negatives, max_rows, seed)


def test_every_label_is_kept_and_two_others_for_each():
    found = rows_of(one_in(10))
    assert found.n_positives == 200
    assert len(found) == 600
    assert found.kept_share == pytest.approx(400 / 1800)


def test_features_are_asked_of_what_is_kept_and_of_nothing_else():
    asked = []

    def features(rows):
        asked.append(rows)
        return rows[:, None].astype(np.float32)

    taken = one_in(10)
    found = sampled(pool(), features, taken, np.ones(len(taken), bool), 2, 10_000, 1)
    assert [len(rows) for rows in asked] == [len(found)] == [600]
    assert (taken[asked[0]] == found.taken).all()


def test_what_does_not_teach_is_no_label_and_no_other():
    found = rows_of(one_in(10), teaches=~one_in(20))
    assert found.n_positives == 100
    assert not (found.matrix[:, 0] % 20 == 0).any()


def test_rows_of_a_user_stay_side_by_side_and_are_counted():
    found = rows_of(one_in(10))
    assert found.groups.sum() == len(found)
    users = found.matrix[:, 0].astype(int) // EACH
    assert (np.repeat(np.unique(users), found.groups) == users).all()


def test_the_same_seed_draws_the_same_rows():
    assert rows_of(one_in(10)).matrix.tobytes() == rows_of(one_in(10)).matrix.tobytes()
    assert rows_of(one_in(10)).matrix.tobytes() != rows_of(one_in(10), seed=2).matrix.tobytes()


def test_max_rows_thins_the_negatives_first():
    found = rows_of(one_in(10), negatives=9, max_rows=1_400)
    assert (found.n_positives, len(found)) == (200, 1_400)


def test_with_more_labels_than_room_whole_users_are_left_out():
    found = rows_of(one_in(2), negatives=5, max_rows=1_200)
    users = found.matrix[:, 0].astype(int) // EACH
    assert found.n_positives == 200
    assert len(np.unique(users)) == 8


def test_shares_of_several_cuts_are_weighed_by_their_negatives():
    both = joined([rows_of(one_in(10)), rows_of(one_in(10), negatives=9)])
    assert both.kept_share == pytest.approx((400 + 1800) / 3600)


def test_a_cut_without_labels_gives_no_rows():
    found = rows_of(np.zeros(N_USERS * EACH, dtype=bool))
    assert len(found) == 0
    assert not found.suffice(1)
