"""Trees by two libraries, kept as one text."""

from functools import partial

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from nightshelf.errors import ModelError
from nightshelf.ranking import boosting, logistic
from nightshelf.ranking.boosting import (
    Boosted,
    BoostingParams,
    as_lightgbm_text,
    fit_lightgbm,
    fit_objectives,
    fit_sklearn,
)
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.rows import TrainingRows

PARAMS = BoostingParams(rounds=30, learning_rate=0.1, min_rows_in_leaf=20, feature_share=1.0)
SEED = 5


def rows(seed=0, n=3000) -> TrainingRows:
    """Taken where the first feature, or the product of two others, is large."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(n, 6)).astype(np.float32)
    taken = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + generator.normal(size=n) > 1
    return TrainingRows(matrix, taken, np.full(n // 10, 10, dtype=np.int32), 1.0)


def test_scikit_learn_s_trees_predict_the_same_as_text_to_the_last_bit():
    learnt = rows()
    model = HistGradientBoostingClassifier(max_iter=25, max_leaf_nodes=9, random_state=1)
    model.fit(learnt.matrix, learnt.taken)
    fresh = rows(seed=9).matrix
    again = Boosted(as_lightgbm_text(model, 25)).raw(fresh)
    assert again.tobytes() == model.decision_function(fresh).tobytes()


def test_a_tree_that_never_splits_is_text_too():
    learnt = rows(n=200)
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=150)
    model.fit(learnt.matrix, learnt.taken)
    again = Boosted(as_lightgbm_text(model, 2)).raw(learnt.matrix)
    assert np.allclose(again, model.decision_function(learnt.matrix))


def kinds():
    yield lambda r, later=None: fit_sklearn(r, PARAMS, SEED, later)
    for objective in ("binary", "lambdarank"):
        yield lambda r, later=None, o=objective: fit_lightgbm(r, o, PARAMS, SEED, later)


every_kind = pytest.mark.parametrize("fit", list(kinds()), ids=["sklearn", "binary", "lambdarank"])


@every_kind
def test_fitting_twice_gives_the_same_text(fit):
    assert fit(rows()).text == fit(rows()).text


@every_kind
def test_what_was_taken_scores_higher(fit):
    fresh = rows(seed=3)
    raw = fit(rows()).raw(fresh.matrix)
    assert raw[fresh.taken].mean() > raw[~fresh.taken].mean() + 0.5


@every_kind
def test_arrays_give_the_model_back(fit):
    model = fit(rows())
    again = Boosted.from_arrays(model.arrays())
    assert again.raw(rows().matrix).tobytes() == model.raw(rows().matrix).tobytes()


@every_kind
def test_it_stops_where_later_rows_gain_no_more(fit):
    noise = np.random.default_rng(1).random(3000) < 0.2
    later = TrainingRows(rows(seed=2).matrix, noise, rows().groups, 1.0)
    assert fit(rows(), later).n_trees() < 30 == fit(rows()).n_trees()


@pytest.mark.parametrize("later", [None, rows(seed=2)], ids=["all trees", "until it gains no more"])
def test_objectives_that_share_bins_get_the_trees_that_each_gets_from_bins_of_its_own(later):
    found = fit_objectives(rows(), ["binary", "lambdarank"], PARAMS, SEED, later)
    assert {name: model.text for name, model in found.items()} == {
        name: alone(name, later) for name in ("binary", "lambdarank")
    }


def alone(objective: str, later: TrainingRows | None) -> str:
    def dataset(part: TrainingRows, like=None) -> lightgbm.Dataset:
        group = part.groups if objective == "lambdarank" else None
        return lightgbm.Dataset(part.matrix, part.taken.astype(int), group=group, reference=like)

    learnt_from = dataset(rows())
    valid = [dataset(later, learnt_from)] if later else None
    stop = [lightgbm.early_stopping(PARAMS.patience, verbose=False)] if later else None
    settings = boosting._settings(objective, PARAMS, SEED)
    model = lightgbm.train(settings, learnt_from, PARAMS.rounds, valid_sets=valid, callbacks=stop)
    return model.model_to_string(num_iteration=model.best_iteration or -1)


def test_importances_name_the_features_that_were_planted():
    importances = fit_lightgbm(rows(), "binary", PARAMS, SEED).importances()
    assert set(np.argsort(-importances)[:3]) == {0, 1, 2}


def test_text_that_holds_no_trees_is_refused():
    with pytest.raises(ModelError, match="trees cannot be read"):
        Boosted("no trees").raw(rows().matrix)


@pytest.mark.parametrize("fit", [fit_sklearn, partial(fit_lightgbm, objective="binary")])
def test_contributions_sum_to_the_raw_score_and_a_feature_that_says_nothing_has_little(fit):
    learnt = rows()
    model = fit(learnt, params=PARAMS, seed=SEED)
    found = model.contributions(learnt.matrix)
    assert np.allclose(found.sum(axis=1), model.raw(learnt.matrix))
    size = np.abs(found[:, :-1]).mean(axis=0)
    assert size.argmax() == 0
    assert size[3:].max() < size[0] / 5


def test_a_ranker_s_contributions_are_the_log_odds_of_its_score():
    learnt = rows()
    trees = fit_sklearn(learnt, PARAMS, SEED)
    line = logistic.fit(learnt, logistic.LogisticParams())
    names, kinds = tuple("abcdef"), ("logistic", "sklearn_gb")
    blend = Ranker(names, kinds, (line, trees), (0.7, 1.2), slope=0.8, offset=-0.3)
    chances = blend.score(learnt.matrix)
    odds = np.log(chances / (1 - chances))
    assert np.allclose(blend.contributions(learnt.matrix).sum(axis=1), odds)
