"""Publication: whole or not at all, newest wins, and nothing that lies there is trusted unseen."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import duckdb
import pytest
from typer.testing import CliRunner

from nightshelf import cli
from nightshelf.columns import TABLES
from nightshelf.errors import StaleAttempt, StorageError
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current, damage, published
from nightshelf.publishing.publish import publish
from tests.support.trap_shop import NIGHT

EVE = NIGHT - timedelta(days=1)
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}


@pytest.fixture
def shop(night, tmp_path):
    """The shop's home with one published night, to be spoilt."""
    home = Home(tmp_path / "home").shop("trap")
    before = night.run.attempt.root
    shutil.copytree(before, home.attempt(NIGHT, 1).root, symlinks=True)
    publish(home.attempt(NIGHT, 1), {})
    return home


def another(shop, night=NIGHT, number=2):
    """A further attempt, made like the first."""
    shutil.copytree(shop.attempt(NIGHT, 1).root, shop.attempt(night, number).root)
    return shop.attempt(night, number)


def listed(shop, night):
    home = str(shop.root.parent.parent)
    done = CliRunner().invoke(cli.app, ["verify", "--shop", str(night.shop_file), "--home", home])
    return " ".join(done.output.split())


def test_publishing_twice_changes_nothing(shop):
    before = {p: p.stat().st_mtime_ns for p in shop.attempt(NIGHT, 1).published.iterdir()}
    again = publish(shop.attempt(NIGHT, 1), {})
    assert (again.already, again.is_current) == (True, True)
    assert before == {p: p.stat().st_mtime_ns for p in shop.attempt(NIGHT, 1).published.iterdir()}


def test_an_attempt_older_than_the_published_one_is_stale(shop):
    publish(another(shop, number=3), {})
    with pytest.raises(StaleAttempt, match="Attempt 2 at night 2015-04-01 comes after attempt 3"):
        publish(another(shop, number=2), {})
    assert current(shop).attempt == 3
    assert [p.attempt for p in published(shop)] == [1, 3]


def test_an_older_night_published_later_does_not_take_the_readers_back(shop):
    done = publish(another(shop, EVE, 1), {})
    assert not done.is_current
    assert current(shop).night == NIGHT
    assert [p.night for p in published(shop)] == [EVE, NIGHT]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:-1] + b"!"), "its sha256 is not the manifest's"),
        (lambda f: f.unlink(), "rec_popular.parquet: missing"),
        (lambda f: f.with_name("stray.csv").touch(), "stray.csv: not in the manifest"),
        (lambda f: f.with_name("manifest.json").write_text("{"), "manifest.json cannot be read"),
    ],
    ids=["flipped byte", "missing file", "surplus file", "broken manifest"],
)
def test_a_damaged_night_is_found(shop, night, spoil, told):
    spoil(shop.attempt(NIGHT, 1).published / "rec_popular.parquet")
    (found,) = published(shop)
    assert told in " ".join(damage(found))
    assert "whole" not in listed(shop, night)


def test_a_whole_night_is_called_whole(shop, night):
    assert "whole" in listed(shop, night)


def test_a_damaged_night_is_not_called_published_again(shop):
    (shop.attempt(NIGHT, 1).published / "rec_popular.parquet").write_bytes(b"")
    with pytest.raises(StorageError, match="does not read back as written.*rec_popular.parquet"):
        publish(shop.attempt(NIGHT, 1), {})


def test_a_published_folder_without_manifest_is_said_to_be_in_the_way(shop):
    (shop.attempt(NIGHT, 1).published / "manifest.json").unlink()
    with pytest.raises(StorageError, match="(?s)2015-04-01/1 has no manifest.*Remove"):
        publish(shop.attempt(NIGHT, 1), {})


def test_a_pointer_to_nothing_is_told_in_words(shop, night):
    shutil.rmtree(shop.nights / str(NIGHT))
    with pytest.raises(StorageError, match="current points at 2015-04-01/1, which is not there"):
        current(shop).manifest  # noqa: B018
    publish(another(shop, number=2), {})
    assert current(shop).attempt == 2


def test_a_table_of_another_schema_is_not_published(shop):
    attempt = another(shop)
    with duckdb.connect(str(attempt.database)) as db:
        db.execute("alter table recommendations.rec_popular drop column propensity")
    with pytest.raises(StorageError, match="rec_popular has columns"):
        publish(attempt, {})
    assert current(shop).attempt == 1
    publish(another(shop, number=3), {})
    assert [p.attempt for p in published(shop)] == [1, 3]


