"""What befalls a publication. A short form runs in `make test-all`, the long one by `make soak`.

Each test prints what it tried and what was lost; docs/reliability.md has the figures.
"""

import os
import shutil
from datetime import date

import pytest

from nightshelf.paths import Home
from nightshelf.publishing.nights import PublishedNight, current, damage, published
from nightshelf.publishing.publish import point_at, publish
from nightshelf.storage import sha256_of
from tests.support import faults
from tests.support.published import shelve

SOAK = bool(os.environ.get("NIGHTSHELF_SOAK"))
NIGHT = date(2017, 12, 1)

needs_strace = pytest.mark.skipif(
    not faults.has_strace(), reason="death and errors at system calls were not tried: no strace"
)


def hashes(night: PublishedNight) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(night.path.glob("*.parquet"))}


class Site:
    """A shop whose readers see attempt 1, and attempt 2 ready to be published."""

    def __init__(self, shop) -> None:
        self.shop = shop
        publish(shelve(shop.attempt(NIGHT, 1), n=7), {})
        self.old = current(shop)
        self.attempt = shelve(shop.attempt(NIGHT, 2), n=9)
        publish(self.attempt, {})
        self.whole = hashes(current(shop))
        self.hashes = {1: hashes(self.old), 2: self.whole}
        self.reset()

    def reset(self) -> None:
        point_at(self.shop, self.old)
        shutil.rmtree(self.attempt.published, ignore_errors=True)

    def is_right(self) -> bool:
        """Readers see the old night or the new one, whole."""
        seen = current(self.shop)
        return damage(seen) == [] and hashes(seen) == self.hashes[seen.attempt]

    def is_resumed(self) -> bool:
        """Published again, it is as if nothing had been, byte for byte; and nothing is left over."""
        ended = faults.run(faults.publishing(self.attempt))
        seen = current(self.shop)
        left = [
            p for p in self.shop.nights.iterdir() if p.name.startswith((".incoming", ".current"))
        ]
        return (ended.code, seen.attempt, hashes(seen), damage(seen), left) == (
            0,
            2,
            self.whole,
            [],
            [],
        )


@pytest.fixture
def site(tmp_path):
    site = Site(Home(tmp_path / "home").shop("shop"))
    yield site
    assert [n.attempt for n in published(site.shop)][0] == 1
