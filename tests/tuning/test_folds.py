"""The search sees nothing of the night's own examination: its window may hold anything."""

from datetime import timedelta
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from nightshelf.ingest.run import ingest
from nightshelf.night import Night
from nightshelf.paths import Attempt, Home
from nightshelf.pinned.inputs import pin
from nightshelf.progress import Progress
from nightshelf.settings.models import ModelSettings
from nightshelf.settings.shop import Shop, load_shop
from nightshelf.transform.visit import build
from nightshelf.tuning import folds as module
from nightshelf.tuning.folds import load_folds
from nightshelf.tuning.ranker import ranker_subject
from nightshelf.tuning.search import search, source_subject
from nightshelf.tuning.space import RANKER, read_space
from nightshelf.warehouse import writer
from tests.support import busy_shop
from tests.support.tampering import TAMPERINGS

CUT = busy_shop.NIGHT - timedelta(days=14)
SETTINGS = ModelSettings.of_files().changed(
    {"ranker": {"min_positives": 10, "min_positives_to_boost": 10}}, "so that so few labels suffice"
)
SPACE = read_space(SETTINGS)
SEARCHED = ("own_history", "popularity", "user_knn", "content")


class Built(NamedTuple):
    shop: Shop
    night: Night
    attempt: Attempt


def built(folder: Path, log: busy_shop.Log) -> Built:
    """The night's features, without its doors: they would refuse what was done to the log."""
    shop_file = log.write(folder)
    shop = load_shop(shop_file)
    night = Night(busy_shop.NIGHT, shop.zone)
    home, shown = Home(folder / "home"), Progress("features")
    where = home.shop(shop.name)
    attempt = where.attempt(night.date, 1)
    attempt.root.mkdir(parents=True)
    with writer(where, "a test"):
        ingest(shop, shop.landing_in(home, shop_file), where, shown)
        pin(attempt, night)
        build("prepare", shop, night, attempt, shown)
    return Built(shop, night, attempt)


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Built:
    return built(tmp_path_factory.mktemp("honest"), busy_shop.log())


def trials(of: Built) -> dict[str, list]:
    """Subject → (values, value, state) of each trial."""
    folds = load_folds(*of)
    assert [fold.role for fold in folds] == ["train_2", "train_1"]
    subjects = [source_subject(name, SPACE[name], folds) for name in SEARCHED]
    subjects.append(ranker_subject(SPACE[RANKER], folds, SETTINGS, of.shop, of.attempt, inf))
    found = [search(subject, SETTINGS, 5, 600) for subject in subjects]
    return {f.subject: [(f.present, t.values, t.value, t.state) for t in f.trials] for f in found}


@pytest.mark.long
@pytest.mark.parametrize("name", ["changed", "added"])
def test_what_happens_since_the_evaluate_cut_changes_no_trial(honest, name, tmp_path):
    """Other lines, and more of them: refunds of what the folds' windows hold, logins, a new catalogue."""
    tampered = built(tmp_path, TAMPERINGS[name](busy_shop.log(), CUT))
    expected = trials(honest)
    assert {subject for subject, told in expected.items() if len(told) > 1} == {*SEARCHED, RANKER}
    assert trials(tampered) == expected


def test_a_ranker_that_cannot_be_ready_in_time_is_given_up(honest):
    late = ranker_subject(
        SPACE[RANKER], load_folds(*honest), SETTINGS, honest.shop, honest.attempt, -inf
    )
    found = search(late, SETTINGS, 5, 600)
    assert (found.told, found.changes, list(found.trials)) == ("no time was left", {}, [])


def test_a_night_before_which_there_is_no_cut_has_no_folds(honest):
    early = Night(busy_shop.FIRST + timedelta(days=20), honest.shop.zone)
    assert load_folds(honest.shop, early, honest.attempt) == []


def test_windows_end_by_the_evaluate_cut_and_the_last_one_reaches_it(honest):
    ends = [fold.as_of + timedelta(days=14) for fold in load_folds(*honest)]
    assert ends == [CUT - timedelta(days=14), CUT]


def test_of_many_users_some_are_asked_and_their_rows_stay_theirs(honest, monkeypatch):
    whole = load_folds(*honest)[-1].labels["new"]
    monkeypatch.setattr(module, "MOST_USERS", 10)
    some = load_folds(*honest)[-1].labels["new"]
    assert len(some.users) == 10
    rows = np.searchsorted(whole.users, some.users)
    assert (some.relevant != whole.relevant[rows]).nnz == 0
    assert (some.seen != whole.seen[rows]).nnz == 0