DIE = """
import os, sys
from datetime import date
from pathlib import Path
calls, fatal = 0, int(sys.argv[3])
def counted(function):
    def inner(*given, **named):
        global calls
        calls += 1
        if calls == fatal:
            os._exit(9)
        return function(*given, **named)
    return inner
for name in ("rename", "replace", "mkdir", "symlink_to"):
    setattr(Path, name, counted(getattr(Path, name)))
from nightshelf.publishing import publish as module
for name in ("sync_file", "sync_directory", "sha256_of"):
    setattr(module, name, counted(getattr(module, name)))
from nightshelf.paths import Home
module.publish(Home(Path(sys.argv[1])).shop("trap").attempt(date.fromisoformat(sys.argv[2]), 2), {})
print(calls)
"""


def test_a_publish_killed_anywhere_leaves_the_old_night_or_the_new_one(shop):
    """Death at some of its calls that change the disk, first and last among them."""
    attempt = another(shop)
    home = str(shop.root.parent.parent)
    seen = set()
    for fatal in (2, 3, 12, 22, *range(2 * len(TABLES) - 2, 4 * len(TABLES))):  # from the rename on
        died = subprocess.run(
            [sys.executable, "-c", DIE, home, str(NIGHT), str(fatal)], env=ENVIRONMENT, check=False,
            capture_output=True,
        )  # fmt: skip
        now = current(shop)
        assert damage(now) == []
        seen.add((died.returncode, now.attempt))
        if died.returncode == 0:
            break
    assert {(9, 1), (0, 2)} <= seen
    publish(attempt, {})
    assert current(shop).attempt == 2
    assert damage(current(shop)) == []
    assert not [p for p in shop.nights.iterdir() if p.name.startswith((".incoming", ".current"))]


needs_mount = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="a full disk needs a mount, and that needs root"
)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"a full disk could not be made: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@needs_mount
def test_a_full_disk_leaves_the_old_night_and_says_so(shop, night, small_disk):
    home = Home(small_disk / "home")
    shutil.copytree(shop.root, home.shop("trap").root, symlinks=True)
    full = home.shop("trap")
    attempt = another(full)
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    done = subprocess.run(
        [sys.executable, "-m", "nightshelf", "publish", "--shop", str(night.shop_file),
         "--as-of", str(NIGHT), "--home", str(home.root), "--attempt", "2"],
        env=ENVIRONMENT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 8, done.stderr
    assert "No space left" in done.stderr
    assert "Free space there" in done.stderr
    assert (current(full).attempt, damage(current(full))) == (1, [])
    (small_disk / "filler").unlink()
    publish(attempt, {})
    assert (current(full).attempt, damage(current(full))) == (2, [])


# ------------------------------------------------------------------ sinks


def published_with(shop, night, folder, sink):
    """`nightshelf publish` by a shop file that names a sink."""
    folder.mkdir()
    shop_file = folder / "shop.toml"
    shop_file.write_text(f"{night.shop_file.read_text()}\n{sink}")
    home = str(shop.root.parent.parent)
    given = ["--shop", str(shop_file), "--as-of", str(NIGHT), "--home", home, "--attempt", "1"]
    return CliRunner().invoke(cli.app, ["publish", *given])


def test_a_night_is_delivered_to_its_sink_after_readers_of_the_files_see_it(shop, night, tmp_path):
    sink = '[sink.duckdb]\npath = "night.duckdb"'
    done = published_with(shop, night, tmp_path / "shop", sink)
    assert f"sink.duckdb: night 2015-04-01/1, {len(TABLES)} tables" in " ".join(done.output.split())
    with duckdb.connect(str(tmp_path / "shop" / "night.duckdb"), read_only=True) as db:
        ours = db.execute("from rec_for_you").fetchall()
    assert sorted(map(repr, ours)) == sorted(map(repr, night.rows("rec_for_you")))


def test_a_sink_that_fails_ends_the_step_and_leaves_the_files_published(shop, night, tmp_path):
    (tmp_path / "mine.duckdb").write_text("no database of ours")
    sink = '[sink.duckdb]\npath = "../mine.duckdb"'
    done = published_with(shop, night, tmp_path / "shop", sink)
    assert isinstance(done.exception, StorageError)
    assert "sink.duckdb" in done.exception.what
    assert "Then run `nightshelf publish` again" in done.exception.next_step
    assert damage(current(shop)) == []
