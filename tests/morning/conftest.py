"""The page of one small night, made once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nightshelf.morning import write_page
from nightshelf.paths import Attempt, Home
from nightshelf.steps import DAG_RUN
from nightshelf.storage import write_json
from tests.support.morning import RUN, SHOP, two_nights

VOID = {"meta", "link", "input", "img", "br"}


@dataclass
class Node:
    tag: str
    attrs: dict[str, str]
    text: str = ""
    """Of the node and all within it."""


class Page(HTMLParser):
    """The nodes of a page in their order. Raises AssertionError on a tag that is closed out of turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.html = text
        self.nodes: list[Node] = []
        self._open: list[Node] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.nodes.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.nodes.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag
        if tag in ("td", "th", "span", "dd"):
            self.handle_data(" ")  # a cell is a word of its own

    def handle_data(self, data: str) -> None:
        for node in self._open:
            node.text += data

    def all(self, *tags: str) -> list[Node]:
        return [node for node in self.nodes if node.tag in tags]

    def part(self, id: str) -> str:
        """The text of the section, in one line."""
        (found,) = (n for n in self.all("section") if n.attrs.get("id") == id)
        return " ".join(found.text.split())

    @property
    def lists(self) -> dict:
        return json.loads(re.search(r'id="lists">(.*?)</script>', self.html, re.S)[1])


@pytest.fixture(scope="session")
def attempt(tmp_path_factory) -> Attempt:
    home = Home(tmp_path_factory.mktemp("morning"))
    attempt = two_nights(home.shop("shop"))
    write_page(SHOP, attempt)
    return attempt


@pytest.fixture(scope="session")
def file(attempt) -> Path:
    return attempt.published / "morning.html"


@pytest.fixture(scope="session")
def page(file) -> Page:
    return Page(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """The view's module, as Airflow's API server imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        from nightshelf.morning import view

        yield view


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def red(home) -> Attempt:
    """A second attempt at the night that readers see: it stopped at its second door."""
    attempt = home.shop("shop").attempt(two_nights(home.shop("shop")).night, 2)
    write_json(attempt.root / DAG_RUN, {"run_id": RUN})
    for step in ("ingest", "door_raw", "features"):
        told = {"stage": step, "rows": 7, "told": f"{step} is done", "seconds": 1.0, "peak_mb": 100}
        write_json(attempt.stages / f"{step}.json", told)
    failed = {"what": "7 rows <script>", "next_step": "Mend them.", "exit_code": 4}
    write_json(attempt.stages / "door_features.failed.json", {"stage": "door_features", **failed})
    attempt.doors.mkdir()
    (attempt.doors / "features.html").write_text("a door's page")
    write_page(SHOP, attempt)
    return attempt
