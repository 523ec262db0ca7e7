"""Size of a night's morning page, time to make it, and time to load it in headless Chromium.

    python benchmarks/morning.py --shop shops/demo.toml

Makes the page of the night that readers see, as `nightshelf morning` does. Loads are the browser's own
`loadEventEnd`, warm; the search is timed from the key to the results on the page.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from nightshelf.morning import seen_by_readers, write_page
from nightshelf.paths import Home, default_home
from nightshelf.steps import resume
from tests.support.chromium import chromium, found

LOADS = 7
LOADED = "performance.timing.loadEventEnd - performance.timing.navigationStart"
SEARCH = """(() => { const box = document.getElementById('search'); box.value = 'milk';
    const began = performance.now(); box.dispatchEvent(new Event('input'));
    document.getElementById('found').getBoundingClientRect(); return performance.now() - began; })()"""


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--shop", type=Path, required=True)
    shop_file = given.parse_args().shop
    home = Home(default_home())
    run = resume(home, shop_file, *seen_by_readers(home, shop_file))
    began = time.perf_counter()
    page = write_page(run.shop, run.attempt)
    print(f"made    {time.perf_counter() - began:.1f} s")
    print(f"size    {page.stat().st_size / 1e6:.2f} MB")
    binary = found()
    if binary is None:
        print("loaded  no Chromium here; Debian's package is `chromium`")
        return
    with tempfile.TemporaryDirectory() as profile, chromium(binary, Path(profile)) as browser:
        browser.screen(390, 844)
        loads, searches = [], []
        for _ in range(LOADS):
            browser.open(page)
            loads.append(browser.run(LOADED))
            searches.append(browser.run(SEARCH))
    print(f"loaded  {statistics.median(loads):.0f} ms, median of {LOADS}")
    print(f"search  {statistics.median(searches):.0f} ms")


if __name__ == "__main__":
    main()
