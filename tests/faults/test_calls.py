"""Death, or an error, at any system call of a publication: the old night or the new one, whole; and what
is published again in the end is equal byte for byte."""

import os

import pytest

from nightshelf.publishing.nights import current
from tests.faults.conftest import SOAK, needs_strace
from tests.support import faults


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """The n-th call is counted by thread: with several it is another one each time."""
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")


def sampled(points, n):
    """In the short form `n` of them, spread evenly, the first and the last among them."""
    if SOAK or len(points) <= n:
        return points
    return [points[k * (len(points) - 1) // (n - 1)] for k in range(n)]


def every(site, tmp_path, calls):
    found = faults.points(faults.publishing(site.attempt), calls, tmp_path / "calls")
    site.reset()
    return found


@pytest.mark.long
@needs_strace
def test_death_at_every_write_fsync_and_rename(site, tmp_path):
    calls = (*faults.CHANGES, *faults.OPENS) if SOAK else faults.CHANGES
    points = sampled(every(site, tmp_path, calls), 80)
    deaths, mixed, lost = 0, [], []
    for name, n in points:
        ended = faults.run(faults.publishing(site.attempt), f"{name}:signal=KILL:when={n}")
        deaths += ended.code is None
        mixed += [] if site.is_right() else [(name, n)]
        lost += [] if site.is_resumed() else [(name, n)]
        site.reset()
    print(f"\ndeath: {len(points)} points, {deaths} deaths, {len(mixed)} mixed, {len(lost)} lost")
    assert (mixed, lost) == ([], [])
    assert deaths >= 0.97 * len(points)  # a few calls depend on what lies there


@pytest.mark.long
@needs_strace
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("lasting", ["", "+"], ids=["once", "from then on"])
def test_a_failing_call_publishes_nothing_wrong_and_is_told(site, tmp_path, error, lasting):
    points = sampled(every(site, tmp_path, (*faults.CHANGES, *faults.OPENS)), 16)
    wrong, untold, unmended, failed, died = [], [], [], 0, []
    for name, n in points:
        ended = faults.run(
            faults.publishing(site.attempt), f"{name}:error={error}:when={n}{lasting}"
        )
        failed += ended.code != 0
        wrong += [] if site.is_right() else [(name, n)]
        if ended.code == 0:
            wrong += [] if current(site.shop).attempt == 2 else [(name, n, "called published")]
        elif ended.code is None:
            died.append(name)
        elif ended.code == 1 or "Next: " not in ended.told:
            untold.append((name, n, ended))
        unmended += [] if site.is_resumed() else [(name, n)]
        site.reset()
    print(
        f"\n{error} {'from then on' if lasting else 'once'}: {len(points)} points, {failed} ended in"
        f" an error, of which {len(died)} by a signal, {len(wrong)} wrong, {len(untold)} untold, {len(unmended)} not mended by a rerun"
    )
    assert (wrong, untold, unmended) == ([], [], [])
    assert failed
    assert set(died) <= set(faults.OPENS)  # DuckDB aborts where its database cannot be opened


@pytest.mark.long
def test_death_at_every_call_that_python_makes(site, monkeypatch):
    """Without strace: fsync, rename, mkdir, symlink and unlink."""
    names = ("fsync", "rename", "replace", "mkdir", "symlink", "unlink", "rmdir")
    real = {name: getattr(os, name) for name in names}
    calls, fatal = 0, 0

    def counted(function):
        def inner(*given, **named):
            nonlocal calls
            calls += 1
            if calls == fatal:
                os._exit(9)
            return function(*given, **named)

        return inner

    def mortal():
        for name, function in real.items():
            setattr(os, name, counted(function))
        return faults.publishing(site.attempt)()

    mixed, lost, points = [], [], 0
    while True:
        fatal += 1
        ended = faults.run(mortal)
        if ended.code == 0:
            break
        points += 1
        if not SOAK and points % 3:
            continue
        mixed += [] if site.is_right() else [fatal]
        lost += [] if site.is_resumed() else [fatal]
        site.reset()
    print(f"\ndeath in Python: {points} points, {len(mixed)} mixed, {len(lost)} lost")
    assert (mixed, lost) == ([], [])
    assert points > 20
