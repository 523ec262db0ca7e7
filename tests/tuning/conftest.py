from zlib import crc32

import pytest

from nightshelf.paths import Home
from nightshelf.registry import Registry
from nightshelf.tuning.store import SettingsStore


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Home:
    """One database for all: making it takes two seconds."""
    return Home(tmp_path_factory.mktemp("tuned"))


@pytest.fixture
def store(home, request) -> SettingsStore:
    """Of a shop of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    return SettingsStore(Registry(home, f"{name[:30]}-{crc32(request.node.name.encode())}"))


@pytest.fixture
def add(store, tmp_path):
    """Registers changes as a search as of `night` does; returns the version."""

    def add(changes, night: str = "2015-04-01") -> str:
        run = store.registry.begin("tune", None, {})
        return store.register(
            changes, run, tmp_path / "made", {"night": night}, "Found by a search."
        )

    return add
