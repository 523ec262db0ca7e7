"""The page on off-policy evaluation shows what its commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from nightshelf.paths import PROJECT

PAGE = (PROJECT / "docs" / "off-policy.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_shows(tmp_path):
    commands, output = re.findall(r"^```\n(.*?)\n```$", PAGE, re.M | re.S)[:2]
    make, ask = (line.split() for line in commands.splitlines())
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}

    def run(*words) -> str:
        return subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, check=True,
            capture_output=True, encoding="utf-8",
        ).stdout  # fmt: skip

    run(PROJECT / make[1], make[2])
    assert run("-m", *ask).rstrip() == output
