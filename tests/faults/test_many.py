"""Many at once: publishers of one night, readers during publications, and one that comes too late."""

import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from nightshelf.paths import Home
from nightshelf.publishing.nights import PublishedNight, current, damage, published, write_manifest
from nightshelf.publishing.publish import alone, point_at
from nightshelf.publishing.retention import prune
from nightshelf.settings.shop import Keep
from nightshelf.storage import sha256_of
from tests.faults.conftest import NIGHT, SOAK
from tests.support import faults
from tests.support.published import shelve

ROUNDS = 1000 if SOAK else 8
ZOMBIES = 100 if SOAK else 8
PUBLICATIONS = 10_000 if SOAK else 150
READERS = 8
TABLES = ("rec_for_you.parquet", "rec_discover.parquet", "rpt_events.parquet")


def test_eight_publishers_of_one_night_make_one_publication(tmp_path):
    shop = Home(tmp_path).shop("shop")
    attempt = shelve(shop.attempt(NIGHT, 1), n=1)
    seen = Counter()
    for _ in range(ROUNDS):
        children = [faults.Child(faults.publishing(attempt)) for _ in range(READERS)]
        for child in children:
            child.go()
        seen.update(child.end().told for child in children)
        assert (len(published(shop)), damage(current(shop))) == (1, [])
        faults.shutil.rmtree(attempt.published)
        shop.current.unlink()
    print(f"\npublishers: {ROUNDS} rounds of {READERS}: {dict(seen)}")
    assert seen == {"published": ROUNDS, "already": ROUNDS * (READERS - 1)}


def test_an_attempt_that_wakes_after_its_successor_published_is_refused(tmp_path):
    shop = Home(tmp_path).shop("shop")
    refused = 0
    for number in range(1, 2 * ZOMBIES, 2):
        zombie = faults.Child(faults.publishing(shelve(shop.attempt(NIGHT, number), n=1)))
        successor = shelve(shop.attempt(NIGHT, number + 1), n=1)
        assert faults.run(faults.publishing(successor)).told == "published"
        zombie.go()
        ended = zombie.end()
        refused += (ended.code, current(shop).attempt) == (6, number + 1)
    print(f"\nzombies: {refused} of {ZOMBIES} refused")
    assert refused == ZOMBIES


def put_out(shop, n: int) -> None:
    """A night of three small files, published as publishing does it, without DuckDB."""
    attempt = shop.attempt(NIGHT + timedelta(days=n), 1)
    with alone(shop):
        incoming = shop.nights / f".incoming-{n}"
        incoming.mkdir()
        for table in TABLES:
            (incoming / table).write_text(f"{n} " * 500)
        tables = {t: {"rows": 1, "sha256": sha256_of(incoming / t)} for t in TABLES}
        write_manifest(incoming / "manifest.json", {"tables": tables, "models": {}})
        attempt.published.parent.mkdir(parents=True)
        incoming.rename(attempt.published)
        point_at(shop, PublishedNight(attempt.night, 1, attempt.published))
        # A reader is given the time of some fifty publications to read its night.
        prune(shop, Keep(nights=50, days=36_500), attempt.night)


def reader(shop, stop: Path):
    """Reads as docs/tables.md says: the link is resolved once, then every table is read."""

    def work() -> str:
        reads = failed = mixed = 0
        while not stop.exists():
            try:
                night = shop.current.resolve(strict=True)
                told = {(night / table).read_text() for table in TABLES}
                (shop.current / TABLES[0]).read_text()  # one file, by the link itself
            except OSError:
                failed += 1
            else:
                mixed += len(told) != 1 or len(told.pop().split()) != 500
            reads += 1
            time.sleep(0.004)
        return f"{reads} {failed} {mixed}"

    return work


def test_readers_during_publications_see_one_night_each_time(tmp_path):
    shop = Home(tmp_path).shop("shop")
    put_out(shop, 0)
    children = [faults.Child(reader(shop, tmp_path / "stop")) for _ in range(READERS)]
    for child in children:
        child.go()
    for n in range(1, PUBLICATIONS + 1):
        put_out(shop, n)
    (tmp_path / "stop").touch()
    told = [tuple(map(int, child.end().told.split())) for child in children]
    reads, failed, mixed = map(sum, zip(*told, strict=True))
    print(
        f"\nreaders: {reads:,} reads in {PUBLICATIONS:,} publications, {failed} failed, {mixed} mixed"
    )
    assert (failed, mixed) == (0, 0)
    assert reads > PUBLICATIONS
    assert len(published(shop)) <= 51 and os.path.islink(shop.current)
