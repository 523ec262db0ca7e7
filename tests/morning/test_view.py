"""The pages inside Airflow: its guard is asked on every route, and nothing but published pages is served."""

from __future__ import annotations

import re

import pytest

from nightshelf.morning import write_page
from nightshelf.paths import PROJECT
from tests.support.morning import RUN, SHOP, two_nights


@pytest.fixture
def stranger(view):
    from starlette.testclient import TestClient

    return TestClient(view.app, follow_redirects=False)


@pytest.fixture
def reader(view, stranger):
    """Somebody whom Airflow lets see runs of the nightly DAG."""
    view.app.dependency_overrides[view.may_see_nights] = lambda: None
    yield stranger
    view.app.dependency_overrides.clear()


@pytest.mark.parametrize(
    "path",
    ["/", "/nights", "/shop/2017-12-01/1", "/run?run=a", "/page?run=a", "/door?run=a&door=raw",
     "/stopped/shop", "/docs", "/openapi.json"],
)  # fmt: skip
def test_who_is_not_logged_in_sees_nothing(home, stranger, path):
    write_page(SHOP, two_nights(home.shop("shop")))
    assert stranger.get(path).status_code in (401, 404)


def test_every_route_asks_airflow(view):
    guarded = [r for r in view.app.routes if hasattr(r, "dependant")]
    assert len(guarded) == len(view.app.routes) == 7
    for route in guarded:
        assert view.may_see_nights in [d.call for d in route.dependant.dependencies]


def test_the_view_opens_with_the_page_that_readers_night_has(home, reader):
    attempt = two_nights(home.shop("shop"))
    page = write_page(SHOP, attempt)
    sent = reader.get("/")
    assert (sent.status_code, sent.headers["location"]) == (307, "shop/2017-12-01/1")
    shown = reader.get("/shop/2017-12-01/1")
    assert shown.content == page.read_bytes()
    assert shown.headers["content-security-policy"].startswith("sandbox allow-scripts;")


def test_the_list_names_every_night_and_the_one_readers_see(home, reader):
    write_page(SHOP, two_nights(home.shop("shop")))
    text = re.sub(r"\s+", " ", reader.get("/nights").text)
    assert '<a href="shop/2017-12-01/1">2017-12-01, attempt 1</a> <strong>readers see' in text
    assert "2017-11-30, attempt 1: no page" in text


def test_a_home_without_a_night_has_an_empty_list(home, reader):
    assert "No shop has run a night in this home yet." in reader.get("/").text


@pytest.mark.parametrize(
    "path",
    [
        "/shop/2017-12-01/2",
        "/shop/2017-12-01/../1",
        "/shop/2017-12-01/%2e%2e",
        "/..%2f..%2fetc/2017-12-01/1",
        "/shop/..%2f..%2f/1",
        "/other/2017-12-01/1",
    ],
)
def test_what_is_no_published_night_is_not_there(home, reader, path):
    write_page(SHOP, two_nights(home.shop("shop")))
    assert reader.get(path).status_code == 404


def test_a_link_in_a_page_s_place_is_not_followed(home, reader, tmp_path):
    attempt = two_nights(home.shop("shop"))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (attempt.published / "morning.html").symlink_to(secret)
    assert reader.get("/shop/2017-12-01/1").status_code == 404


def test_a_runs_tab_says_what_failed_and_what_to_do(red, reader):
    shown = reader.get("/run", params={"run": RUN, "task": "prepare.door_features"})
    text = " ".join(re.sub(r"<[^>]+>", " ", shown.text).split())
    assert "Night 2017-12-01 of shop, attempt 2 ✕ door features failed , exit code 4" in text
    assert "7 rows &lt;script&gt; Next: Mend them." in text
    assert "Readers see night 2017-12-01/1." in text
    assert "features ✓ done 1.0 s 100 MB 7 features is done" in text
    assert "train – no word" in text
    (marked,) = re.findall(r'aria-current="true"><th scope="row">([^<]+)', shown.text)
    assert marked == "door features"


def test_a_runs_tab_leads_to_its_pages(red, reader):
    shown = reader.get("/run", params={"run": RUN}).text
    pages = re.findall(r'href="((?:page|door)[^"]+)"', shown)
    found = [reader.get("/" + page.replace("&amp;", "&")) for page in pages]
    assert [f.status_code for f in found] == [200, 200]
    assert "The night stopped" in found[0].text
    assert found[1].text == "a door's page"


def test_a_run_that_began_no_attempt_says_so(red, reader):
    assert "No night yet" in reader.get("/run", params={"run": "another"}).text
    assert reader.get("/page", params={"run": "another"}).status_code == 404
    assert reader.get("/door", params={"run": RUN, "door": "../../shop"}).status_code == 422
    assert reader.get("/door", params={"run": RUN, "door": "raw"}).status_code == 404


def test_the_view_opens_with_the_night_that_stopped(red, reader):
    assert reader.get("/").headers["location"] == "stopped/shop"
    page = reader.get("/stopped/shop").text
    assert "The night stopped" in page and "Mend them." in page
    assert "attempt 2 <strong>stopped</strong>" in reader.get("/nights").text


def test_a_night_that_goes_on_after_it_stopped_is_no_longer_what_the_view_opens_with(red, reader):
    (red.stages / "door_features.failed.json").unlink()
    assert "stopped" not in reader.get("/nights").text
    assert reader.get("/stopped/shop").status_code == 404


def test_airflow_finds_the_plugin_where_nightshelf_points_it(home):
    from nightshelf.orchestration.environment import environment

    folder = environment(home)["AIRFLOW__CORE__PLUGINS_FOLDER"]
    assert folder == str(PROJECT / "plugins")


def test_the_plugin_is_wiring_only_and_imports_no_view():
    """Every process of Airflow imports it, those of the tasks, too."""
    text = (PROJECT / "plugins" / "nightshelf_morning.py").read_text(encoding="utf-8")
    assert re.findall(r"^(?:from|import) (\S+)", text, re.M) == [
        "__future__",
        "airflow.plugins_manager",
    ]
    assert not re.search(r'"href": "/', text)
