from zlib import crc32

import pytest

from nightshelf.paths import Home
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.registry import Registry
from tests.support.rankers import logistic_ranker


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Home:
    """One database for all: making it takes two seconds."""
    return Home(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def registry(home, request) -> Registry:
    """A shop of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    return Registry(home, f"{name[:30]}-{crc32(request.node.name.encode())}")


@pytest.fixture
def add(registry, tmp_path):
    """Registers a recipe; returns its version."""

    def add(recipe: Recipe, placement: str = "for_you", **tags: str) -> str:
        run = registry.begin("night", None, {})
        tags = {"night": "2015-04-01", **tags}
        return registry.register(placement, recipe, run, tmp_path / "made", tags, "# A card")

    return add


def ranked(weight: float = 1.0, view: str = "all") -> Recipe:
    return Recipe(view, RANKER, logistic_ranker(weight))
