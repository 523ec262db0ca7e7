"""Next month's interests: who learns what there is to learn, and who says so where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from nightshelf.audience import forecast
from nightshelf.audience.forecast import ForecastParams, LastMonth, losses
from nightshelf.audience.interests import read_cut, read_next
from nightshelf.audience.run import best_shares
from tests.audience.conftest import JUDGED, NIGHT, TRAIN

CUTS = (TRAIN, JUDGED, NIGHT)
PARAMS = ForecastParams()
CATEGORIES = [f"category {n:02d}" for n in range(12)]


def steady(n_users: int = 150):
    """Each user takes ten lines a month of two categories of their own, and goes on so."""
    seen, taken = [], []
    for cut in CUTS:
        for user in range(n_users):
            for n, lines in ((user % 12, 7), ((user + 5) % 12, 3)):
                row = (cut, f"u{user:03d}", CATEGORIES[n])
                seen.append((*row, lines, 3 * lines, 12 * lines, 2))
                taken.append((*row, lines))
    return seen, taken


def turning(n_users: int = 150, judged_too: bool = True):
    """Categories come in pairs: who takes the one this month takes the other in the month to come. Where
    the judged month is none of these, everybody goes on as before in it."""
    seen, taken = [], []
    for cut in CUTS:
        for user in range(n_users):
            n = user % 12
            then = n ^ 1 if cut != JUDGED or judged_too else n
            seen.append((cut, f"u{user:03d}", CATEGORIES[n], 5, 15, 15, 2))
            taken.append((cut, f"u{user:03d}", CATEGORIES[then], 5))
    return seen, taken


def test_what_held_once_and_no_more_gives_way_to_last_month_and_that_is_said(interests):
    model, report = forecast.learn(interests(*turning(judged_too=False)), PARAMS)
    assert (report["used"], type(model)) == ("last_month", LastMonth)
    assert report["told"].startswith("last month over again: the best of the others")
    assert report["gain_over_last_month"]["low"] <= 0


def test_a_gain_that_may_be_chance_is_none(interests):
    seen, taken = turning()
    few = {f"u{n:03d}" for n in range(5)}
    kept = [t for t in taken if t[0] != JUDGED or t[1] in few]
    # Of five, four go on as was learnt and one as before.
    taken = [(c, u, CATEGORIES[int(u[1:])], n) if c == JUDGED and u > "u003" else (c, u, s, n)
             for c, u, s, n in kept]  # fmt: skip
    model, report = forecast.learn(interests(seen, taken), PARAMS)
    losses = {name: found["log_loss"] for name, found in report["contenders"].items()}
    assert min(losses, key=losses.get) == "naive_bayes"
    assert report["used"] == model.name == "last_month"
    assert "the best of the others, naive_bayes, gains +" in report["told"]


def test_what_one_category_leads_to_is_learnt_by_naive_bayes(interests):
    db = interests(*turning())
    model, report = forecast.learn(db, PARAMS)
    assert report["used"] == "naive_bayes"
    assert report["gain_over_last_month"]["low"] > 0
    cut = read_cut(db, "category", NIGHT)
    likeliest = model.shares(cut, cut.all()).argmax(axis=1)
    for user, place in zip(cut.users, likeliest, strict=True):
        assert cut.subjects[place] == CATEGORIES[int(user[1:]) % 12 ^ 1]


def test_a_month_that_says_less_than_the_year_is_corrected_by_the_logit(interests):
    rng = np.random.default_rng(4)
    seen, taken = [], []
    for cut in CUTS:
        for user in range(200):
            own = rng.permutation(12)[:6]
            lately = rng.multinomial(4, np.ones(6) / 6)
            for category, lines in zip(own, lately, strict=True):
                row = (cut, f"u{user:03d}", CATEGORIES[category])
                seen.append((*row, int(lines), 6 + int(lines), 40, 20))
                taken.append((*row, 3))
    model, report = forecast.learn(interests(seen, taken), PARAMS)
    assert report["used"] == "multinomial_logit"
    assert report["contenders"]["multinomial_logit"]["log_loss"] < np.log(6) + 0.05


@pytest.mark.parametrize("shop", [steady, turning])
def test_every_contender_gives_shares_that_sum_to_one_also_to_who_has_none_lately(interests, shop):
    seen, taken = shop()
    seen.append((NIGHT, "away", CATEGORIES[0], 0, 0, 4, 200))
    db = interests(seen, taken)
    cut, taken, wanted = forecast._people(db, TRAIN)
    models = [
        LastMonth.fit(cut, taken, wanted),
        forecast.Logit.fit(cut, taken, wanted, PARAMS),
        forecast.Bayes.fit(cut, taken, wanted),
    ]
    tonight = read_cut(db, "category", NIGHT)
    for model in models:
        found = model.shares(tonight, tonight.all())
        assert found.shape == (151, len(tonight.subjects) + 1)
        assert (found > 0).all()
        assert found.sum(axis=1) == pytest.approx(np.ones(151))


def test_models_come_back_from_their_arrays(interests):
    db = interests(*turning())
    cut, taken, wanted = forecast._people(db, TRAIN)
    for model in (
        LastMonth.fit(cut, taken, wanted),
        forecast.Logit.fit(cut, taken, wanted, PARAMS),
        forecast.Bayes.fit(cut, taken, wanted),
    ):
        again = forecast.KINDS[model.name].from_arrays(model.arrays())
        assert (again.shares(cut, taken) == model.shares(cut, taken)).all()


def test_the_order_of_rows_and_threads_change_no_byte(interests):
    seen, taken = steady()
    db = interests(seen[::-1], taken[::-1])
    db.execute("set threads = 1")
    one, _ = forecast.learn(db, PARAMS)
    db.execute("drop schema features cascade; drop schema audience cascade; set threads = 2")
    other, _ = forecast.learn(interests(seen, taken), PARAMS)
    assert {k: v.tobytes() for k, v in one.arrays().items()} == {
        k: v.tobytes() for k, v in other.arrays().items()
    }


def test_a_category_that_came_later_is_one_of_the_rest(interests):
    db = interests(
        [(TRAIN, "u", "Tea", 2, 2, 2, 1)],
        [(TRAIN, "u", "Tea", 1), (TRAIN, "u", "New", 3), (TRAIN, "stranger", "Tea", 9)],
    )
    cut = read_cut(db, "category", TRAIN)
    assert read_next(db, cut).tolist() == [[1.0, 3.0]]


def test_losses_are_means_over_lines_and_undefined_without_lines():
    found = losses(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[3.0, 1.0], [0.0, 0.0]]))
    assert found[0] == pytest.approx(np.log(2))
    assert np.isnan(found[1])


def test_the_best_stand_first_and_the_others_together_last(interests):
    db = interests([(NIGHT, "u", c, 1, 1, 1, 1) for c in CATEGORIES], [])
    cut = read_cut(db, "category", NIGHT)
    shares = np.full((1, 13), 0.05)
    shares[0, 3], shares[0, 12] = 0.3, 0.15
    found = best_shares(cut, cut.users, shares, 2)
    assert found["category"].tolist() == ["category 03", "category 00", None]
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["probability"] == pytest.approx([0.3, 0.05, 0.65])


def test_shares_that_were_rounded_up_sum_to_one(interests):
    db = interests([(NIGHT, "u", c, 1, 1, 1, 1) for c in CATEGORIES[:4]], [])
    cut = read_cut(db, "category", NIGHT)
    shares = np.array([[0.303039, 0.317447, 0.217385, 0.16213, 0.0]])
    found = best_shares(cut, cut.users, shares, 10)
    assert found["probability"].tolist() == [0.317446, 0.303039, 0.217385, 0.16213, 0.0]


def test_a_shop_with_fewer_categories_than_are_shown_shows_them_all(interests):
    db = interests([(NIGHT, "u", "Tea", 1, 1, 1, 1)], [])
    cut = read_cut(db, "category", NIGHT)
    found = best_shares(cut, cut.users, np.array([[0.8, 0.2]]), 10)
    assert found["category"].tolist() == ["Tea", None]
    assert found["probability"].sum() == 1.0
