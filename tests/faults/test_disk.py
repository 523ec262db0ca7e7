"""A full disk of any size, and bits that flip on a whole one."""

import os
import random
import shutil
import subprocess

import pytest

from nightshelf.paths import Home
from nightshelf.publishing.nights import current, damage
from tests.faults.conftest import SOAK, Site
from tests.support import faults

SIZES = 30 if SOAK else 8
FLIPS = 1000 if SOAK else 150
STEP = 8192


@pytest.fixture
def small_disk(tmp_path):
    """16 MB of memory as a disk."""
    if os.geteuid() != 0:
        pytest.skip("a full disk was not tried: it needs a mount, and that needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a full disk was not tried: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_with_less_room_than_a_night_needs_keeps_the_old_night_and_says_so(small_disk):
    site = Site(Home(small_disk / "home").shop("shop"))
    filler = small_disk / "filler"
    full, wrong, untold = 0, [], []
    for room in (STEP * n * 30 // SIZES for n in range(SIZES)):
        filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
        ended = faults.run(faults.publishing(site.attempt))
        full += ended.code != 0
        wrong += [] if site.is_right() else [room]
        if ended.code and (ended.code != 8 or "No space left" not in ended.told):
            untold.append((room, ended))
        filler.unlink()
        assert site.is_resumed()
        site.reset()
    print(f"\nfull disk: {SIZES} sizes, {full} too small, {len(wrong)} wrong, {len(untold)} untold")
    assert (wrong, untold) == ([], [])
    assert 0 < full < SIZES


def test_every_flipped_bit_in_a_published_file_is_found(site):
    seen = current(site.shop)
    files = sorted(seen.path.iterdir())
    draw = random.Random(1)
    missed = []
    for n in range(FLIPS):
        path = files[n % len(files)]
        before = path.read_bytes()
        place, bit = draw.randrange(len(before)), draw.randrange(8)
        flipped = bytearray(before)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        missed += [] if damage(seen) else [(path.name, place, bit)]
        path.write_bytes(before)
    print(f"\nbit flips: {FLIPS} in {len(files)} files, {len(missed)} missed")
    assert missed == []
    assert damage(seen) == []


def test_every_bit_of_a_manifest_is_sealed(site):
    """All of its start and its end, where the seal is; the middle is of one kind."""
    seen = current(site.shop)
    path = seen.path / "manifest.json"
    before = path.read_bytes()
    ends = (*range(160), *range(len(before) - 160, len(before)))
    missed = []
    for place in ends[:: 1 if SOAK else 4]:
        for bit in range(8):
            flipped = bytearray(before)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            missed += [] if damage(seen) else [(place, bit)]
    path.write_bytes(before)
    assert missed == []
