"""Death of whole steps at any time, and weeks of nights with faults: what readers see stays whole, and what
is run again ends as if nothing had been."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from nightshelf.paths import PROJECT, Home, ShopHome
from nightshelf.publishing.nights import current, damage
from nightshelf.steps import STEPS
from tests.faults.conftest import SOAK, hashes
from tests.support import apart
from tests.support.apart import Site, Straits
from tests.support.small_shops import EVENT, FIVE_ITEMS, NIGHT, ONLY_PURCHASES

pytestmark = pytest.mark.long

soak_only = pytest.mark.skipif(not SOAK, reason="hours of nights were not tried: `make soak` does")

DEATHS = 50 if SOAK else 1
"""Of each step, one after the other, before it may end."""
NIGHTS = 60
SHARE = 0.05
"""Of the steps that a fault befalls."""


NIGHTSHELF = [sys.executable, "-m", "nightshelf"]
PLAIN = {**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}
MEMORY = ("1MB", "4MB", "16MB", "64MB") if SOAK else ("4MB",)
NOBODY = 65534


def given(at: Site) -> list[str]:
    """What every command is told."""
    return [*map(str, ("--shop", at.shop_file, "--as-of", at.night, "--home", at.home))]


def whole(site: Site) -> dict[str, float]:
    """A night without faults; seconds by step."""
    seconds = {}
    for step in ("open", *STEPS):
        ended = apart.run(site, step)
        assert ended.code == 0, (step, ended.told)
        seconds[step] = ended.seconds
    return seconds


def shop_of(site: Site, name: str) -> ShopHome:
    return Home(site.home).shop(name)


def site(folder: Path, shop) -> Site:
    return Site(shop.write(folder), folder / "home", NIGHT)


@dataclass(frozen=True)
class Undisturbed:
    """A night that nothing befell."""

    seconds: dict[str, float]
    hashes: dict[str, str]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    at = site(tmp_path_factory.mktemp("undisturbed"), FIVE_ITEMS)
    seconds = whole(at)
    return Undisturbed(seconds, hashes(current(shop_of(at, FIVE_ITEMS.name))))


def test_steps_that_died_at_random_times_end_as_if_nothing_had_been(tmp_path, undisturbed):
    chance, disturbed = random.Random(20150401), site(tmp_path, FIVE_ITEMS)
    shop, deaths = shop_of(disturbed, FIVE_ITEMS.name), Counter()
    apart.run(disturbed, "open")
    for step in STEPS:
        for _ in range(DEATHS):
            ended = apart.run(
                disturbed, step, kill_after=chance.uniform(0, undisturbed.seconds[step])
            )
            deaths[step] += ended.was_killed
            seen = current(shop)
            assert seen is None or damage(seen) == []
        ended = apart.run(disturbed, step)
        assert ended.code == 0, (step, ended.told)
    print(f"\ndeaths of steps: {dict(deaths)}, {sum(deaths.values())} together; 0 mixed")
    assert sum(deaths.values()) > DEATHS * len(STEPS) / 2
    assert hashes(current(shop)) == undisturbed.hashes


@pytest.fixture
def readable():
    """A folder that everybody may read, and nobody but us write: pytest's own is closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(
    os.geteuid() != 0,
    reason="steps without rights were not tried: only root can act as another user",
)
def test_steps_without_rights_or_memory_say_so_and_run_again_they_end_right(readable, undisturbed):
    at = site(readable, FIVE_ITEMS)
    shop, ends = shop_of(at, FIVE_ITEMS.name), Counter()
    apart.run(at, "open")
    for step in STEPS:
        for strait in (Straits(user=NOBODY), *(Straits(memory=size) for size in MEMORY)):
            ended = apart.run(at, step, straits=strait)
            ends["worked" if ended.code == 0 else f"exit code {ended.code}"] += 1
            assert ended.code == 0 or "Next: " in ended.told, (step, ended)
            assert strait.user is None or ended.code == 8, (step, ended)
        assert step in ("publish", "morning") or current(shop) is None
        ended = apart.run(at, step)
        assert ended.code == 0, (step, ended.told)
    print(f"\nsteps without rights or memory: {dict(ends)}")
    assert hashes(current(shop)) == undisturbed.hashes


