"""Who reigns, what MLflow's users may do to that, and what is never loaded."""

import shutil
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from nightshelf.errors import ModelError, StorageError, WarehouseLocked
from nightshelf.paths import Home
from nightshelf.ranking.recipe import Recipe
from nightshelf.registry import Registry, store
from tests.registry.conftest import ranked


def aliases(registry: Registry, placement: str = "for_you") -> dict[str, int]:
    found = registry.client.get_registered_model(registry.model_name(placement)).aliases
    return {alias: int(version) for alias, version in found.items()}


def set_by_hand(registry: Registry, version: str) -> None:
    """What MLflow's UI does."""
    name = registry.model_name("for_you")
    registry.client.set_registered_model_alias(name, "champion", version)


# ------------------------------------------------------------------ aliases


def test_a_new_shop_has_no_champion(registry):
    assert registry.champion("for_you") is None


def test_aliases_follow_challenger_champion_and_previous(registry, add):
    first = add(Recipe("all", "item_knn"))
    assert aliases(registry) == {"challenger": 1}
    assert registry.champion("for_you") is None
    registry.promote("for_you", first)
    second = add(ranked(2))
    assert registry.champion("for_you").version == "1"
    registry.promote("for_you", second)
    registry.promote("for_you", second)
    assert aliases(registry) == {"challenger": 2, "champion": 2, "previous": 1}
    champion = registry.champion("for_you")
    assert (champion.version, champion.night, champion.by_hand) == ("2", "2015-04-01", False)
    assert registry.load("for_you", champion).fingerprint() == ranked(2).fingerprint()


def test_the_card_is_the_version_s_description(registry, add):
    version = add(ranked(), verdict="promoted")
    found = registry.client.get_model_version(registry.model_name("for_you"), version)
    assert (found.description, found.tags["verdict"]) == ("# A card", "promoted")


def test_previous_is_kept_where_the_champion_was_not_fit_to_go_back_to(registry, add):
    for recipe in (ranked(1), ranked(2)):
        registry.promote("for_you", add(recipe))
    registry.promote("for_you", add(ranked(3)), keep_previous=True)
    assert aliases(registry) == {"challenger": 3, "champion": 3, "previous": 1}


def test_an_alias_that_somebody_took_away_is_no_champion(registry, add):
    registry.promote("for_you", add(ranked()))
    registry.client.delete_registered_model_alias(registry.model_name("for_you"), "champion")
    assert registry.champion("for_you") is None
    registry.promote("for_you", add(ranked(2)))
    assert not registry.champion("for_you").by_hand


def test_a_version_that_somebody_deleted_is_no_champion(registry, add):
    version = add(ranked())
    registry.promote("for_you", version)
    registry.client.delete_model_version(registry.model_name("for_you"), version)
    assert registry.champion("for_you") is None


def test_a_model_that_somebody_deleted_is_made_again(registry, add):
    registry.promote("for_you", add(ranked()))
    registry.client.delete_registered_model(registry.model_name("for_you"))
    assert registry.champion("for_you") is None
    registry.promote("for_you", add(ranked(2)))
    assert registry.load("for_you", registry.champion("for_you")).ranker is not None


# ------------------------------------------------------------------ by hand


def test_an_alias_moved_by_hand_is_known_as_such_until_it_is_moved_back(registry, add):
    for recipe in (ranked(1), ranked(2)):
        registry.promote("for_you", add(recipe))
    for version, by_hand in (("1", True), ("2", False)):
        set_by_hand(registry, version)
        champion = registry.champion("for_you")
        assert (champion.version, champion.by_hand) == (version, by_hand)


def test_an_alias_set_by_hand_where_no_night_ever_promoted_is_known_as_such(registry, add):
    set_by_hand(registry, add(ranked(), verdict="not promoted"))
    assert registry.champion("for_you").by_hand


def test_a_champion_of_a_store_that_knows_no_hands_is_not_taken_for_one(registry, add):
    set_by_hand(registry, add(ranked(), verdict="promoted"))
    assert not registry.champion("for_you").by_hand


