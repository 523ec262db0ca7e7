"""Peers answer in the shape of ours, and learn what there is to learn."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from benchmarks.peers import PEERS
from tests.support import checkerboard

SMALL = {"implicit ALS": {"factors": 2}, "implicit BPR": {"factors": 8}}
SMALL |= {"scikit-learn SVD": {"factors": 2}, "scikit-learn NMF": {"factors": 2}}
every_peer = pytest.mark.parametrize("name", PEERS)


def asked(name, k, exclude=None, users=None):
    train = checkerboard.interactions().matrix()
    users = np.arange(train.shape[0]) if users is None else users
    return PEERS[name](train, users, k, exclude, **SMALL.get(name, {}))


@every_peer
def test_the_held_back_item_comes_first_among_new_ones(name):
    bought = checkerboard.interactions().bought()
    found = asked(name, 3, bought)
    expected = [checkerboard.held_back(user) for user in range(len(found))]
    # Pairwise ranking by chance misses some.
    assert np.mean(found[:, 0] == expected) >= (0.8 if name == "implicit BPR" else 1.0)


@every_peer
def test_no_list_holds_an_excluded_item_or_one_twice(name):
    exclude = np.random.default_rng(3).random((24, 24)) < 0.6
    exclude[5] = True
    found = asked(name, 9, csr_matrix(exclude))
    assert found.shape == (24, 9) and found.dtype == np.int32
    assert (found[5] == -1).all()
    for user, row in enumerate(found):
        items = row[row >= 0]
        assert len(set(items.tolist())) == len(items)
        assert not exclude[user, items].any()
        assert (row[len(items) :] == -1).all()


@every_peer
def test_users_are_answered_in_the_order_asked(name):
    some = np.array([7, 2, 11])
    assert asked(name, 5, users=some).tolist() == asked(name, 5)[some].tolist()
