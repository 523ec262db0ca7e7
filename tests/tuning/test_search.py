"""The search on subjects whose best setting is known."""

from dataclasses import replace

import pytest

from nightshelf.errors import ModelError
from nightshelf.settings.models import ModelSettings
from nightshelf.tuning import search as module
from nightshelf.tuning.search import MARGIN, Subject, search
from nightshelf.tuning.space import Range

FILES = ModelSettings.of_files()
PRESENT = FILES["popularity"].window_days
DAYS = Range("popularity", "window_days", "int", 1, 60)
BEST = 45


class Peak:
    """nDCG that falls with the distance from BEST; counts what is fitted."""

    def __init__(self, height: float = 0.5, new: float = 0.0, n_folds: int = 2):
        self.height, self.new, self.asked = height, new, []
        self.subject = Subject("popularity", (DAYS,), n_folds, self.measure)

    def measure(self, settings, n):
        days = settings["popularity"].window_days
        self.asked.append((days, n))
        return {"all": 0.1 + self.height * (1 - abs(days - BEST) / 60), "new": self.new}


def values(found):
    return [(t.values["popularity.window_days"], t.value, t.state) for t in found.trials]


def test_it_finds_what_is_better_and_says_by_how_much():
    found = search(Peak().subject, FILES, 40, 60)
    days = found.changes["popularity"]["window_days"]
    assert abs(days - BEST) <= 3
    assert found.best["all"] > found.present["all"]
    assert found.value == pytest.approx(found.best["all"] / found.present["all"])
    assert f"window_days {PRESENT} → {days}" in found.told


def test_the_first_trial_is_the_present_setting_and_its_value_is_one():
    found = search(Peak().subject, FILES, 3, 60)
    assert values(found)[0] == (PRESENT, 1.0, "complete")
    assert len(found.trials) == 3


def test_equal_seeds_give_equal_searches_and_another_model_draws_others():
    first, again = (search(Peak().subject, FILES, 12, 60) for _ in range(2))
    assert values(first) == values(again)
    other = search(replace(Peak().subject, name="other"), FILES, 12, 60)
    assert values(first) != values(other)


def test_nothing_changes_for_less_than_the_margin():
    peak = Peak(height=MARGIN * 0.1)
    found = search(peak.subject, FILES, 30, 60)
    assert 1 < found.value <= 1 + MARGIN
    assert (found.changes, found.told.startswith("stays: ")) == ({}, True)


def test_where_the_present_is_the_best_it_stays():
    settings = FILES.changed({"popularity": {"window_days": BEST}}, "")
    found = search(Peak().subject, settings, 20, 60)
    assert found.changes == {}


def test_a_view_without_hits_under_present_settings_has_no_say():
    found = search(Peak(new=0.0).subject, FILES, 20, 60)
    with_view = search(Peak(new=0.2).subject, FILES, 20, 60)
    assert found.value - 1 == pytest.approx(2 * (with_view.value - 1), rel=0.2)


def test_views_and_folds_of_other_levels_have_an_equal_say():
    def measure(settings, n):
        up = 1.5 if settings["popularity"].window_days != PRESENT else 1.0
        return {"all": 0.3 * 10**-n, "new": 0.003 * up * 10**-n}

    found = search(Subject("popularity", (DAYS,), 2, measure), FILES, 5, 60)
    assert found.value == pytest.approx((1 + 1.5) / 2)


def test_no_view_is_bought_with_another():
    """Far up in one view and a little down in the other is worth what the other is."""

    def measure(settings, n):
        days = settings["popularity"].window_days
        return {"all": 1.0 + days, "new": 0.1 if days <= PRESENT else 0.099}

    found = search(Subject("popularity", (DAYS,), 2, measure), FILES, 10, 60)
    assert found.changes == {}
    up = [t for t in found.trials if t.value and t.values["popularity.window_days"] > PRESENT]
    assert up
    assert {round(t.value, 3) for t in up} == {0.99}


