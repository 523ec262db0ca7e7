"""The tab *Night* as people meet it beside a red run: served, in a browser."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlencode

import pytest

from tests.support.chromium import chromium, found
from tests.support.morning import RUN

BINARY = found()
pytestmark = pytest.mark.skipif(
    BINARY is None, reason="no Chromium here; Debian's package is `chromium`"
)
SHOWS_STEPS = "document.querySelector('tr[aria-current] th') !== null"


@pytest.fixture
def served(view, red):
    """The address of the view, for somebody whom Airflow lets see runs."""
    import uvicorn

    view.app.dependency_overrides[view.may_see_nights] = lambda: None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(view.app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    view.app.dependency_overrides.clear()


@pytest.fixture
def tab(served, tmp_path):
    address = f"{served}/run?{urlencode({'run': RUN, 'task': 'prepare.door_features'})}"
    with chromium(BINARY, tmp_path / "chromium") as browser:
        browser.screen(1280, 900)
        browser.visit(address, SHOWS_STEPS)
        yield browser, served, address


def test_a_red_run_is_understood_in_the_browser_and_leads_to_the_page_of_its_night(tab):
    browser, served, _ = tab
    assert browser.run("document.querySelector('[role=alert] pre').textContent.trim()") == (
        "7 rows <script>"
    )
    assert "Next: Mend them." in browser.run("document.querySelector('[role=alert]').innerText")
    assert browser.run("document.querySelector('tr[aria-current]').cells[1].textContent") == (
        "✕ failed"
    )
    assert all(url.startswith(served) for url in browser.requests)
    assert [e for e in browser.complaints if "favicon" not in str(e)] == []
    browser.visit(browser.run("document.querySelector('a[href^=page]').href"), "document.title")
    assert "The night stopped" in browser.run("document.body.innerText")


def test_the_tab_fits_a_phone_in_the_dark(tab):
    browser, _, address = tab
    browser.screen(390, 844, "dark")
    browser.visit(address, SHOWS_STEPS)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    shade = browser.run(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert max(shade[:3]) < 80
