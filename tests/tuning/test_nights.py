"""From a search to the nights that judge it and go by it."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from nightshelf import cli
from nightshelf.errors import InputError, SettingsError, WarehouseLocked
from nightshelf.judging import recording
from nightshelf.paths import Home
from nightshelf.pinned.settings import pinned
from nightshelf.registry import Registry
from nightshelf.settings.models import ModelSettings
from nightshelf.steps import STEPS, Run, open_night, resume
from nightshelf.storage import read_json
from nightshelf.tuning import run as module
from nightshelf.tuning import search, verdict
from nightshelf.tuning.run import Budget, tune
from nightshelf.tuning.store import FILE, SettingsStore
from nightshelf.tuning.tried import read_tried
from tests.support.small_shops import ONE_DAY, SmallShop

pytestmark = pytest.mark.long

SHOP = SmallShop("tuned", n_days=80)
SEARCHED_ON, REFUSING, ACCEPTING, AFTER = (
    date(2015, 3, 25), date(2015, 3, 30), date(2015, 3, 31), date(2015, 4, 1),
)  # fmt: skip
FILES = ModelSettings.of_files()
FEW = Budget(minutes=10, trials=4)


def until(run: Run, last: str) -> Run:
    for name, step in STEPS.items():
        step(run)
        if name == last:
            return run
    raise AssertionError(last)


class Shop:
    """A shop in a home, and the nights that were run in it."""

    def __init__(self, folder: Path, shop: SmallShop) -> None:
        self.file, self.home = shop.write(folder), Home(folder / "home")
        self.name = shop.name

    def night(self, night: date, last: str = "evaluate") -> Run:
        return until(open_night(self.home, self.file, night), last)

    def tune(self, night: date | None = None, budget: Budget = FEW, only=("popularity",)):
        return tune(self.home, self.file, night, budget, only)

    @property
    def registry(self) -> Registry:
        return Registry(self.home, self.name)

    def runs(self) -> list:
        registry = self.registry
        return registry.client.search_runs([registry.experiment])

    def version(self, number: str):
        registry = self.registry
        return registry.client.get_model_version(registry.model_name("settings"), number)


@pytest.fixture(scope="module", autouse=True)
def no_pictures_of_nights():
    """They take most of an evaluation's time; a search's are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        for drawn in ("_explain", "_overview"):
            patch.setattr(recording.Record, drawn, lambda *given: None)
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    made = Shop(tmp_path_factory.mktemp("tuned"), SHOP)
    made.night(SEARCHED_ON, "door_features")
    return made


@dataclasses.dataclass(frozen=True)
class Story:
    """A find that is refused, another that is accepted, and the night after."""

    shop: Shop
    refusing: Run
    accepting: Run
    after: Run
    finds: list


