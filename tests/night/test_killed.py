"""A night whose steps are killed, one after the other, and run again: it ends as if nothing had been.

What kill -9 ends is a process of its own, which sends itself the signal at a chosen call.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from nightshelf import steps
from nightshelf.judging import evaluate
from nightshelf.orchestration.processes import sigterm_raises
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current
from nightshelf.registry import Registry
from nightshelf.registry.abandoned import WHY
from nightshelf.registry.store import MOVED_BY_NIGHTS
from nightshelf.steps import STEPS, Run
from tests.support.small_shops import FIVE_ITEMS, NIGHT

pytestmark = pytest.mark.long

MODEL = f"{FIVE_ITEMS.name}-for_you"
PROGRAM = """
import os, sys
import nightshelf.{module} as module

def die(*given, **more):
    os.kill(os.getpid(), 9)

module.{at} = die
from nightshelf import cli
sys.argv = ["nightshelf", "{step}", *sys.argv[1:]]
cli.main()
"""


def killed(run: Run, step: str, at: str) -> None:
    """Runs a step in a process that kill -9 ends where it calls `at`, "<module>.<name>"."""
    module, name = at.rsplit(".", 1)
    program = PROGRAM.format(module=module, at=name, step=step)
    given = ["--shop", run.shop_file, "--as-of", NIGHT, "--home", run.home.root]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, given)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (run.attempt.stages / f"{step}.json").exists()


@pytest.fixture(scope="module")
def featured(tmp_path_factory) -> Run:
    """A night up to the door behind its features."""
    folder = tmp_path_factory.mktemp("killed")
    run = steps.open_night(Home(folder / "home"), FIVE_ITEMS.write(folder), NIGHT)
    for name in list(STEPS)[: list(STEPS).index("train")]:
        STEPS[name](run)
    return run


@pytest.fixture(scope="module")
def learnt(featured) -> Run:
    """`train` was killed when it had written its pools, and run again."""
    killed(featured, "train", "learning.train._save_rankers")
    assert (featured.attempt.candidates / "serve.parquet").exists()
    steps.train(featured)
    return featured


@pytest.fixture(scope="module")
def ended(learnt) -> list:
    """The runs in MLflow of an `evaluate` that SIGTERM ended before it wrote its decision."""
    with pytest.MonkeyPatch.context() as patched, sigterm_raises(), suppress(SystemExit):
        patched.setattr(evaluate, "_write", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        steps.evaluate(learnt)
    return runs(learnt)


@pytest.fixture(scope="module")
def left_running(learnt, ended) -> set[str]:
    """The runs of an `evaluate` that kill -9 ended there."""
    killed(learnt, "evaluate", "judging.evaluate._write")
    return {run.info.run_id for run in runs(learnt) if run.info.status == "RUNNING"}


@pytest.fixture(scope="module")
def evaluated(learnt, left_running) -> Run:
    """`evaluate` was run again, in a shop where a promotion from version 1 to 2 had been cut short."""
    registry = Registry(learnt.home, learnt.shop.name)
    registry.client.create_registered_model(MODEL, {MOVED_BY_NIGHTS: "1 2"})
    steps.evaluate(learnt)
    return learnt


@pytest.fixture(scope="module")
def published(evaluated) -> Run:
    """`score` was killed with half of its tables written, and run again."""
    killed(evaluated, "score", "audience.score")
    for name in list(STEPS)[list(STEPS).index("score") :]:
        STEPS[name](evaluated)
    return evaluated


def runs(run: Run) -> list:
    registry = Registry(run.home, run.shop.name)
    return registry.client.search_runs([registry.experiment])


def test_training_that_was_killed_leaves_nothing_that_counts_and_is_run_again(learnt):
    assert (learnt.attempt.models / "trained.json").exists()
    assert not list(learnt.attempt.models.glob(".*"))


def test_sigterm_closes_the_runs_of_an_examination_without_another_s_help(ended):
    # The figures of the audience are whole, and end with their own words.
    killed = [run for run in ended if run.info.status != "FINISHED"]
    assert len(killed) > 10
    assert {(r.info.status, r.data.tags.get("why_killed")) for r in killed} == {("KILLED", None)}


def test_what_kill_9_left_running_is_closed_by_the_next_examination(left_running, evaluated):
    assert len(left_running) > 10
    now = {run.info.run_id: run for run in runs(evaluated)}
    assert "RUNNING" not in {run.info.status for run in now.values()}
    closed = [now[run] for run in left_running]
    assert {(r.info.status, r.data.tags["why_killed"]) for r in closed} == {("KILLED", WHY)}


def test_a_promotion_cut_short_is_settled_by_the_next_examination(evaluated):
    registry = Registry(evaluated.home, evaluated.shop.name)
    assert registry.client.get_registered_model(MODEL).tags == {MOVED_BY_NIGHTS: "2"}


def test_the_night_is_published_whole(published):
    night = current(published.attempt.shop)
    assert (night.night, night.attempt) == (NIGHT, 1)
