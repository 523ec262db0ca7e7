"""`nightshelf night-by-airflow`, by Airflow itself: what `make night` runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nightshelf.errors import InputError
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current
from tests.faults.conftest import SOAK
from tests.support.small_shops import FIVE_ITEMS, NIGHT, ONE_DAY

pytestmark = pytest.mark.long


def night_by_airflow(shop, folder) -> subprocess.CompletedProcess:
    given = ("--shop", f"{shop.name}.toml", "--as-of", str(NIGHT), "--home", "home")
    return subprocess.run(
        [sys.executable, "-m", "nightshelf", "night-by-airflow", *given],
        cwd=folder, env={**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_red_night_ends_with_the_words_and_the_exit_code_of_its_step(tmp_path):
    ONE_DAY.write(tmp_path)
    (tmp_path / "landing" / "items.csv").unlink()
    done = night_by_airflow(ONE_DAY, tmp_path)
    assert done.returncode == InputError.exit_code
    assert "✗ Task ingest.ingest failed: Source 'items': no file matches" in done.stderr
    assert "Next: Put the exports there" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert current(Home(tmp_path / "home").shop(ONE_DAY.name)) is None


@pytest.mark.skipif(not SOAK, reason="a whole night by Airflow was not run: `make soak` does")
def test_a_green_night_is_published_and_shown(tmp_path):
    FIVE_ITEMS.write(tmp_path)
    done = night_by_airflow(FIVE_ITEMS, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Published tables in" in done.stdout
    assert current(Home(tmp_path / "home").shop(FIVE_ITEMS.name)).night == NIGHT
