"""The repository stands alone: its links lead somewhere, and it names no machine and no index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NOT_OURS = {".git", ".venv", ".nightshelf", ".hypothesis", ".pytest_cache", ".ruff_cache"}
NOT_OURS |= {"__pycache__", "target", "logs"}


def files() -> Iterator[Path]:
    for folder, below, names in os.walk(PROJECT):
        below[:] = [b for b in below if b not in NOT_OURS and not b.endswith(".egg-info")]
        yield from (Path(folder) / name for name in names)


PAGES = sorted(path for path in files() if path.suffix == ".md")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def anchors(text: str) -> set[str]:
    """As code hosts make them of headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{link} is not there"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


# Spelt so that this file does not hold what it looks for.
MACHINE = re.compile("(?<![\\w.~$}])/(tmp|work|root)" + "/")
INDEX = re.compile(r"(pypi|pythonhosted|anaconda)\." + "(org|com)|--(extra-)?index-" + "url ?[=h]")
TEXT = {".md", ".py", ".toml", ".yml", ".yaml", ".sql", ".jinja", ".txt", ".sh", ".example", ""}


def lines_with(pattern: re.Pattern) -> list[str]:
    # What a Dockerfile names lies in the image.
    skipped = ("LICENSE", ".env", "Dockerfile")
    looked_at = (p for p in files() if p.suffix in TEXT and p.name not in skipped)
    return [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in looked_at
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_one_machine():
    assert lines_with(MACHINE) == []


def test_no_file_names_the_host_of_a_package_index():
    assert lines_with(INDEX) == []
    assert "://" not in (PROJECT / "requirements.lock").read_text()


def test_decisions_are_numbered_without_gaps_and_listed():
    folder = PROJECT / "docs" / "decisions"
    names = sorted(p.name for p in folder.glob("[0-9]*.md"))
    assert [int(n[:4]) for n in names] == list(range(1, len(names) + 1))
    listed = re.findall(r"\]\((\d{4}-.*?\.md)\)", (folder / "README.md").read_text())
    assert listed == names


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda p: p.name
)
def test_a_decision_says_what_instead_of_what_why_and_what_would_change_our_mind(path):
    told = re.findall(r"^\*\*(.*?)\.\*\*", path.read_text(), re.M)
    assert told == ["What", "Instead of", "Why", "What would change our mind"]


def test_the_example_s_exports_are_the_same_every_time(tmp_path):
    def exports(name: str, seed: str) -> str:
        script = PROJECT / "docs" / "example" / "make_orders.py"
        env = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, script, tmp_path / name], check=True, env=env)
        written = sorted((tmp_path / name).rglob("*.csv"))
        return sha256(b"".join(path.read_bytes() for path in written)).hexdigest()

    assert exports("one", "1") == exports("two", "2")
