"""Headless Chromium by its debugging pipe: no driver, no port, nothing but the standard library."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AS_3_AND_4 = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    " os.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads from descriptor 3 and writes to 4, whatever ours are called."""
SECONDS = 60
"""A busy machine takes a while to start it; an answer comes in milliseconds."""


def found() -> str | None:
    """Debian's `chromium`, or another name of it."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One page. `events` holds what it reported: requests, exceptions, lines of its console."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._left = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    _session: str | None = None

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._send, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]
            self.events.append(told)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            got = os.read(self._receive, 1 << 16)
            assert got, "Chromium has ended"
            self._left += got
        one, _, self._left = self._left.partition(b"\0")
        return json.loads(one)

    def open(self, page: Path) -> None:
        self.visit(page.as_uri(), "location.protocol === 'file:'")

    def visit(self, url: str, until: str = "true") -> None:
        """Until the page is loaded and an expression in it is true."""
        self.events.clear()
        self.ask("Page.navigate", url=url)
        ends = time.monotonic() + SECONDS
        there = (
            f"document.readyState === 'complete' && location.href !== 'about:blank' && ({until})"
        )
        while not self.run(there):
            assert time.monotonic() < ends, f"{url} is not loaded after {SECONDS} s"
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def screen(self, width: int, height: int, scheme: str = "light", media: str = "") -> None:
        narrow = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **narrow)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                text="\r" if key == "Enter" and kind == "keyDown" else "",
            )  # fmt: skip

    def picture(self, path: Path) -> None:
        """The whole page, to its end."""
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    @property
    def requests(self) -> list[str]:
        sent = (e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent")
        return [one["request"]["url"] for one in sent]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Exceptions, refused loads, and anything that the page wrote to its console."""
        methods = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [e for e in self.events if e.get("method") in methods]


@contextmanager
def chromium(binary: str, home: Path) -> Iterator[Chromium]:
    """`home` takes its profile."""
    to_it, send = os.pipe()
    receive, from_it = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_it, from_it)]  # clear of 3 and 4
    os.close(to_it)
    os.close(from_it)
    command = [
        binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={home}",
    ]  # fmt: skip
    start = [sys.executable, "-c", AS_3_AND_4, *map(str, ends), *command]
    process = subprocess.Popen(
        start, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for end in ends:
        os.close(end)
    try:
        yield Chromium(send, receive)
    finally:
        process.terminate()
        process.wait(SECONDS)
        os.close(send)
        os.close(receive)