@soak_only
@pytest.mark.skipif(
    shutil.which("faketime") is None, reason="no faketime: the clock was left alone"
)
def test_a_clock_that_steps_back_a_week_between_steps_changes_no_byte(tmp_path, undisturbed):
    at = site(tmp_path, FIVE_ITEMS)
    for n, step in enumerate(("open", *STEPS)):
        words = [*step.replace("door_", "gate ").split(), *given(at)]
        clock = ["faketime", "-f", f"-{7 * n}d"]
        subprocess.run([*clock, *NIGHTSHELF, *words], env=PLAIN, check=True, capture_output=True)
    assert hashes(current(shop_of(at, FIVE_ITEMS.name))) == undisturbed.hashes


@soak_only
def test_ten_runs_under_other_clocks_threads_and_seeds_are_equal_byte_for_byte(tmp_path):
    zones = ("UTC", "Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu", "Pacific/Niue")
    found = {}
    for n in range(10):
        at = site(tmp_path / str(n), FIVE_ITEMS)
        more = {
            "TZ": zones[n % 5], "NIGHTSHELF_THREADS": str(1 + n % 2), "PYTHONHASHSEED": str(n),
            "LC_ALL": "C" if n % 3 else "C.UTF-8",
        }  # fmt: skip
        command = [*NIGHTSHELF, "night", *given(at)]
        subprocess.run(command, env=PLAIN | more, check=True, capture_output=True)
        found[n] = hashes(current(shop_of(at, FIVE_ITEMS.name)))
    print(f"\nequal bytes: {sum(h == found[0] for h in found.values())} of 10 nights")
    assert all(h == found[0] for h in found.values())


class Diary:
    """A shop whose log lands a file a day."""

    def __init__(self, folder: Path) -> None:
        self.shop = replace(ONLY_PURCHASES, name="diary", n_days=90)
        self.site = site(folder, self.shop)
        self.landing = folder / "landing"
        (self.landing / "log.csv").unlink()
        text = self.site.shop_file.read_text().replace('"log.csv"', '"log-*.csv"')
        self.site.shop_file.write_text(text + "[keep]\nnights = 10\nattempts = 3\n")
        rows = sorted(self.shop.events(), key=lambda row: row["when"])
        self.days = {day: list(of) for day, of in groupby(rows, lambda row: row["when"][:10])}

    def land(self, until: date) -> None:
        """What happened before the date and has not landed yet."""
        for day in [d for d in self.days if d < str(until)]:
            path = self.landing / f"log-{day}.csv"
            with path.open("w", newline="") as file:
                columns = self.shop.columns(EVENT)
                writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.days.pop(day))


def befallen(at: Site, step: str, chance: random.Random) -> apart.Ended:
    """A step with a fault: its death, a full disk, or a home that may not be written."""
    fault = chance.choice(("death", "full disk"))
    if fault == "death":
        return apart.run(at, step, kill_after=chance.uniform(0, 3))
    return apart.run(at, step, straits=Straits(largest_file=chance.choice((0, 4096, 100_000))))


@soak_only
def test_sixty_nights_with_faults_are_each_published_or_explained(tmp_path):
    chance, diary = random.Random(5), Diary(tmp_path)
    shop, sizes, ends = shop_of(diary.site, "diary"), [], Counter()
    for n in range(NIGHTS):
        night = NIGHT - timedelta(days=NIGHTS - n)
        diary.land(night)
        at = replace(diary.site, night=night)
        ends[_a_night(at, shop, chance)] += 1
        sizes.append(sum(p.stat().st_size for p in shop.root.rglob("*") if p.is_file()))
    print(
        f"\n{NIGHTS} nights: {dict(ends)}; disk {sizes[19] >> 20} MB after 20, {sizes[-1] >> 20} MB in the end"
    )
    assert ends.keys() <= {"published", "published after faults", "red, and why is told"}
    # The log grows by a day a night; attempts and nights do not pile up.
    assert sizes[-1] < 2 * sizes[19]


def _a_night(at: Site, shop: ShopHome, chance: random.Random) -> str:
    """Each step has three tries, as in Airflow; how the night ended."""
    before, faults = current(shop), 0
    for step in ("open", *STEPS):
        for _ in range(3):
            if chance.random() < SHARE:
                faults += 1
                ended = befallen(at, step, chance)
            else:
                ended = apart.run(at, step)
            seen = current(shop)
            assert seen is None or damage(seen) == []
            if ended.code == 0:
                break
            assert ended.was_killed or "Next: " in ended.told, (step, ended)
        else:
            assert current(shop) == before
            return "red, and why is told"
    assert current(shop).night == at.night
    return "published after faults" if faults else "published"