class Killed(BaseException):
    pass


@contextmanager
def killed(registry, monkeypatch, before_call: int):
    """Inside, this process dies instead of writing an alias or a tag for the so-manieth time."""
    calls = []

    def mortal(method):
        def call(*given):
            calls.append(method)
            if len(calls) == before_call:
                raise Killed
            return method(*given)

        return call

    with monkeypatch.context() as patched, pytest.raises(Killed):
        for name in ("set_registered_model_alias", "set_registered_model_tag"):
            patched.setattr(registry.client, name, mortal(getattr(registry.client, name)))
        yield


@pytest.mark.parametrize(("dies_before", "reigns"), [(2, "1"), (3, "1"), (4, "2")])
def test_a_hand_is_known_again_once_a_promotion_cut_short_is_settled(
    registry, add, monkeypatch, dies_before, reigns
):
    registry.promote("for_you", add(ranked(1)))
    version = add(ranked(2))
    with killed(registry, monkeypatch, dies_before):
        registry.promote("for_you", version)
    assert registry.champion("for_you").version == reigns
    registry.settle_cut_short("for_you")
    assert not registry.champion("for_you").by_hand
    set_by_hand(registry, {"1": "2", "2": "1"}[reigns])
    assert registry.champion("for_you").by_hand


def test_a_hand_that_moved_before_a_promotion_cut_short_was_settled_stays_a_hand(
    registry, add, monkeypatch
):
    for recipe in (ranked(1), ranked(2)):
        registry.promote("for_you", add(recipe))
    version = add(ranked(3))
    with killed(registry, monkeypatch, 4):
        registry.promote("for_you", version)
    set_by_hand(registry, "1")
    registry.settle_cut_short("for_you")
    assert registry.champion("for_you").by_hand
    set_by_hand(registry, "2")
    assert registry.champion("for_you").by_hand


def test_a_model_without_versions_has_nothing_to_settle(registry):
    registry.settle_cut_short("for_you")


@pytest.mark.parametrize("dies_before", [1, 2, 3, 4])
def test_a_night_killed_while_it_promotes_is_no_hand_and_can_be_run_again(
    registry, add, monkeypatch, dies_before
):
    registry.promote("for_you", add(ranked(1)))
    version = add(ranked(2))
    with killed(registry, monkeypatch, dies_before):
        registry.promote("for_you", version)
    assert not registry.champion("for_you").by_hand
    registry.promote("for_you", version)
    champion = registry.champion("for_you")
    assert (champion.version, champion.by_hand) == ("2", False)


# ------------------------------------------------------------------ the shop's experiment


def test_an_experiment_that_somebody_deleted_is_brought_back(registry, home):
    registry.client.delete_experiment(registry.experiment)
    again = Registry(home, registry.shop)
    assert again.experiment == registry.experiment
    assert again.begin("night", None, {})


def test_a_home_that_was_moved_keeps_its_runs_and_writes_no_more_to_the_old_place(
    tmp_path, monkeypatch
):
    old = Registry(Home(tmp_path / "old"), "shop")
    run = old.begin("night", None, {})
    version = old.register("for_you", ranked(), run, tmp_path / "made", {})
    old.promote("for_you", version)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    new = Registry(Home(tmp_path / "new"), "shop")
    where = new.client.get_run(new.begin("night", None, {})).info.artifact_uri
    assert where.startswith((tmp_path / "new").as_uri())
    assert new.client.get_run(run).info.run_id == run
    with pytest.raises(ModelError, match="is not among the artefacts in"):
        new.load("for_you", new.champion("for_you"))
    assert Registry(Home(tmp_path / "new"), "shop").experiment == new.experiment


def cut_in_half(database: Path) -> None:
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])


