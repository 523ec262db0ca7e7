"""The stack on a container engine: built, brought up under a name of its own, and taken down with its volumes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from nightshelf.paths import PROJECT

MINUTES = 15
"""Of building, and of a night. On two shared cores the first takes four, the second three."""


def compose() -> list[str]:
    """The command, for an engine that answers. Skips the test where there is none."""
    if not os.environ.get("NIGHTSHELF_SOAK"):
        pytest.skip("the stack was not run: `make soak` does, ten minutes, where an engine answers")
    known = [["docker-compose"], ["docker", "compose"]]
    found = next((c for c in known if shutil.which(c[0]) and _works([*c, "version"])), None)
    if found is None or not _works(["docker", "version"]):
        pytest.skip("the stack was not run: no container engine answers on this machine")
    return found


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Stack:
    """`folder` holds .env, and shops/ with the shop's file and landing."""

    def __init__(self, folder: Path, shop: str) -> None:
        subprocess.run([sys.executable, PROJECT / "stack" / "env.py"], cwd=folder, check=True)
        self.ports = {"airflow": _free_port(), "mlflow": _free_port()}
        with (folder / ".env").open("a") as file:
            file.write(
                f"\nNIGHTSHELF_SHOPS={folder / 'shops'}\nNIGHTSHELF_SHOP={shop}\n"
                f"AIRFLOW__API__PORT={self.ports['airflow']}\n"
                f"NIGHTSHELF_MLFLOW_PORT={self.ports['mlflow']}\n"
            )
        lines = (folder / ".env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        self.base = [
            *compose(), "--project-name", "nightshelf-test", "--env-file", str(folder / ".env"),
            "--file", str(PROJECT / "docker-compose.yml"),
        ]  # fmt: skip

    def run(self, *arguments: str, **how) -> subprocess.CompletedProcess:
        """A command of compose. The test fails with what it said where it fails."""
        # What this process was given must not shine through: .env is all a server has.
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "NIGHTSHELF"))}
        done = subprocess.run([*self.base, *arguments], capture_output=True, env=env, **how)
        assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-4000:])
        return done

    def runner(self, *arguments: str, **how) -> subprocess.CompletedProcess:
        return self.run("run", "--rm", "--no-TTY", "runner", *arguments, **how)

    def up(self) -> float:
        """Seconds until every service is healthy."""
        started = time.monotonic()
        self.run("up", "--detach", "--wait", "--wait-timeout", str(60 * MINUTES))
        return time.monotonic() - started

    def down(self) -> None:
        self.run("down", "--volumes", "--timeout", "30")

    def ask(
        self, server: str, path: str, body: object = None, how: str = "", as_: str = ""
    ) -> tuple:
        """(status, answer): `as_` is the header Authorization."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": as_} if as_ else {})
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ports[server]}{path}"
        request = Request(url, data, headers, method=how or None)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def airflow(self, path: str, body: object = None, how: str = "") -> dict:
        """An answer of Airflow's API to its admin."""
        who = {"username": "admin", "password": self.env["NIGHTSHELF_ADMIN_PASSWORD"]}
        _, token = self.ask("airflow", "/auth/token", who)
        as_ = f"Bearer {json.loads(token)['access_token']}"
        status, told = self.ask("airflow", path, body, how, as_)
        assert status < 300, (path, told)
        return json.loads(told)

    def mlflow(self, path: str, body: object) -> dict:
        who = f"admin:{self.env['MLFLOW_AUTH_ADMIN_PASSWORD']}".encode()
        status, told = self.ask("mlflow", path, body, as_=f"Basic {b64encode(who).decode()}")
        assert status == 200, (path, told)
        return json.loads(told)
