"""Item-kNN by Jaccard and BM25; cosine and TF-IDF stand in test_models.py."""

import numpy as np
import pytest

from nightshelf.candidates import ItemKnn, ItemKnnParams
from nightshelf.dataset import Interactions


def shop(rows, as_of=100):
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, as_of)


def similarity(rows, **changes):
    params = ItemKnnParams(**{"shrinkage": 0.0, "min_buyers": 1, **changes})
    return ItemKnn(params).fit(shop(rows)).similarity.toarray()


SETS = [
    (user, item, 1) for item, users in {"a": "uvw", "b": "uv", "c": "w"}.items() for user in users
]


def test_jaccard_is_buyers_of_both_over_buyers_of_either():
    found = similarity(SETS, similarity="jaccard", weighting="none")
    assert found == pytest.approx(np.array([[0, 2 / 3, 1 / 3], [2 / 3, 0, 0], [1 / 3, 0, 0]]))


def test_jaccard_counts_a_buyer_once():
    again = [*SETS, ("u", "a", 2), ("u", "b", 3)]
    changes = {"similarity": "jaccard", "weighting": "none"}
    assert similarity(again, **changes).tolist() == similarity(SETS, **changes).tolist()


def test_shrinkage_adds_to_the_union():
    found = similarity(SETS, similarity="jaccard", weighting="none", shrinkage=1.0)
    assert found[0] == pytest.approx([0, 2 / 4, 1 / 4])


REPEATS = [("u", "a", 1), ("u", "a", 2), ("u", "b", 1), ("v", "a", 1), ("v", "b", 1)]
"""u takes a twice. Users are alike rare, so their weights cancel."""


@pytest.mark.parametrize(
    ("k1", "b", "cosine"),
    [
        # a is (4/3, 1), b is (1, 1).
        (1.0, 0.0, 7 / (5 * 2**0.5)),
        # a is (2·2 / (2 + 1.2), 2 / (1 + 1.2)), and b's entries stay alike.
        (1.0, 1.0, (1.25 + 2 / 2.2) / ((1.25**2 + (2 / 2.2) ** 2) ** 0.5 * 2**0.5)),
        (0.0, 0.75, 1.0),
    ],
)
def test_bm25_by_hand(k1, b, cosine):
    found = similarity(REPEATS, weighting="bm25", k1=k1, b=b)
    assert found == pytest.approx(np.array([[0, cosine], [cosine, 0]]), abs=1e-6)


def test_bm25_weighs_users_as_tfidf_does():
    # Without repeats and with k1 = 0 nothing else is left of it.
    rows = [(f"u{n}", f"i{m}", 1) for n in range(9) for m in range(9) if (n * m + n + m) % 4 < 2]
    bm25 = similarity(rows, weighting="bm25", k1=0.0)
    assert bm25 == pytest.approx(similarity(rows, weighting="tfidf"), abs=1e-6)
    assert np.abs(bm25 - similarity(rows, weighting="none")).max() > 0.01


def test_bm25_sees_its_days_only():
    rows = [("u", "a", 1), ("u", "b", 1), ("v", "b", 99), ("v", "c", 99)]
    found = similarity(rows, weighting="bm25", similarity_days=10)
    assert np.argwhere(found > 0).tolist() == [[1, 2], [2, 1]]