def test_a_model_that_hits_nothing_is_left_alone():
    found = search(Subject("s", (DAYS,), 1, lambda s, n: {"all": 0.0}), FILES, 5, 60)
    assert (found.changes, list(found.trials)) == ({}, [])
    assert "hit nothing" in found.told


@pytest.mark.parametrize(("trials", "seconds"), [(0, 60), (5, 0), (5, -1)])
def test_without_a_budget_nothing_is_fitted(trials, seconds):
    peak = Peak()
    found = search(peak.subject, FILES, trials, seconds)
    assert (found.changes, found.told, peak.asked) == ({}, "no time was left", [])


def test_with_one_trial_only_the_present_settings_are_measured():
    peak = Peak()
    found = search(peak.subject, FILES, 1, 60)
    assert peak.asked == [(PRESENT, 0), (PRESENT, 1)]
    assert found.changes == {}


@pytest.mark.parametrize(("asked", "told"), [(1, "1 trial,"), (3, "3 trials,")])
def test_the_end_counts_as_many_trials_as_were_asked_for(asked, told):
    flat = Peak(height=0.0)
    assert told in search(flat.subject, FILES, asked, 60).told


def test_no_trial_begins_once_time_is_out(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now) * 10.0)
    found = search(Peak().subject, FILES, 50, 10)
    assert len(found.trials) == 1


def test_a_setting_that_is_asked_for_again_is_not_fitted_again():
    peak = Peak()
    narrow = replace(DAYS, low=1, high=3)
    settings = FILES.changed({"popularity": {"window_days": 2}}, "")
    search(replace(peak.subject, ranges=(narrow,)), settings, 20, 60)
    tried = peak.asked[2:]
    assert len(tried) == len(set(tried)) <= 6


def test_a_bad_first_fold_ends_a_trial():
    peak = Peak()
    found = search(peak.subject, FILES, 40, 60)
    given_up = [t for t in found.trials if t.state == "pruned"]
    assert given_up
    folds_of = {t.values["popularity.window_days"]: 0 for t in given_up}
    for days, _ in peak.asked:
        if days in folds_of:
            folds_of[days] += 1
    assert 1 in folds_of.values()


def test_values_that_do_not_go_together_or_cannot_be_fitted_are_given_up():
    similarity = Range("item_knn", "similarity", "str", choices=("cosine", "jaccard"))
    weighting = Range("item_knn", "weighting", "str", choices=("none", "tfidf"))

    def measure(settings, n):
        if settings["item_knn"].weighting == "none":
            raise ModelError("no inverse", "raise it")
        return {"all": 0.1}

    subject = Subject("item_knn", (similarity, weighting), 1, measure)
    found = search(subject, FILES, 20, 60)
    states = {tuple(t.values.values()): t.state for t in found.trials}
    assert states[("jaccard", "tfidf")] == "pruned"  # the dataclass refuses it
    assert states[("cosine", "none")] == "pruned"
    assert states[("cosine", "tfidf")] == "complete"


def test_present_settings_beyond_the_range_are_still_what_has_to_be_beaten():
    narrow = replace(DAYS, low=40, high=50)
    found = search(replace(Peak().subject, ranges=(narrow,)), FILES, 10, 60)
    assert 40 <= found.changes["popularity"]["window_days"] <= 50
    assert PRESENT not in [days for days, *_ in values(found)]


def test_progress_is_told_after_each_trial():
    told = []
    search(Peak().subject, FILES, 5, 60, told.append)
    assert len(told) == 4
    assert told[0].startswith("popularity: trial 2 of 5, best ")


def test_importances_are_told_once_there_are_enough_trials():
    assert search(Peak().subject, FILES, 5, 60).importances == {}
    shares = search(Peak().subject, FILES, 30, 60).importances
    assert shares == {"popularity.window_days": pytest.approx(1.0)}
