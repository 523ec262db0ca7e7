"""What a log keeps of progress, and how numbers are worded."""

import subprocess
import sys

import pytest

from nightshelf import progress
from nightshelf.ingest import run
from nightshelf.progress import Progress, counted
from tests.support.landing import GOOD, Landing


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 trials"), (1, "1 trial"), (2000, "2,000 trials"), (2.5, "2.5 trials")]
)
def test_one_is_no_plural(n, told):
    assert counted(n, "trial") == told


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The seconds that have gone by; a test moves them on."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_that_has_a_count_has_the_last_one_however_soon_it_comes(clock, capsys):
    shown = Progress("ingest")
    clock[0] = 6.0
    shown.advance("1 of 3")
    shown.advance("2 of 3")
    shown.advance("3 of 3", is_last=True)
    assert capsys.readouterr().out == "  ingest: 1 of 3\n  ingest: 3 of 3\n"


def test_a_short_step_says_nothing_of_its_progress(clock, capsys):
    Progress("ingest").advance("3 of 3", is_last=True)
    assert capsys.readouterr().out == ""


def test_the_count_of_an_ingest_reaches_its_end_though_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SMALLEST_CHUNK_BYTES", 1)
    told = []
    monkeypatch.setattr(
        Progress, "advance", lambda _, text, is_last=False: told.append((text, is_last))
    )
    landing = Landing(tmp_path)
    for n in range(5):
        landing.put(f"{n}.csv", [GOOD])
    landing.put("cut.csv", "when,sku\n1,2\n")
    with pytest.raises(run.InputError):
        landing.ingest()
    assert told[-1] == ("orders: 6 of 6 files done", True)
    assert [is_last for _, is_last in told].count(True) == 1


def test_a_command_whose_output_is_closed_runs_all_the_same():
    program = "from nightshelf.progress import console; console.print('told to nobody')"
    closed = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")
