"""The page as people meet it: in a browser, by keyboard, on a phone, in the dark, on paper.

Screenshots are kept in `screenshots/` of pytest's temporary folder, or in `NIGHTSHELF_SCREENSHOTS`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.chromium import chromium, found
from tests.support.morning import N_RANKS, N_USERS, TITLES

BINARY = found()
pytestmark = pytest.mark.skipif(
    BINARY is None, reason="no Chromium here; Debian's package is `chromium`"
)
PHONE, DESK = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def screenshots(shared) -> Path:
    folder = Path(os.environ.get("NIGHTSHELF_SCREENSHOTS") or shared / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(BINARY, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def opened(browser, file):
    browser.screen(*DESK)
    browser.open(file)
    return browser


def searched(browser, text: str) -> list[str]:
    """Names of the lists that a search finds."""
    browser.run("document.getElementById('search').value = ''")
    browser.run("document.getElementById('search').focus()")
    browser.type(text)
    return browser.run("[...document.querySelectorAll('#found button')].map(b => b.textContent)")


def shown(browser) -> str:
    return browser.run("document.getElementById('list').textContent")


def test_it_loads_without_a_complaint_and_asks_nobody_for_anything(opened, file):
    assert opened.complaints == []
    assert {url.partition(":")[0] for url in opened.requests} <= {"file", "data"}
    assert [url for url in opened.requests if url.startswith("file:")] == [file.as_uri()]
    size, ready = (
        file.stat().st_size,
        opened.run("performance.timing.loadEventEnd - performance.timing.navigationStart"),
    )
    print(f"\nmorning page: {size / 1000:,.0f} kB, loaded in {ready} ms")  # fmt: skip


def test_strangers_text_runs_nothing(opened):
    searched(opened, "onerror")
    opened.run("[...document.querySelectorAll('#found button')].forEach(b => b.click())")
    assert opened.run("document.title").startswith("It worked")
    assert opened.run("document.images.length") == 0


def test_the_search_finds_a_user_by_id_and_shows_the_published_list(opened):
    names = searched(opened, 'quo"te')
    assert names[0] == 'user quo"te'
    opened.run("document.querySelector('#found button').click()")
    assert opened.run("document.querySelectorAll('#list li').length") == N_RANKS
    assert 'Shelves of user quo"te' in shown(opened)


def test_the_search_finds_an_item_by_its_title(opened):
    title = next(iter(TITLES.values()))
    names = searched(opened, title)
    assert names[0].startswith("item " + title)


def test_what_is_not_carried_is_said_with_the_way_to_it(opened):
    assert searched(opened, "nobody-has-this-id") == []
    said = opened.run("document.getElementById('count').textContent")
    assert said == "Not on this page. nightshelf shelf USER looks anyone up."


def test_an_exploring_slot_is_named_so(opened):
    searched(opened, 'quo"te')
    opened.run("document.querySelector('#found button').click()")
    tags = opened.run("[...document.querySelectorAll('#list li .tag')].map(t => t.textContent)")
    assert tags == ["exploring"]


def test_the_keyboard_alone_leads_from_the_search_to_a_list(opened):
    searched(opened, 'quo"te')
    opened.press("Tab", 9)
    assert opened.run("document.activeElement.tagName") == "BUTTON"
    opened.press("Enter", 13)
    assert opened.run("document.activeElement.id") == "list"
    assert (
        opened.run("document.querySelector('#found [aria-pressed=true]').textContent")
        == 'user quo"te'
    )


def test_the_first_tab_skips_to_the_verdict(opened):
    opened.press("Tab", 9)
    assert opened.run("document.activeElement.getAttribute('href')") == "#top"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen(browser, file, screenshots, size, scheme):
    browser.screen(*size, scheme)
    browser.open(file)
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    browser.picture(screenshots / f"{size[0]}-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser, file, scheme):
    """A contrast of 4.5 (WCAG 2.2, AA), of every text on the nearest background."""
    browser.screen(*DESK, scheme)
    browser.open(file)
    weak = browser.run(CONTRAST)
    assert weak == []


CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => { v /= 255;
    return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const weak = new Set();
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest('script')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) weak.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
  }
  return [...weak];
})()"""


def test_on_paper_there_is_no_navigation_and_every_row(browser, file, screenshots):
    browser.screen(*DESK, "dark", "print")
    browser.open(file)
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    browser.picture(screenshots / "print.png")


def test_it_carries_every_user_of_a_small_shop(opened):
    assert len([n for n in searched(opened, "user ") if n.startswith("user ")]) == N_USERS
