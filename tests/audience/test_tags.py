"""Interests beyond habit: a planted rule is found, a habit is no tag, and chance makes none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.naive_bayes import BernoulliNB

from nightshelf.audience import tags
from nightshelf.audience.tags import Bayes, Logistic, TagParams, bernoulli_bayes
from tests.audience.conftest import JUDGED, NIGHT, TRAIN

PARAMS = TagParams(min_taken=20)
OTHERS = [f"other {n}" for n in range(8)]


def planted(n_users: int = 240):
    """A third of the users brews: they hold Tea and Kettles. Of them, those without Honey take it next,
    four times in five; of the others one in forty does. Everybody holds some others."""
    rng = np.random.default_rng(11)
    seen, taken = [], []
    for cut in (TRAIN, JUDGED, NIGHT):
        for user in range(n_users):
            brews, holds_honey = user % 3 == 0, user % 5 == 0
            own = ["Tea", "Kettles"] if brews else ["Coffee"]
            own += ["Honey"] if holds_honey else []
            own += [OTHERS[n] for n in rng.permutation(8)[:3]]
            seen += [(cut, f"u{user:03d}", subject, 2, 6, 12, 5) for subject in own]
            if not holds_honey and rng.random() < (0.8 if brews else 1 / 40):
                taken.append((cut, f"u{user:03d}", "Honey", 1))
            taken.append((cut, f"u{user:03d}", own[0], 2))
    return seen, taken


def tagged(db, model) -> dict[str, list]:
    return tags.tags(db, model, "category", NIGHT, PARAMS)


def test_brewers_without_honey_are_tagged_with_it_and_nobody_else(interests):
    db = interests(*planted())
    model, report = tags.learn(db, "category", PARAMS)
    assert report["used"] in ("logistic", "naive_bayes")
    assert report["gain_over_base_rate"]["low"] > 0
    found = tagged(db, model)
    honey = {u for u, s in zip(found["user_id"], found["subject"], strict=True) if s == "Honey"}
    brewers = {f"u{n:03d}" for n in range(0, 240, 3) if n % 5}
    assert honey == brewers
    assert min(found["probability"]) >= PARAMS.min_chance


def test_nobody_is_tagged_with_what_they_have_taken_within_the_quarter(interests):
    seen, taken = planted()
    db = interests(seen, taken)
    model, _ = tags.learn(db, "category", PARAMS)
    found = tags.tags(
        db, model, "category", NIGHT, TagParams(min_chance=1e-9, min_lift=1.0, most=9)
    )
    habits = {(user, subject) for cut, user, subject, *_ in seen if cut == NIGHT}
    assert not habits & set(zip(found["user_id"], found["subject"], strict=True))


def test_a_user_has_no_more_tags_than_allowed_the_best_first(interests):
    db = interests(*planted())
    model, _ = tags.learn(db, "category", PARAMS)
    params = TagParams(min_chance=1e-9, min_lift=1.0, most=2)
    found = tags.tags(db, model, "category", NIGHT, params)
    by_user: dict[str, list[float]] = {}
    for user, chance in zip(found["user_id"], found["probability"], strict=True):
        by_user.setdefault(user, []).append(chance)
    assert max(len(chances) for chances in by_user.values()) == 2
    assert all(chances == sorted(chances, reverse=True) for chances in by_user.values())


def by_chance(n_users: int = 200):
    """Every month every user takes each subject with one chance in five, whatever went before."""
    rng = np.random.default_rng(2)
    seen, taken = [], []
    for cut in (TRAIN, JUDGED, NIGHT):
        for user in range(n_users):
            *months, lately, following = rng.random((4, 8)) < 0.2
            for n, subject in enumerate(OTHERS):
                in_quarter = int(lately[n]) + sum(int(m[n]) for m in months)
                if in_quarter:
                    days = 5 if lately[n] else 40
                    row = (cut, f"u{user:03d}", subject)
                    seen.append((*row, int(lately[n]), in_quarter, in_quarter, days))
                if following[n]:
                    taken.append((cut, f"u{user:03d}", subject, 1))
    return seen, taken


def test_where_the_next_month_is_chance_there_are_no_tags_and_that_is_said(interests):
    model, report = tags.learn(interests(*by_chance()), "category", PARAMS)
    assert (model, report["used"]) == (None, None)
    assert report["told"].endswith("on the base rate: no tags")


def test_with_too_few_takings_nothing_is_learnt(interests):
    seen, taken = planted(30)
    model, report = tags.learn(interests(seen, taken), "category", PARAMS)
    assert model is None
    assert report["told"].endswith("takings beyond habit in a window, 20 wanted")


def test_an_empty_shop_and_a_kind_that_it_lacks_have_no_tags(interests):
    assert tags.learn(interests([], []), "brand", PARAMS)[0] is None


def test_naive_bayes_for_all_subjects_is_scikit_learns_for_each():
    rng = np.random.default_rng(5)
    holds, takes = rng.random((300, 6)) < 0.3, rng.random((300, 6)) < 0.2
    weights, constants = bernoulli_bayes(holds, takes)
    for subject in range(6):
        without = ~holds[:, subject]
        model = BernoulliNB(alpha=1.0, fit_prior=False)
        model.fit(holds[without], takes[without, subject])
        logs = model.predict_joint_log_proba(holds.astype(float))
        found = holds @ weights[subject] + constants[subject]
        assert np.allclose(found, logs[:, 1] - logs[:, 0])


def test_models_come_back_from_their_arrays(interests):
    db = interests(*planted())
    window = tags.Window.read(db, "category", TRAIN)
    for model in (
        Logistic.fit(window.pairs.matrix, window.took, PARAMS),
        Bayes.fit(window, PARAMS),
    ):
        again = tags.KINDS[model.name].from_arrays(model.arrays())
        assert (window.chances(again) == window.chances(model)).all()


@pytest.mark.parametrize("block", [7, 4_000])
def test_the_size_of_a_block_changes_no_tag(interests, monkeypatch, block):
    db = interests(*planted())
    model, _ = tags.learn(db, "category", PARAMS)
    whole = tagged(db, model)
    monkeypatch.setattr("nightshelf.audience.interests.BLOCK", block)
    assert tagged(db, model) == whole
