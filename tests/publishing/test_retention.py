"""Old nights and attempts go; what readers see and may go back to stays."""

import os
import shutil
import signal
from datetime import date, timedelta
from pathlib import Path

from nightshelf.publishing import retention
from nightshelf.publishing.nights import current, published
from nightshelf.publishing.publish import _sweep
from nightshelf.publishing.retention import prune
from nightshelf.publishing.roll_back import roll_back
from nightshelf.settings.shop import Keep
from nightshelf.storage import write_atomically

FIRST = date(2017, 12, 1)


def nights_put_out(put_out, shop, n):
    for day in range(n):
        night = put_out(f"{FIRST + timedelta(days=day)}/1")
        stages = shop.attempt(night.night, 1).stages
        for folder in (stages, stages.parent):
            os.utime(folder, (1_000_000 + day, 1_000_000 + day))
    return FIRST + timedelta(days=n - 1)


def left(shop):
    return [n.night.day for n in published(shop)]


def attempts(shop):
    return sorted(int(p.parent.name[-2:]) for p in shop.attempts.glob("*/1"))


def test_nights_beyond_the_number_go_the_oldest_first(shop, put_out):
    today = nights_put_out(put_out, shop, 5)
    gone = prune(shop, Keep(nights=3, attempts=5), today)
    assert gone == ["2017-12-02/1", "2017-12-01/1"]
    assert left(shop) == [3, 4, 5]
    assert not (shop.nights / "2017-12-01").exists()


def test_nights_beyond_the_age_go(shop, put_out):
    today = nights_put_out(put_out, shop, 5)
    prune(shop, Keep(days=2), today)
    assert left(shop) == [3, 4, 5]


def test_what_readers_see_and_the_one_before_stay_however_old(shop, put_out):
    today = nights_put_out(put_out, shop, 6)
    roll_back(shop, "2017-12-02", lambda night: list)
    prune(shop, Keep(nights=2, days=1, attempts=1), today)
    assert current(shop).night.day == 2
    assert left(shop) == [1, 2, 5, 6]
    # The newest attempt, and those of the two nights.
    assert attempts(shop) == [1, 2, 6]


def test_attempts_go_by_when_they_were_last_worked_on(shop, put_out):
    today = nights_put_out(put_out, shop, 5)
    os.utime(shop.attempt(FIRST, 1).stages)  # a backfill works on the oldest night
    prune(shop, Keep(attempts=2), today)
    assert attempts(shop) == [1, 4, 5]
    assert left(shop) == [1, 2, 3, 4, 5]


def at_work(shop, night, number=1):
    """An attempt that a night is working on: nothing published, no step failed."""
    attempt = shop.attempt(night, number)
    attempt.stages.mkdir(parents=True)
    return attempt


def test_an_attempt_that_another_night_works_on_stays_and_goes_once_it_has_failed(shop, put_out):
    today = nights_put_out(put_out, shop, 3)
    backfill = at_work(shop, date(2017, 10, 1))
    os.utime(shop.attempt(today, 1).stages)  # tonight's steps came after the backfill's last
    prune(shop, Keep(attempts=1), today)
    assert backfill.root.exists()
    (backfill.stages / "train.failed.json").write_text("{}")
    os.utime(backfill.stages, (1_000_000, 1_000_000))
    prune(shop, Keep(attempts=1), today)
    assert not backfill.root.exists()


def test_attempts_whose_nights_are_removed_with_them_go_too(shop, put_out):
    for day in range(6):
        night = put_out(f"{FIRST + timedelta(days=day)}/1")
        (shop.attempt(night.night, 1).stages / "publish.json").write_text("{}")
        prune(shop, Keep(nights=2, attempts=1), night.night, night.name)
    assert left(shop) == [5, 6]
    assert attempts(shop) == [5, 6]


def test_the_night_that_publishes_stays_though_it_is_older_than_all_that_are_kept(shop, put_out):
    nights_put_out(put_out, shop, 3)
    put_out("2017-11-20/1")
    put_out("2017-12-04/1")
    prune(shop, Keep(nights=2, attempts=5), date(2017, 12, 4), working="2017-11-20/1")
    assert left(shop) == [20, 3, 4]


def test_an_attempt_that_lay_idle_for_a_day_goes(shop, put_out):
    today = nights_put_out(put_out, shop, 3)
    killed = at_work(shop, date(2017, 10, 1))
    for folder in (killed.stages, killed.root):
        os.utime(folder, (2_000, 2_000))
    prune(shop, Keep(attempts=1), today)
    assert not killed.root.exists()


def test_the_attempt_that_publishes_stays_though_readers_do_not_see_it(shop, put_out):
    today = nights_put_out(put_out, shop, 5)
    prune(shop, Keep(attempts=1), today, working="2017-12-01/1")
    assert attempts(shop) == [1, 4, 5]


def test_a_stranger_s_folder_is_left_alone(shop, put_out):
    today = nights_put_out(put_out, shop, 3)
    copies = [shop.attempts / "2017-12-01" / "1.bak", shop.nights / "2017-12-01" / "mine"]
    for copy in copies:
        copy.mkdir()
    prune(shop, Keep(nights=2, attempts=1), today)
    assert left(shop) == [2, 3]
    assert all(copy.is_dir() for copy in copies)


def test_a_removal_cut_short_leaves_no_night_and_is_swept(shop, put_out, monkeypatch):
    today = nights_put_out(put_out, shop, 3)

    class Killed(BaseException):
        pass

    def die(folder):
        raise Killed

    monkeypatch.setattr(retention.shutil, "rmtree", die)
    try:
        prune(shop, Keep(nights=2), today)
    except Killed:
        monkeypatch.undo()
    assert left(shop) == [2, 3]
    assert len(list(shop.nights.glob(".leaving-*"))) == 1
    _sweep(shop)
    assert not list(shop.nights.glob(".leaving-*"))
    assert shutil.rmtree is retention.shutil.rmtree


def test_what_a_killed_writer_of_the_page_left_is_swept(shop, put_out):
    put_out("2017-12-01/1")
    child = os.fork()
    if child == 0:
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(shop.nights / ".incoming-page-7", "<html>")
    os.waitpid(child, 0)
    assert len(list(shop.nights.glob("*incoming-page*"))) == 1
    _sweep(shop)
    assert not list(shop.nights.glob("*incoming-page*"))
