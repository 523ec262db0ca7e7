"""Who serves: the gate's verdict, and what the registry hands out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nightshelf.errors import ModelError
from nightshelf.paths import Home
from nightshelf.quality import GATE_METRIC, MARGIN, Contender, judge
from nightshelf.ranking.ranker import Ranker
from nightshelf.recipe import RANKER, Recipe
from nightshelf.registry import Registry, read_recipe, write_recipe

USERS = 400
BASE = np.random.default_rng(5).uniform(0.2, 0.6, USERS)


def contender(name: str, plus: float, noise: float = 0.02) -> Contender:
    """Metrics of 400 users: the common ones, shifted by `plus`, with a little noise of its own."""
    own = np.random.default_rng(len(name)).normal(0, noise, USERS)
    return Contender(name, Recipe("all", name), {GATE_METRIC: BASE + plus + own - own.mean()}, {})


SINGLES = [contender("popularity", -0.1), contender("item_knn", 0.0)]


def test_without_a_champion_the_best_single_source_is_promoted():
    verdict = judge(SINGLES)
    assert (verdict.challenger, verdict.promoted, verdict.difference) == ("item_knn", True, None)
    assert (
        verdict.why
        == "no ranker (too few labels), so the best single source, item_knn; no champion to compare with"
    )


def test_the_ranker_is_the_challenger_where_it_beats_the_best_source_surely():
    assert judge([*SINGLES, contender(RANKER, 0.05)]).challenger == RANKER
    assert judge([*SINGLES, contender(RANKER, 0.001, noise=0.3)]).challenger == "item_knn"
    assert judge([*SINGLES, contender(RANKER, -0.05)]).challenger == "item_knn"


def test_a_better_challenger_is_promoted():
    verdict = judge([*SINGLES, contender("champion", -0.05)])
    assert (verdict.challenger, verdict.promoted) == ("item_knn", True)
    assert verdict.difference.mean == pytest.approx(0.05)
    assert "against the champion +0.0500" in verdict.why


def test_a_worse_challenger_leaves_the_champion_where_it_is():
    verdict = judge([*SINGLES, contender(RANKER, 0.05), contender("champion", 0.2)])
    assert (verdict.challenger, verdict.promoted) == (RANKER, False)
    assert "may be worse than the allowed" in verdict.why


def test_a_challenger_that_may_be_worse_by_more_than_the_margin_is_not_promoted():
    champion = contender("champion", 0.0, noise=0.0)
    allowed = MARGIN * champion.per_user[GATE_METRIC].mean()
    assert judge([contender("same", -0.2 * allowed, noise=0.01), champion]).promoted
    assert not judge([contender("less", -2 * allowed, noise=0.01), champion]).promoted
    # Better on the mean, but nobody can tell: the lower bound decides.
    assert not judge([contender("noisy", 0.01, noise=0.5), champion]).promoted


def ranker(weight: float) -> Ranker:
    one = np.ones(2)
    return Ranker(("a", "b"), 0 * one, one, weight * one, 0.5)


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    return Registry(Home(tmp_path_factory.mktemp("registry")), "shop")


def registered(registry, placement, recipe, tmp_path):
    run = registry.begin("night", None, {})
    return registry.register(placement, recipe, run, tmp_path / "made", {"why": "a test"})


def aliases(registry, placement):
    return registry.client.get_registered_model(registry.model_name(placement)).aliases


def test_a_new_shop_has_no_champion(registry):
    assert registry.champion("nothing") is None


def test_aliases_follow_challenger_champion_and_previous(registry, tmp_path):
    first = registered(registry, "for_you", Recipe("all", "item_knn"), tmp_path)
    assert {k: int(v) for k, v in aliases(registry, "for_you").items()} == {"challenger": 1}
    assert registry.champion("for_you") is None
    registry.promote("for_you", first)
    second = registered(registry, "for_you", Recipe("all", RANKER, ranker(2)), tmp_path)
    assert registry.champion("for_you").recipe.source == "item_knn"
    registry.promote("for_you", second)
    registry.promote("for_you", second)
    found = {k: int(v) for k, v in aliases(registry, "for_you").items()}
    assert found == {"challenger": 2, "champion": 2, "previous": 1}
    champion = registry.champion("for_you")
    assert champion.recipe.fingerprint() == Recipe("all", RANKER, ranker(2)).fingerprint()
    assert champion.recipe.score(None, np.eye(2)).tolist() == ranker(2).score(np.eye(2)).tolist()


def test_a_champion_whose_files_were_touched_is_never_loaded(registry, tmp_path):
    registry.promote(
        "touched", registered(registry, "touched", Recipe("all", RANKER, ranker(1)), tmp_path)
    )
    name = registry.model_name("touched")
    source = registry.client.get_model_version_by_alias(name, "champion").source
    path = Path(source.removeprefix("file://")) / "recipe.json"
    path.write_text(path.read_text().replace("ranker", "popularity"))
    with pytest.raises(ModelError, match="recipe.json: sha256 is .*, the registry says "):
        registry.champion("touched")


@pytest.fixture
def written(tmp_path):
    return write_recipe(Recipe("all", RANKER, ranker(1)), tmp_path)


def test_a_recipe_comes_back_as_it_was_written(written):
    assert read_recipe(*written).fingerprint() == Recipe("all", RANKER, ranker(1)).fingerprint()


def test_a_recipe_without_its_file_is_refused(written):
    shutil.rmtree(written[0])
    with pytest.raises(ModelError, match="recipe.json cannot be read"):
        read_recipe(*written)


def test_a_recipe_that_was_touched_is_refused(written):
    path = written[0] / "recipe.json"
    path.write_text(path.read_text().replace('"all"', '"new"'))
    with pytest.raises(ModelError, match="sha256 is .*, the registry says"):
        read_recipe(*written)


def test_ranker_arrays_that_were_touched_are_refused(written):
    path = written[0] / "ranker.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_recipe(*written)


def test_another_model_under_the_same_name_is_refused(written, tmp_path):
    other, _ = write_recipe(Recipe("all", RANKER, ranker(3)), tmp_path / "other")
    shutil.copy(other / "ranker.npz", written[0] / "ranker.npz")
    with pytest.raises(ModelError):
        read_recipe(*written)


def test_an_npz_that_carries_a_pickle_is_refused_unopened(written, tmp_path):
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    path = written[0] / "ranker.npz"
    np.savez(path, mean=np.array([Bomb()], dtype=object), allow_pickle=True)
    recipe = written[0] / "recipe.json"
    from nightshelf.storage import sha256_of

    said = json.loads(recipe.read_text()) | {"ranker_sha256": sha256_of(path)}
    recipe.write_text(json.dumps(said))
    with pytest.raises(ModelError):
        read_recipe(written[0], sha256_of(recipe))
    assert not marker.exists()
