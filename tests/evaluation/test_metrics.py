from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from nightshelf.evaluation import CUTOFFS, METRICS, all_metrics
from nightshelf.evaluation import metrics as m

every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())

# One user, ten items; 3 relevant; hits at ranks 1 and 4.
LIST = np.array([[7, 0, 1, 8, 2]], dtype=np.int32)


def relevant(*users, n_items=10):
    dense = np.zeros((len(users), n_items), dtype=bool)
    for row, items in enumerate(users):
        dense[row, list(items)] = True
    return csr_matrix(dense)


@pytest.mark.parametrize(
    ("metric", "k", "expected"),
    [
        (m.recall, 5, 2 / 3),
        (m.recall, 1, 1 / 3),
        (m.precision, 5, 2 / 5),
        (m.precision, 10, 2 / 10),
        (m.hit_rate, 5, 1.0),
        (m.reciprocal_rank, 5, 1.0),
        (m.average_precision, 5, (1 / 1 + 2 / 4) / 3),
        (m.average_precision, 2, (1 / 1) / 2),
        (m.ndcg, 5, (1 + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / 2)),
        (m.ndcg, 2, 1 / (1 + 1 / log2(3))),
    ],
)
def test_a_list_worked_out_by_hand(metric, k, expected):
    assert metric(LIST, relevant({7, 8, 9}), k) == pytest.approx([expected])


def test_reciprocal_rank_is_of_the_first_hit():
    assert m.reciprocal_rank(LIST, relevant({1, 8}), 5) == pytest.approx([1 / 3])


@every_metric
def test_a_metric_is_undefined_without_relevant_items(metric):
    values = metric(np.vstack([LIST, LIST]), relevant(set(), {7}), 5)
    assert np.isnan(values).tolist() == [True, False]


@every_metric
def test_an_empty_list_scores_nothing(metric):
    nothing = np.full((1, 5), -1, dtype=np.int32)
    assert metric(nothing, relevant({7}), 5).tolist() == [0.0]
    assert metric(nothing[:, :0], relevant({7}), 5).tolist() == [0.0]


@every_metric
def test_a_perfect_list_scores_one(metric):
    wanted = {7, 0, 1, 8, 2}
    assert metric(LIST, relevant(wanted), 5) == pytest.approx([1.0])


@every_metric
def test_nobody_has_no_values(metric):
    assert metric(LIST[:0], relevant(n_items=10)[:0], 5).shape == (0,)


@every_metric
def test_lists_of_other_users_are_refused(metric):
    with pytest.raises(ValueError, match="1 lists for 2 users"):
        metric(LIST, relevant({1}, {2}), 5)


@every_metric
def test_an_item_listed_twice_is_refused(metric):
    with pytest.raises(ValueError, match="user 0: an item twice"):
        metric(np.array([[3, 3]]), relevant({3}), 5)


@every_metric
def test_an_item_code_out_of_range_is_refused(metric):
    with pytest.raises(ValueError, match="item code 8 is not among 5 items"):
        metric(LIST, relevant({3}, n_items=5), 5)


def test_all_metrics_are_the_metrics_at_every_cutoff():
    lists, wanted = np.arange(25)[None, :], relevant({1, 7, 12, 24}, n_items=25)
    found = all_metrics(lists, wanted)
    assert set(found) == {f"{name}@{k}" for name in METRICS for k in CUTOFFS}
    for name, metric in METRICS.items():
        for k in CUTOFFS:
            assert found[f"{name}@{k}"].tolist() == metric(lists, wanted, k).tolist()


def naive(name, items, wanted, k):
    """The definitions, one user at a time."""
    shown = [item for item in items[:k] if item >= 0]
    hits = [item in wanted for item in shown]
    ranks = [rank for rank, hit in enumerate(hits, start=1) if hit]
    ideal = sum(1 / log2(1 + rank) for rank in range(1, min(k, len(wanted)) + 1))
    return {
        "recall": len(ranks) / len(wanted),
        "precision": len(ranks) / k,
        "hit_rate": float(bool(ranks)),
        "reciprocal_rank": 1 / ranks[0] if ranks else 0.0,
        "average_precision": sum(n / rank for n, rank in enumerate(ranks, start=1))
        / min(k, len(wanted)),
        "ndcg": sum(1 / log2(1 + rank) for rank in ranks) / ideal,
    }[name]


user = st.tuples(
    st.lists(st.integers(0, 14), unique=True, max_size=8), st.sets(st.integers(0, 14), min_size=1)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(user, min_size=1, max_size=5), st.integers(1, 12))
def test_metrics_equal_their_definitions(users, k):
    lists = np.array([items + [-1] * (8 - len(items)) for items, _ in users])
    wanted = relevant(*(items for _, items in users), n_items=15)
    for name, metric in METRICS.items():
        expected = [naive(name, items, set(relevant_items), k) for items, relevant_items in users]
        assert metric(lists, wanted, k) == pytest.approx(expected), name


# ------------------------------------------------------------------ against scikit-learn


def ranked(n_users: int = 40, n_items: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores without ties, the whole list they make, and what is relevant: something for everyone."""
    rng = np.random.default_rng(8)
    scores = rng.random((n_users, n_items))
    wanted = rng.random((n_users, n_items)) < 0.15
    wanted[:, 0] |= ~wanted.any(axis=1)
    return scores, np.argsort(-scores, axis=1), wanted


@pytest.mark.parametrize("k", CUTOFFS)
def test_ndcg_is_scikit_learn_s(k):
    scores, lists, wanted = ranked()
    expected = ndcg_score(wanted.astype(int), scores, k=k)
    assert m.ndcg(lists, csr_matrix(wanted), k).mean() == pytest.approx(expected)


def test_average_precision_of_a_whole_list_is_scikit_learn_s():
    scores, lists, wanted = ranked()
    found = m.average_precision(lists, csr_matrix(wanted), scores.shape[1])
    expected = [average_precision_score(w, s) for w, s in zip(wanted, scores, strict=True)]
    assert found == pytest.approx(expected)
    assert found.mean() == pytest.approx(label_ranking_average_precision_score(wanted, scores))


@pytest.mark.parametrize("k", CUTOFFS)
def test_precision_and_recall_are_scikit_learn_s_of_being_listed(k):
    scores, lists, wanted = ranked()
    listed = np.zeros_like(wanted)
    np.put_along_axis(listed, lists[:, :k], True, axis=1)
    for metric, expected in ((m.precision, precision_score), (m.recall, recall_score)):
        found = metric(lists, csr_matrix(wanted), k).mean()
        assert found == pytest.approx(expected(wanted, listed, average="samples"))


@pytest.mark.parametrize("k", CUTOFFS)
def test_hit_rate_with_one_relevant_item_is_scikit_learn_s_top_k_accuracy(k):
    scores, lists, _ = ranked()
    taken = np.arange(len(scores)) % scores.shape[1]
    wanted = relevant(*({t} for t in taken), n_items=scores.shape[1])
    expected = top_k_accuracy_score(taken, scores, k=k, labels=range(scores.shape[1]))
    assert m.hit_rate(lists, wanted, k).mean() == pytest.approx(expected)