def of_another_schema(database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute("update alembic_version set version_num = 'bd07f7e963c5'")


TROUBLES = {
    "no database": (lambda path: path.write_text("no database " * 100), "Restore mlflow.db"),
    "cut short": (cut_in_half, "Restore mlflow.db"),
    "empty": (lambda path: path.write_bytes(b""), "Restore mlflow.db"),
    "another schema": (of_another_schema, "mlflow db upgrade"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_database_that_cannot_be_used_says_so_with_the_step_that_helps(
    registry, home, tmp_path, trouble
):
    registry.begin("night", None, {})
    harm, next_step = TROUBLES[trouble]
    shutil.copytree(home.mlflow, tmp_path / "mlflow")
    (tmp_path / "mlflow" / "artifacts").mkdir(exist_ok=True)
    harm(tmp_path / "mlflow" / "mlflow.db")
    with pytest.raises(StorageError, match=r"MLflow's database .*mlflow\.db") as told:
        Registry(Home(tmp_path), "shop")
    assert next_step in told.value.next_step
    assert ("mlflow db upgrade" in told.value.next_step) == (trouble == "another schema")


def test_a_database_that_another_process_holds_is_told_as_locked(registry):
    """The message is SQLite's own, after it has waited for five seconds."""
    from sqlalchemy.exc import OperationalError

    found = OperationalError("select", {}, sqlite3.OperationalError("database is locked"))
    with pytest.raises(WarehouseLocked, match="Another process holds") as told, registry.told():
        raise found
    assert "then run this step again" in told.value.next_step


def test_an_error_inside_mlflow_is_told_with_a_next_step(registry):
    with (
        pytest.raises(StorageError, match="cannot be used: .*Run with id") as told,
        registry.told(),
    ):
        registry.client.get_run("0" * 32)
    assert told.value.next_step.startswith("Run this step again")


def test_two_nights_do_not_move_aliases_at_once(registry, home, monkeypatch):
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.1)
    other = Registry(home, registry.shop)
    with registry.alone(), pytest.raises(WarehouseLocked, match="Another night"), other.alone():
        pass
    with other.alone():
        pass


def test_every_parameter_and_every_number_is_logged(registry):
    run = registry.begin("source", None, {})
    many = {f"p{n}": n for n in range(store.MAX_AT_ONCE + 1)}
    registry.log(run, many, {"ndcg@10": 0.5, "unknown": float("nan")})
    told = registry.client.get_run(run).data
    assert told.params == {name: str(n) for name, n in many.items()}
    assert told.metrics == {"ndcg_at_10": 0.5}


def test_a_large_file_is_kept_without_being_copied_and_outlives_its_first_name(registry, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(b"arrays")
    run = registry.begin("source", None, {})
    for _ in range(2):
        registry.keep_linked(run, "model", path)
    assert path.stat().st_nlink == 2
    path.unlink()
    kept = registry.client.download_artifacts(run, "model/model.npz")
    assert Path(kept).read_bytes() == b"arrays"


# ------------------------------------------------------------------ never loaded


def pointed(registry: Registry, source: str, sha256: str = "", placement: str = "for_you"):
    """A version whose files are said to lie elsewhere, made champion."""
    name = registry.model_name(placement)
    registry._ensure_model(name, placement)
    made = registry.client.create_model_version(name, source, tags={"recipe_sha256": sha256})
    registry.client.set_registered_model_alias(name, "champion", made.version)
    return registry.champion(placement)


def files_of(registry: Registry, version: str) -> tuple[Path, str]:
    found = registry.client.get_model_version(registry.model_name("for_you"), version)
    return Path(found.source.removeprefix("file://")), found.tags["recipe_sha256"]


def test_a_champion_whose_files_were_touched_is_never_loaded(registry, add):
    version = add(ranked())
    registry.promote("for_you", version)
    path = files_of(registry, version)[0] / "recipe.json"
    path.write_text(path.read_text().replace("ranker", "popularity"))
    with pytest.raises(ModelError, match=r"recipe.json: sha256 is .*, the registry says "):
        registry.load("for_you", registry.champion("for_you"))


def test_files_outside_of_the_shop_s_artefacts_are_never_loaded(registry, add, tmp_path):
    folder, sha256 = files_of(registry, add(ranked()))
    shutil.copytree(folder, tmp_path / "elsewhere")
    for source in (
        tmp_path / "elsewhere",
        folder / ".." / ".." / ".." / ".." / ".." / "elsewhere",
        f"{registry.artifacts}/%2e%2e/%2e%2e/elsewhere",
    ):
        champion = pointed(registry, f"file://{source}", sha256)
        with pytest.raises(ModelError, match=r"is not among the artefacts in|cannot be read"):
            registry.load("for_you", champion)


def test_a_symlink_among_the_artefacts_that_leads_out_is_not_followed(registry, add, tmp_path):
    folder, sha256 = files_of(registry, add(ranked()))
    shutil.copytree(folder, tmp_path / "elsewhere")
    (registry.artifacts / "link").symlink_to(tmp_path / "elsewhere")
    champion = pointed(registry, (registry.artifacts / "link").as_uri(), sha256)
    with pytest.raises(ModelError, match="is not among the artefacts in"):
        registry.load("for_you", champion)


def test_another_shop_s_model_is_never_loaded(registry, add, home):
    folder, sha256 = files_of(registry, add(ranked()))
    other = Registry(home, "another-shop")
    with pytest.raises(ModelError, match="is not among the artefacts in"):
        other.load("for_you", pointed(other, folder.as_uri(), sha256))


def test_another_placement_s_model_is_never_loaded(registry, add):
    folder, sha256 = files_of(registry, add(ranked(view="all")))
    champion = pointed(registry, folder.as_uri(), sha256, placement="discover")
    with pytest.raises(ModelError, match="ranks view 'all', and rec_discover is view 'new'"):
        registry.load("discover", champion)


@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.1:9/recipe",
        "s3://bucket/recipe",
        "models:/other/1",
        "runs:/0/recipe",
        "file://host/recipe",
        "file:",
        "http://[",
        "",
    ],
)
def test_only_files_of_this_machine_are_read(registry, source):
    champion = store.Registered("1", "2015-04-01", False, source, "0" * 64)
    with pytest.raises(ModelError, match=r"is not a local file|is no address|is not among"):
        registry.load("for_you", champion)


def test_a_version_that_somebody_registered_from_any_run_is_never_loaded(registry, tmp_path):
    run = registry.begin("notebook", None, {})
    (tmp_path / "recipe.json").write_text("{}")
    registry.keep(run, "recipe", tmp_path / "recipe.json")
    source = f"{registry.client.get_run(run).info.artifact_uri}/recipe"
    champion = pointed(registry, source)
    assert champion.by_hand
    with pytest.raises(ModelError, match="the registry says nothing"):
        registry.load("for_you", champion)


def open_registry(folder: Path, name: str) -> str:
    return Registry(Home(folder), name).begin("night", None, {})


def test_two_first_nights_at_once_both_find_their_tables(tmp_path):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        runs = list(pool.map(open_registry, [tmp_path] * 2, ["shop"] * 2))
    assert len(set(runs)) == 2


def test_a_database_whose_making_was_killed_is_made_anew(tmp_path):
    home = Home(tmp_path)
    home.mlflow.mkdir(parents=True)
    with sqlite3.connect(home.mlflow / ".incoming.db") as left:
        left.execute("create table experiments (experiment_id integer)")
    assert Registry(home, "shop").experiment
    assert not (home.mlflow / ".incoming.db").exists()


@pytest.mark.parametrize("how", ["gone", "a link to nothing"])
def test_a_database_that_is_lost_beside_its_artefacts_is_not_made_anew(tmp_path, how):
    """Every champion would be forgotten, and tonight's model crowned."""
    home = Home(tmp_path)
    (home.mlflow / "artifacts").mkdir(parents=True)
    if how != "gone":
        (home.mlflow / "mlflow.db").symlink_to(tmp_path / "not mounted" / "mlflow.db")
    with pytest.raises(StorageError, match=f"is {how}(.|\n)*Restore mlflow.db"):
        Registry(home, "shop")
    assert not (home.mlflow / "mlflow.db").exists()