@pytest.fixture(scope="module")
def story(shop) -> Story:
    """What is found and how it is judged are given: which settings are good is not this test's matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "MARGIN", -1.0)
        first = shop.tune(only=("own_history", "user_knn"))
        patch.setattr(verdict, "holds", lambda views: False)
        refusing = shop.night(REFUSING)
        second = shop.tune(only=("own_history", "content"))
        patch.setattr(verdict, "holds", lambda views: True)
        accepting = shop.night(ACCEPTING)
    return Story(shop, refusing, accepting, shop.night(AFTER), [first, second])


def evaluated(run: Run) -> dict:
    return read_json(run.attempt.stages / "evaluate.json")


# ------------------------------------------------------------------ the story


def test_a_find_is_a_challenger_and_no_champion(story):
    assert [tuned.version for tuned in story.finds] == ["1", "2"]
    assert "is challenger (own_history, user_knn); the next night judges it" in story.finds[0].told


def test_a_night_fits_the_changed_sources_both_ways_at_its_evaluate_cut(story):
    tried = read_tried(story.refusing.attempt)
    assert set(tried) == {(n, v) for n in ("own_history", "user_knn") for v in ("all", "new")}
    for now, then in tried.values():
        assert len(now) == len(then) > 10
    assert not list(story.refusing.attempt.models.glob("*challenger*.npz"))


def test_a_refused_find_leaves_the_settings_as_they_are(story):
    assert pinned(story.refusing.attempt).settings == FILES
    assert pinned(story.accepting.attempt).settings == FILES
    tags = story.shop.version("1").tags
    assert tags["verdict"] == "refused"
    assert tags["why"].startswith("did not hold: ")
    assert evaluated(story.refusing)["told"].endswith("settings version 1 refused")


def test_an_accepted_find_serves_from_the_next_night_on_and_never_the_same(story):
    found = story.finds[1].found
    assert pinned(story.accepting.attempt).version == ""
    going_by = pinned(story.after.attempt)
    assert (going_by.version, going_by.challenger) == ("2", None)
    assert going_by.changed == []
    for each in found:
        for table, keys in each.changes.items():
            for key, value in keys.items():
                assert getattr(going_by.settings[table], key) == value
    assert evaluated(story.accepting)["told"].endswith(
        "settings version 2 promoted, from the next night on"
    )


def test_the_models_of_the_night_after_are_made_with_it(story):
    days = story.finds[1].found[0].changes["own_history"]["half_life_days"]
    made = [r for r in story.shop.runs() if r.info.run_name == "own_history"]
    of_night = {
        r.data.tags["night"]: r.data.params["half_life_days"]
        for r in made
        if r.data.tags["role"] == "baseline"
    }
    assert of_night[ACCEPTING.isoformat()] == str(FILES["own_history"].half_life_days)
    assert of_night[AFTER.isoformat()] == str(days)


def test_the_verdict_is_in_quality_json_and_the_settings_in_the_night_s_run(story):
    judged = read_json(story.accepting.attempt.quality)["settings"]
    assert (judged["version"], judged["verdict"]) == ("2", "promoted")
    assert {c["name"] for c in judged["compared"]} == {"own_history", "content"}
    assert "settings" not in read_json(story.after.attempt.quality)
    (night,) = [r for r in story.shop.runs() if r.info.run_name == f"night {AFTER} attempt 1"]
    going_by = pinned(story.after.attempt)
    assert night.data.tags["settings_version"] == "2"
    assert night.data.tags["settings_sha256"] == going_by.sha256


def test_a_night_run_again_goes_by_what_it_went_by(story):
    again = open_night(story.shop.home, story.shop.file, ACCEPTING)
    assert pinned(again.attempt).sha256 == pinned(story.accepting.attempt).sha256
    assert pinned(again.attempt).challenger is None


def test_a_step_run_again_judges_to_the_same_verdict_and_moves_nothing(story):
    before = story.shop.version("2").tags
    STEPS["evaluate"](resume(story.shop.home, story.shop.file, ACCEPTING, 1))
    assert read_json(story.accepting.attempt.quality)["settings"]["verdict"] == "promoted"
    assert story.shop.version("2").tags == before


def test_a_search_is_a_run_with_a_run_inside_for_each_model(story):
    parents = [r for r in story.shop.runs() if r.info.run_name == f"tune {SEARCHED_ON}"]
    (inner,) = [
        r for r in story.shop.runs()
        if r.data.tags.get("mlflow.parentRunId") in {p.info.run_id for p in parents}
        and r.info.run_name == "user_knn"
    ]  # fmt: skip
    assert inner.data.metrics["n_trials"] == FEW.trials
    assert {"present_ndcg_at_10_all", "best_ndcg_at_10_new"} <= set(inner.data.metrics)
    client = story.shop.registry.client
    kept = {f.path for f in client.list_artifacts(inner.info.run_id)}
    kept |= {f.path for f in client.list_artifacts(inner.info.run_id, "search")}
    assert {"trials.json", "search/history.png"} <= kept


def test_a_damaged_champion_leaves_the_night_to_the_files_and_is_told(story, capsys, tmp_path):
    path = Path(story.shop.version("2").source.removeprefix("file://")) / FILE
    whole = path.read_text()
    path.write_text(whole + " ")
    try:
        going_by = pinned(open_night(story.shop.home, story.shop.file, AFTER).attempt)
    finally:
        path.write_text(whole)
    assert (going_by.settings, going_by.version) == (FILES, "")
    assert "Warning: settings version 2 is refused, so ml/config serves" in capsys.readouterr().out


def find(story: Story, folder: Path, changes: dict) -> str:
    """Registers changes as a search as of the last night does."""
    store = SettingsStore(story.shop.registry)
    run = store.registry.begin("tune", None, {})
    return store.register(changes, run, folder, {"night": AFTER.isoformat()}, "")


def test_what_held_in_part_is_promoted_without_the_rest(story, tmp_path, monkeypatch):
    """One of two changes of the ranker and a source: both kinds of table are sorted out."""
    changes = {"trend": {"recent_days": 14}, "logistic": {"c": 0.001}}
    version = find(story, tmp_path, changes)
    monkeypatch.setattr(verdict, "holds", lambda views: views[0].name == "ranker")
    run = story.shop.night(AFTER, "train")
    assert ("ranker", "all") in read_tried(run.attempt)
    judged = verdict.judge_settings(story.shop.registry, run.attempt)
    assert (judged.version, judged.verdict, judged.held) == (version, "in part", ("ranker",))
    going_by = pinned(open_night(story.shop.home, story.shop.file, date(2015, 4, 2)).attempt)
    before = pinned(story.after.attempt).settings
    assert going_by.settings.differ(before) == ["logistic"]


# ------------------------------------------------------------------ a shop that was never searched


def test_a_shop_that_was_never_searched_opens_no_mlflow(tmp_path, monkeypatch):
    monkeypatch.setattr(Registry, "__init__", lambda *given: pytest.fail("MLflow was opened"))
    made = Shop(tmp_path, ONE_DAY)
    going_by = pinned(open_night(made.home, made.file, AFTER).attempt)
    assert (going_by.settings, going_by.whose) == (FILES, "ml/config")


def test_too_short_a_history_ends_well_and_says_so(shop, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_folds", lambda *given: [])
    assert shop.tune().version is None
    assert "nobody who took something before and in the 14 days after" in capsys.readouterr().out


def test_without_a_night_there_is_nothing_to_search_on(tmp_path):
    made = Shop(tmp_path, ONE_DAY)
    with pytest.raises(InputError, match="No attempt at any night") as told:
        made.tune()
    assert "Run `nightshelf night` first" in told.value.next_step


# ------------------------------------------------------------------ how a search ends


@pytest.mark.parametrize("budget", [Budget(0, 5), Budget(5, 0), Budget(5, 1)])
def test_hardly_any_budget_ends_well_and_registers_nothing(shop, budget):
    tuned = shop.tune(SEARCHED_ON, budget)
    assert (tuned.version, tuned.told) == (
        None, "no settings are better than the present ones by the margin; those stay",
    )  # fmt: skip


def test_two_searches_of_a_shop_at_once_are_refused(shop):
    with (
        FileLock(shop.home.shop(shop.name).root / "tune.lock"),
        pytest.raises(WarehouseLocked, match="Another search of settings"),
    ):
        shop.tune()


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (OSError, "FAILED")],
)
def test_a_search_that_is_cut_short_says_so_in_mlflow(shop, monkeypatch, error, status):
    def ends(*given):
        raise error("now")

    known = {r.info.run_id for r in shop.runs()}
    monkeypatch.setattr(module, "search", ends)
    with pytest.raises(error):
        shop.tune()
    (run,) = [r for r in shop.runs() if r.info.run_id not in known]
    assert run.info.status == status


def test_a_model_that_is_not_searched_is_named_with_those_that_are(shop):
    with pytest.raises(SettingsError, match="--model nobody: .*searches own_history, popularity"):
        shop.tune(only=("nobody",))


def test_the_command_takes_a_budget_and_ends_with_what_it_found(shop):
    given = ["tune", "--shop", str(shop.file), "--home", str(shop.home.root), "--trials", "1"]
    asked = [*given, "--as-of", SEARCHED_ON.isoformat(), "--model", "trend"]
    done = CliRunner().invoke(cli.app, asked, catch_exceptions=False)
    assert done.exit_code == 0
    assert "1 model, 20 minutes, 1 trial each" in done.output
