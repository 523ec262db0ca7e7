"""The gate: who is tonight's challenger, who serves, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from nightshelf.judging.gate import MARGIN, Comparison, judge, limits
from nightshelf.judging.quality import CHAMPION, GATE_METRIC, Contender, joined, rehearsed, table
from nightshelf.ranking.choice import Rehearsal
from nightshelf.ranking.recipe import RANKER, Recipe

USERS = 400
BASE = np.random.default_rng(5).uniform(0.2, 0.6, USERS)


def contender(name: str, plus: float, noise: float = 0.02) -> Contender:
    """Metrics of 400 users: the common ones, shifted by `plus`, with a little noise of its own."""
    own = np.random.default_rng(len(name)).normal(0, noise, USERS)
    return of_values(name, BASE + plus + own - own.mean())


def of_values(name: str, values: np.ndarray) -> Contender:
    return Contender(name, Recipe("all", name), {GATE_METRIC: values}, {})


BASELINES = [contender("own_history", -0.02), contender("popularity", -0.1)]
SINGLES = [*BASELINES, contender("item_knn", 0.0)]

# ------------------------------------------------------------------ against the baselines


def test_without_a_champion_a_model_that_is_not_worse_than_the_baselines_is_promoted():
    verdict = judge(SINGLES)
    assert (verdict.challenger, verdict.serves, verdict.promoted) == ("item_knn", "item_knn", True)
    assert verdict.why == (
        "no ranker (too few labels), so the best learnt source, item_knn;"
        f" better than own_history: {verdict.comparisons[0].difference.told()};"
        f" better than popularity: {verdict.comparisons[1].difference.told()};"
        " so it passes the baselines, and there was no champion"
    )


def test_a_model_that_cannot_be_told_from_a_baseline_passes():
    verdict = judge([contender("popularity", 0.0), contender("item_knn", -0.001, noise=0.4)])
    assert verdict.comparisons[0].difference.mean < 0
    assert verdict.promoted
    assert "not surely better than popularity" in verdict.why


def test_a_model_more_than_the_margin_below_a_baseline_is_refused_though_it_may_be_chance():
    popularity = contender("popularity", 0.0)
    short = 1.5 * MARGIN * popularity.mean(GATE_METRIC)
    verdict = judge([popularity, contender("item_knn", -short, noise=0.4)])
    assert not verdict.comparisons[0].is_worse
    assert (verdict.challenger, verdict.serves) == ("item_knn", "popularity")


@pytest.mark.parametrize("baseline", ["own_history", "popularity"])
def test_a_model_surely_worse_than_either_baseline_leaves_it_to_the_better_one(baseline):
    bars = [b for b in BASELINES if b.name != baseline]
    verdict = judge([*bars, contender(baseline, 0.1), contender("item_knn", 0.0)])
    assert (verdict.challenger, verdict.serves, verdict.promoted) == ("item_knn", baseline, False)
    assert f"worse than {baseline}: -0.1000" in verdict.why
    assert verdict.why.endswith(
        f"no model is good enough, and there is no champion, so {baseline} serves"
    )


def test_a_model_surely_worse_than_a_baseline_leaves_it_to_the_champion():
    verdict = judge([*BASELINES, contender("svd", -0.3), contender(CHAMPION, 0.0)])
    assert (verdict.serves, verdict.promoted, verdict.warning) == (CHAMPION, False, "")
    assert verdict.why.endswith("no model is good enough tonight, so the champion goes on")


def test_a_champion_that_goes_on_though_a_baseline_is_better_is_warned_of():
    found = [*BASELINES, contender("svd", -0.3), contender(CHAMPION, -0.25)]
    assert judge(found).serves == CHAMPION
    assert judge(found).warning.startswith("the champion serves and is worse than own_history")
    assert "delete the alias `champion`" in judge(found).warning


def test_where_a_baseline_does_not_speak_it_is_no_bar():
    verdict = judge([contender("popularity", -0.1), contender("svd", 0.0)])
    assert [c.against for c in verdict.comparisons] == ["popularity"]
    assert verdict.promoted


def test_where_only_baselines_speak_the_better_one_serves():
    verdict = judge(BASELINES)
    assert (verdict.challenger, verdict.serves) == (None, "own_history")
    assert verdict.why.startswith("no ranker (too few labels), so nothing that has learnt")


# ------------------------------------------------------------------ the ranker


def test_the_ranker_is_the_challenger_where_it_beats_the_best_source_surely():
    assert judge([*SINGLES, contender(RANKER, 0.05)]).challenger == RANKER
    assert judge([*SINGLES, contender(RANKER, 0.001, noise=0.3)]).challenger == "item_knn"
    assert judge([*SINGLES, contender(RANKER, -0.05)]).challenger == "item_knn"


def test_the_ranker_must_beat_a_baseline_surely_too():
    found = [contender("own_history", 0.05), *SINGLES[1:], contender(RANKER, 0.0501, noise=0.3)]
    verdict = judge(found)
    assert (verdict.challenger, verdict.serves) == ("item_knn", "own_history")
    assert "own_history is the best (0." in verdict.why


# ------------------------------------------------------------------ against the champion


def test_a_better_challenger_is_promoted():
    verdict = judge([*SINGLES, contender(CHAMPION, -0.05)])
    assert (verdict.challenger, verdict.promoted) == ("item_knn", True)
    assert verdict.comparisons[-1].difference.mean == pytest.approx(0.05)
    assert "against the champion +0.0500" in verdict.why


def test_a_worse_challenger_leaves_the_champion_where_it_is():
    verdict = judge([*SINGLES, contender(RANKER, 0.05), contender(CHAMPION, 0.2)])
    assert (verdict.challenger, verdict.serves, verdict.promoted) == (RANKER, CHAMPION, False)
    assert "may be worse than the allowed" in verdict.why


def test_a_challenger_that_may_be_worse_by_more_than_the_margin_is_not_promoted():
    champion = contender(CHAMPION, 0.0, noise=0.0)
    allowed = MARGIN * champion.per_user[GATE_METRIC].mean()
    assert judge([contender("same", -0.2 * allowed, noise=0.01), champion]).promoted
    assert not judge([contender("less", -2 * allowed, noise=0.01), champion]).promoted
    # Better on the mean, but nobody can tell: the lower bound decides.
    assert not judge([contender("noisy", 0.01, noise=0.5), champion]).promoted


def test_a_champion_that_is_to_stay_stays_and_the_reason_comes_first():
    found = [*SINGLES, contender(CHAMPION, -0.2)]
    verdict = judge(found, champion_stays="set by hand")
    assert (verdict.serves, verdict.promoted) == (CHAMPION, False)
    assert verdict.why.startswith("set by hand; no ranker")
    assert "against the champion +0.2000" in verdict.why


# ------------------------------------------------------------------ nobody to examine


def test_where_nobody_took_anything_nothing_is_promoted():
    nothing = np.full(USERS, np.nan)
    names = ("own_history", "popularity", "item_knn", RANKER)
    verdict = judge([of_values(n, nothing) for n in names])
    assert (verdict.serves, verdict.promoted) == ("own_history", False)
    assert "not to be compared with own_history: nobody took anything" in verdict.why
    verdict = judge([of_values(n, nothing) for n in (*names, CHAMPION)])
    assert (verdict.serves, verdict.promoted) == (CHAMPION, False)


def test_without_any_contender_popular_items_serve():
    assert judge([]).serves == "popularity"


# ------------------------------------------------------------------ cohorts and windows


def test_a_cohort_that_a_baseline_serves_better_is_a_known_limit():
    figure = f"{GATE_METRIC}/users/cold"
    cold = np.arange(USERS) < 40
    model, bar = contender("item_knn", 0.1), contender("popularity", 0.0)
    model.per_user[figure] = np.where(cold, 0.1, np.nan)
    bar.per_user[figure] = np.where(cold, 0.3, np.nan)
    assert limits([model, bar], "item_knn") == [
        "For cold users it is worse than popularity: -0.2000 [-0.2000, -0.2000]"
    ]
    assert limits([model, bar], None) == []


def test_a_comparison_says_what_is_sure():
    a, b = contender("a", 0.0), contender("longer", 0.05)
    assert Comparison("b", a.less(b)).told.startswith("worse than b: -0.0500")
    assert Comparison("b", b.less(a)).told.startswith("better than b: +0.0500")


def windows(name: str, plus: float, own: float) -> Contender:
    """Three windows of one contender; `own` noise of the user is the same in each."""
    rng = np.random.default_rng(len(name))
    of_user = rng.normal(0, own, USERS)
    users = np.array([f"u{n:03d}" for n in range(USERS)], dtype=object)
    return joined(
        [
            Contender(name, Recipe("all", name), {GATE_METRIC: BASE + plus + of_user}, {}, users)
            for _ in range(3)
        ]
    )


def test_windows_joined_are_judged_by_users():
    one = contender("popularity", 0.0, noise=0.0).less(contender("item_knn", 0.0, noise=0.2))
    three = windows("popularity", 0.0, own=0.0).less(windows("item_knn", 0.0, own=0.2))
    assert three.n_users == USERS
    assert three.high - three.low == pytest.approx(one.high - one.low, rel=0.2)


def rehearsal(plus: float, noise: float) -> Rehearsal:
    """The window before: the ranker is better than item_knn by `plus`, with noise; other users."""
    users = np.array([f"earlier {n}" for n in range(USERS)], dtype=object)
    own = np.random.default_rng(1).normal(0, noise, USERS)
    ranker = BASE + plus + own - own.mean()
    return Rehearsal(users, ranker, {"item_knn": BASE, "popularity": BASE - 0.1})


def test_the_ranker_is_judged_over_the_window_that_it_was_rehearsed_on_too():
    found = [*named(SINGLES), *named([contender(RANKER, 0.002, noise=0.03)])]
    alone, both = judge(found), judge(found, rehearsal=rehearsal(0.004, noise=0.02))
    assert "not surely better than item_knn" in alone.why
    assert (alone.challenger, both.challenger) == ("item_knn", RANKER)
    worse = judge(found, rehearsal=rehearsal(-0.05, noise=0.02))
    assert (worse.challenger, "worse than item_knn" in worse.why) == ("item_knn", True)


def test_what_was_not_rehearsed_is_no_bar_to_the_ranker():
    """own_history says nothing of the window before in the rehearsal above."""
    over = rehearsed(named(SINGLES), rehearsal(0.0, 0.1))
    assert set(over) == {"item_knn", "popularity"}


def named(found: list[Contender]) -> list[Contender]:
    users = np.array([f"user {n}" for n in range(USERS)], dtype=object)
    return [replace(c, users=users) for c in found]


def test_the_table_has_every_figure_with_its_interval():
    (row,) = table([contender("svd", 0.0)])
    assert (row["name"], row["source"]) == ("svd", "svd")
    low, high, n_users = row["intervals"][GATE_METRIC]
    assert low < row[GATE_METRIC] < high
    assert n_users == USERS
