"""What is taken is told, and what a burst brought teaches nothing."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from nightshelf.dataset import Interactions
from nightshelf.dataset.interactions import day_number
from nightshelf.evaluation.split import labels
from nightshelf.ranking import shown
from nightshelf.ranking.labelled import labelled
from nightshelf.ranking.pool import Pool
from tests.support.rankers import logistic_ranker

CUT = date(2017, 11, 17)
FIRST = day_number(CUT)
END = FIRST + 14


def log(crowd: int) -> Interactions:
    """Two items, each taken by one user a day for six weeks; on the day after the cut, a crowd of old
    users takes the second."""
    rows = [(f"{i} {day}", i, day) for i in "ab" for day in range(END - 42, END)]
    rows += [(f"old {n}", "a", END - 40) for n in range(crowd)]
    rows += [(f"old {n}", "b", FIRST + 1) for n in range(crowd)]
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, days, None, END)


def cut_of(known: Interactions, monkeypatch, burst: float = 2.0):
    monkeypatch.setattr(shown, "attach", lambda db, pool, cut: None)
    seen = known.before(FIRST)
    wanted = labels(seen, known.window(FIRST, END), "all")
    n = len(wanted.users)
    users = np.repeat(np.arange(n, dtype=np.int32), 2)
    items = np.tile(np.arange(2, dtype=np.int32), n)
    pool = Pool(wanted.users, seen.items, users, items, {}, {})
    return labelled(None, pool, CUT, wanted, known, burst, None)


def test_the_window_begins_at_the_cut():
    assert date(1970, 1, 1) + timedelta(days=FIRST) == CUT


def test_who_took_what_in_the_window_is_told(monkeypatch):
    cut = cut_of(log(crowd=5), monkeypatch)
    assert cut.taken.sum() == 5
    assert cut.teaches.all()


def test_all_rows_are_ranked_by_blocks_as_at_once(monkeypatch):
    matrix = np.random.default_rng(1).normal(size=(10, 2)).astype(np.float32)
    cut = replace(cut_of(log(crowd=5), monkeypatch), pool=pool_of(10), features=matrix.__getitem__)
    rankers = [logistic_ranker(slope, ("a", "b")) for slope in (0.5, 2.0)]
    monkeypatch.setattr("nightshelf.ranking.labelled.BLOCK_ROWS", 3)
    for found, ranker in zip(cut.raw(rankers), rankers, strict=True):
        assert found.tobytes() == ranker.raw(matrix).tobytes()


def pool_of(n_rows: int) -> Pool:
    ids = np.array(["x"], dtype=object)
    codes = np.zeros(n_rows, dtype=np.int32)
    return Pool(ids, ids, codes, codes, {}, {})


@pytest.mark.parametrize(("burst", "taught"), [(2.0, 0), (0.0, 60)])
def test_what_a_burst_brought_is_taken_and_teaches_nothing(burst, taught, monkeypatch):
    cut = cut_of(log(crowd=60), monkeypatch, burst)
    assert cut.taken.sum() == 60
    assert (cut.taken & cut.teaches).sum() == taught
    assert cut.teaches[~cut.taken].all()
