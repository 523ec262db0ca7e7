"""Who is examined is ranked by blocks of rows, as at once."""

from dataclasses import replace

from nightshelf.ranking.recipe import RANKER, Recipe
from tests.support.examination import FEATURES, N_ITEMS, N_USERS, examination
from tests.support.rankers import logistic_ranker


def test_rankers_score_by_blocks_as_at_once_and_features_are_made_once_for_all(monkeypatch):
    held, asked = examination(), []

    def features(rows):
        asked.append(rows)
        return held.features(rows)

    monkeypatch.setattr("nightshelf.ranking.labelled.BLOCK_ROWS", 1000)
    one, other, twin = (logistic_ranker(weight, FEATURES) for weight in (0.5, -2.0, 3.0))
    recipes = {"one": Recipe("all", RANKER, one), "other": Recipe("all", RANKER, other, twin)}
    found = replace(held, features=features).scores(recipes)
    whole = held.features(slice(None))
    assert found["one"].tobytes() == one.score(whole).tobytes()
    # What serves has seen the answers: its twin is examined.
    assert found["other"].tobytes() == twin.score(whole).tobytes()
    n = N_USERS * N_ITEMS
    assert [(rows.start, rows.stop) for rows in asked] == [(0, 1000), (1000, 2000), (2000, n)]


def test_where_no_ranker_is_asked_no_features_are_made():
    assert replace(examination(), features=None).scores({}) == {}
