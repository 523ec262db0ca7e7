"""The ranker that a person can read, within what it has seen and beyond."""

import numpy as np

from nightshelf.ranking import logistic
from nightshelf.ranking.logistic import LogisticParams
from nightshelf.ranking.rows import TrainingRows
from tests.support.rankers import logistic_ranker


def fitted():
    generator = np.random.default_rng(1)
    matrix = generator.uniform(0, 1, size=(2_000, 2)).astype(np.float32)
    taken = generator.random(2_000) < matrix[:, 0]
    rows = TrainingRows(matrix, taken, np.array([2_000], dtype=np.int32), 1.0)
    return logistic.fit(rows, LogisticParams()), matrix


def test_more_of_what_helps_scores_higher():
    model, _ = fitted()
    low, high = model.raw(np.array([[0.2, 0.5], [0.8, 0.5]]))
    assert high > low + 1


def test_beyond_the_range_learnt_from_a_row_scores_as_at_its_edge():
    model, matrix = fitted()
    edge = matrix.max(axis=0)
    far, near = model.raw(np.array([[100.0, 0.5], [edge[0], 0.5]]))
    assert far == near


def test_contributions_sum_to_the_raw_score_and_say_what_a_feature_is_beyond_its_mean():
    model = logistic_ranker(2.0).members[0]
    matrix = np.array([[1.0, -3.0], [100.0, 0.0]])
    assert model.contributions(matrix).tolist() == [[2.0, -6.0, 0.5], [18.0, 0.0, 0.5]]
    fit, rows = fitted()
    assert np.allclose(fit.contributions(rows).sum(axis=1), fit.raw(rows))
