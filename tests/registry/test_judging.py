"""From an examination to who serves: what the registry's state, and its users, do to the verdict."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from nightshelf.judging.evaluate import (
    Decision,
    Examined,
    _not_ready,
    _unexamined,
    held_against,
    settle,
)
from nightshelf.judging.recording import Record, roles_tonight
from nightshelf.judging.reigning import find_reign
from nightshelf.night import Night
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.ranking.shown import SHOWN
from nightshelf.readiness import Placement
from nightshelf.settings.shop import load_shop
from tests.support.examination import FEATURES, SOURCES, examination
from tests.support.rankers import logistic_ranker

NIGHT = Night(date(2015, 4, 1), ZoneInfo("UTC"))
SHOP = """
name = "corner"
title = "Corner <shop> `1`"
time_zone = "UTC"
currency = "EUR"
[[sources]]
name = "orders"
adapter = "online_retail"
path = "*.csv"
"""
TAGS = {
    "night": "2015-04-01",
    "git_commit": "unknown",
    "nightshelf_version": "0",
    "requirements_lock_sha256": "0",
    "dbt_manifest_sha256": "0",
    "data_rows": "12",
    "data_first": "2015-01-01",
    "data_last": "2015-03-31",
    "data_hash": "7",
}


@pytest.fixture
def bench(registry, home, tmp_path, request, monkeypatch):
    """Without pictures, where a test does not ask for them: they take most of the time."""
    if "pictures" not in request.node.name:
        monkeypatch.setattr(Record, "_explain", lambda *given: None)
        monkeypatch.setattr(Record, "_overview", lambda *given: None)
    return Bench(registry, home, tmp_path)


class Bench:
    """A shop's registry, and nights that are judged in it."""

    def __init__(self, registry, home, folder: Path) -> None:
        (folder / "corner.toml").write_text(SHOP)
        self.registry, self.shop = registry, load_shop(folder / "corner.toml")
        self.attempt = home.shop(registry.shop).attempt(NIGHT.date, 1)

    def record(self, night: Night = NIGHT) -> Record:
        tags = TAGS | {"night": night.date.isoformat()}
        data = {"rows": 12, "hash": "7"}
        return Record.begin(self.registry, self.shop, night, self.attempt, tags, data)

    def examine(self, held=None, ranker=None, night: Night = NIGHT, features=FEATURES) -> Examined:
        reign = find_reign(self.registry, "for_you", night, SOURCES, list(features))
        tonight = Recipe("all", RANKER, ranker) if ranker else None
        return held_against(held or examination(), "for_you", reign, tonight)

    def settle(self, examined: Examined, night: Night = NIGHT) -> Decision:
        return settle(self.registry, self.record(night), examined, self.attempt)

    def night(self, held=None, ranker=None, night: Night = NIGHT, features=FEATURES) -> Decision:
        return self.settle(self.examine(held, ranker, night, features), night)

    def aliases(self) -> dict[str, int]:
        model = self.registry.client.get_registered_model(self.registry.model_name("for_you"))
        return {alias: int(version) for alias, version in model.aliases.items()}

    def version(self, number: int):
        name = self.registry.model_name("for_you")
        return self.registry.client.get_model_version(name, str(number))

    def set_by_hand(self, number: int) -> None:
        name = self.registry.model_name("for_you")
        self.registry.client.set_registered_model_alias(name, "champion", str(number))

    def damage(self, number: int) -> None:
        path = Path(self.version(number).source.removeprefix("file://")) / "recipe.json"
        path.write_text(path.read_text() + " ")


GOOD, BETTER, BAD = (logistic_ranker(w, FEATURES) for w in (0.3, 3.0, -3.0))
WEAK = examination(item_knn=-0.9)
"""Where the only learnt source is worse than both baselines."""


def test_a_first_model_that_passes_is_promoted_and_its_version_says_why(bench):
    decision = bench.night(ranker=GOOD)
    assert (decision.serves, decision.version, decision.promoted) == ("challenger", "1", True)
    assert bench.aliases() == {"champion": 1}
    version = bench.version(1)
    assert (version.tags["verdict"], version.tags["why"]) == ("promoted", decision.why)
    assert version.tags["source"] == RANKER
    assert "**Promoted**" in version.description
    assert "shop `Corner <shop> '1'`" in version.description


def test_a_model_that_is_worse_than_a_baseline_leaves_the_shelf_to_it(bench):
    decision = bench.night(WEAK)
    assert (decision.serves, decision.recipe.source) == ("baseline", "own_history")
    assert (decision.version, decision.challenger, decision.promoted) == (None, "1", False)
    assert bench.aliases() == {"challenger": 1}
    assert bench.version(1).tags["verdict"] == "not promoted"
    assert "no champion, so own_history serves" in bench.version(1).tags["why"]


def test_a_model_that_is_worse_than_a_baseline_leaves_the_shelf_to_the_champion(bench):
    bench.night(ranker=GOOD)
    decision = bench.night(WEAK)
    assert (decision.serves, decision.version) == ("champion", "1")
    rows = WEAK.features(slice(None))
    assert decision.recipe.ranker.raw(rows).tolist() == GOOD.raw(rows).tolist()
    assert bench.aliases() == {"challenger": 2, "champion": 1}


def test_a_model_that_is_not_worse_takes_the_champion_s_place(bench):
    bench.night(ranker=GOOD)
    decision = bench.night(ranker=BETTER)
    assert (decision.serves, decision.version) == ("challenger", "2")
    assert bench.aliases() == {"champion": 2, "previous": 1}


def test_a_night_that_is_judged_again_adds_no_version_and_keeps_previous(bench):
    bench.night(ranker=GOOD)
    bench.night(ranker=BETTER)
    decision = bench.night(ranker=BETTER)
    assert (decision.serves, decision.version, decision.promoted) == ("champion", "2", False)
    assert "it is the champion's own content" in decision.why
    assert bench.aliases() == {"champion": 2, "previous": 1}


@pytest.mark.parametrize("dies_in", ["promote", "give_verdict"])
def test_a_version_is_never_called_promoted_before_its_alias_stands(bench, monkeypatch, dies_in):
    def die(*given, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(bench.registry, dies_in, die)
        bench.night(ranker=GOOD)
    version = bench.version(1)
    assert version.tags["verdict"] == "promotion under way"
    assert "**Promotion under way**" in version.description
    bench.registry.settle_cut_short("for_you")
    verdict = "promoted" if "champion" in bench.aliases() else "not promoted"
    assert (verdict == "promoted") == (dies_in == "give_verdict")
    assert bench.version(1).tags["verdict"] == verdict
    assert bench.version(1).description == version.description.replace(
        "Promotion under way",
        {"promoted": "Promoted"}.get(verdict, "Not promoted, since its night was killed before"),
    )


def test_a_ranker_that_has_learnt_where_items_were_shown_is_asked_for_its_other_features(bench):
    """The night has no place for rows that it ranks: such a ranker is scored, kept and scored again, and
    its card says so."""
    seeing = logistic_ranker(0.3, (*FEATURES, SHOWN))
    assert bench.night(ranker=seeing).promoted
    assert "shown: `where an item was shown;" in bench.version(1).description
    reign = find_reign(bench.registry, "for_you", NIGHT, SOURCES, list(FEATURES))
    assert reign.recipe.ranker.features == (*FEATURES, SHOWN)


# ------------------------------------------------------------------ the user is in charge


def test_a_champion_set_by_hand_stays_though_tonight_s_model_is_better(bench):
    for ranker in (BAD, GOOD, BETTER):
        bench.night(ranker=ranker)
    bench.set_by_hand(1)
    for _ in range(2):
        decision = bench.night(ranker=BETTER)
        assert (decision.serves, decision.version, decision.promoted) == ("champion", "1", False)
        assert decision.why.startswith("the alias `champion` was set by hand on version 1")
        assert bench.aliases()["champion"] == 1


def test_a_champion_set_by_hand_gives_way_once_the_alias_is_deleted(bench):
    bench.night(ranker=GOOD)
    bench.night(ranker=BETTER)
    bench.set_by_hand(1)
    name = bench.registry.model_name("for_you")
    bench.registry.client.delete_registered_model_alias(name, "champion")
    decision = bench.night(ranker=BETTER)
    assert decision.promoted
    assert "there was no champion" in decision.why
    assert bench.aliases()["champion"] == 3


def test_an_alias_that_moves_while_a_night_is_examined_is_left_alone(bench):
    bench.night(ranker=BAD)
    bench.night(ranker=GOOD)
    examined = bench.examine(ranker=BETTER)
    bench.set_by_hand(1)
    decision = bench.settle(examined)
    assert (decision.serves, decision.version, decision.promoted) == ("challenger", "3", False)
    assert "moved to version 1 while this night was examined" in decision.why
    assert bench.aliases()["champion"] == 1
    assert bench.version(3).tags["verdict"] == "not promoted"


def test_of_two_nights_at_once_the_second_to_end_leaves_the_first_s_champion(bench):
    first, second = bench.examine(ranker=GOOD), bench.examine(ranker=BETTER)
    assert bench.settle(first).promoted
    decision = bench.settle(second)
    assert not decision.promoted
    assert "moved to version 1" in decision.why
    assert bench.aliases() == {"challenger": 2, "champion": 1}


def test_an_alias_taken_away_while_a_night_is_examined_is_not_put_back(bench):
    bench.night(ranker=GOOD)
    examined = bench.examine(ranker=BETTER)
    name = bench.registry.model_name("for_you")
    bench.registry.client.delete_registered_model_alias(name, "champion")
    decision = bench.settle(examined)
    assert "was taken away while this night was examined" in decision.why
    assert "champion" not in bench.aliases()


# ------------------------------------------------------------------ champions that cannot serve


def test_a_damaged_champion_does_not_stop_the_night_and_is_told_loudly(bench):
    for ranker in (GOOD, BETTER):
        bench.night(ranker=ranker)
    bench.damage(2)
    decision = bench.night(ranker=logistic_ranker(2.0, FEATURES))
    assert (decision.serves, decision.version, decision.promoted) == ("challenger", "3", True)
    assert "version 2, is refused" in decision.why
    assert "recipe.json: sha256 is" in decision.warning
    assert "Look who changed its files" in decision.warning
    # Nobody would want to go back to a damaged model.
    assert bench.aliases() == {"champion": 3, "previous": 1}


def test_where_nothing_else_passes_a_damaged_champion_leaves_the_shelf_to_a_baseline(bench):
    bench.night(ranker=GOOD)
    bench.damage(1)
    decision = bench.night(WEAK)
    assert (decision.serves, decision.recipe.source) == ("baseline", "own_history")
    assert "is refused" in decision.warning
    assert bench.aliases() == {"challenger": 2, "champion": 1}


def test_a_damaged_champion_that_a_hand_set_keeps_its_alias(bench):
    for ranker in (BAD, GOOD):
        bench.night(ranker=ranker)
    bench.set_by_hand(1)
    bench.damage(1)
    decision = bench.night(ranker=BETTER)
    assert (decision.serves, decision.promoted) == ("challenger", False)
    assert "is refused" in decision.warning
    assert bench.aliases()["champion"] == 1


def test_a_champion_whose_features_are_gone_gives_way_and_may_be_gone_back_to(bench):
    bench.night(ranker=GOOD)
    other = ("truth", "fresh")
    decision = bench.night(ranker=logistic_ranker(1.0, other), features=other)
    assert (decision.serves, decision.promoted) == ("challenger", True)
    assert decision.why.startswith(
        "the champion, version 1, cannot be scored tonight: its features nothing are gone"
    )
    assert bench.aliases() == {"champion": 2, "previous": 1}


def test_a_champion_whose_source_is_gone_gives_way(bench):
    bench.night()
    assert bench.version(1).tags["source"] == "item_knn"
    reign = find_reign(bench.registry, "for_you", NIGHT, SOURCES[:2], [])
    assert (reign.recipe, reign.may_give_way) == (None, True)
    assert reign.trouble.endswith("cannot be scored tonight: source item_knn is gone")


def test_a_champion_of_a_later_night_neither_competes_nor_gives_way(bench):
    later = Night(date(2015, 4, 2), ZoneInfo("UTC"))
    bench.night(ranker=GOOD, night=later)
    decision = bench.night(ranker=BETTER)
    assert (decision.serves, decision.version, decision.promoted) == ("challenger", "2", False)
    assert decision.why.startswith("the champion, version 1, is of the later night 2015-04-02")
    assert (decision.warning, bench.aliases()["champion"]) == ("", 1)


def test_a_champion_of_the_same_night_competes(bench):
    bench.night(ranker=GOOD)
    assert bench.examine().reign.recipe is not None


# ------------------------------------------------------------------ nobody to examine


def unexamined(bench) -> Decision:
    reign = find_reign(bench.registry, "for_you", NIGHT, SOURCES, list(FEATURES))
    return bench.settle(Examined("for_you", "all", reign, _unexamined(reign)))


def test_without_anybody_to_examine_on_popular_items_serve_and_nothing_is_registered(bench):
    decision = unexamined(bench)
    assert (decision.serves, decision.recipe.source) == ("baseline", "popularity")
    assert (decision.version, decision.challenger) == (None, None)
    assert bench.registry.champion("for_you") is None


def test_without_anybody_to_examine_on_the_champion_goes_on(bench):
    bench.night(ranker=GOOD)
    decision = unexamined(bench)
    assert (decision.serves, decision.version) == ("champion", "1")
    assert "the champion goes on" in decision.why


def test_where_nobody_took_anything_nothing_is_promoted(bench):
    decision = bench.night(examination(anybody=False), ranker=GOOD)
    assert (decision.serves, decision.promoted) == ("baseline", False)
    assert "nobody took anything" in decision.why


# ------------------------------------------------------------------ too little data

TOO_FEW = Placement(
    "rec_for_you", "users", 3, 20, False, "too few", "popularity", "for you: 3 users, 20 wanted"
)


@pytest.mark.parametrize("by_hand", [True, False])
def test_where_readiness_falls_short_popular_items_serve_also_in_place_of_a_hand_s(bench, by_hand):
    for ranker in (BAD, GOOD):
        bench.night(ranker=ranker)
    if by_hand:
        bench.set_by_hand(1)
    before = bench.aliases()
    reign = find_reign(bench.registry, "for_you", NIGHT, SOURCES, list(FEATURES))
    decision = bench.settle(Examined("for_you", "all", reign, _not_ready(TOO_FEW, reign)))
    assert (decision.serves, decision.recipe.source) == ("baseline", "popularity")
    assert ("set by hand, version 1, does not serve" in decision.warning) == by_hand
    assert bench.aliases() == before


# ------------------------------------------------------------------ the record


def artefacts(bench, run: str, folder: str = "") -> set[str]:
    return {f.path for f in bench.registry.client.list_artifacts(run, folder or None)}


def test_pictures_highlight_who_serves_the_champion_before_and_the_best_baseline(bench):
    assert roles_tonight(bench.examine(WEAK)) == {"own_history": "serves"}
    bench.night(ranker=GOOD)
    assert roles_tonight(bench.examine(ranker=BETTER)) == {
        "ranker": "serves",
        "champion": "champion before",
        "own_history": "best baseline",
    }
    assert roles_tonight(bench.examine(WEAK)) == {
        "champion": "serves",
        "own_history": "best baseline",
    }


def test_a_night_s_record_holds_pictures_their_data_and_the_card(bench):
    record = bench.record()
    decision = settle(bench.registry, record, bench.examine(ranker=GOOD), bench.attempt)
    assert artefacts(bench, record.parent, "for_you") == {
        f"for_you/{name}"
        for name in ("contenders.png", "ndcg_by_k.png", "cohorts.png", "examination.json")
    }
    run = bench.version(1).run_id
    assert artefacts(bench, run) == {"curves", "for_you"}
    assert artefacts(bench, run, "for_you") == {"for_you/model_card.md", "for_you/recipe"}
    assert artefacts(bench, run, "curves") == {
        f"curves/{name}"
        for name in (
            "calibration.png", "precision_recall.png", "importances.png",
            "partial_dependence.png", "curves.json",
        )
    }  # fmt: skip
    found = bench.registry.client.get_run(run).data
    assert found.params["kind"] == "logistic"
    of = {n.removeprefix("for_you/"): value for n, value in found.metrics.items()}
    assert 0 < of["ndcg_at_10_low"] < of["ndcg_at_10"] <= 1
    assert {"ndcg_at_10/users/cold", "recall_at_10/items/head", "gini_at_10"} <= set(of)
    steps = bench.registry.client.get_metric_history(run, "for_you/ndcg_by_k")
    assert [m.step for m in steps] == list(range(1, 21))
    record.failed("FAILED")
    parent = bench.registry.client.get_run(record.parent)
    assert (parent.info.status, parent.data.tags["for_you_serves_as"]) == ("FAILED", "challenger")
    assert parent.inputs.dataset_inputs[0].dataset.name == "corner: marts.fct_interactions"
    assert decision.why == parent.data.tags["for_you_why"]


def test_a_ranker_is_examined_by_its_twin_and_serves_itself(bench):
    reign = find_reign(bench.registry, "for_you", NIGHT, SOURCES, list(FEATURES))
    for serves, twin, passes in ((BAD, GOOD, True), (GOOD, BAD, False)):
        tonight = Recipe("all", RANKER, serves, twin)
        found = held_against(examination(), "for_you", reign, tonight)
        assert (found.verdict.challenger == RANKER) is passes
        if passes:
            decision = bench.settle(found)
            assert decision.recipe.ranker is serves
            champion = bench.registry.load("for_you", bench.registry.champion("for_you"))
            assert champion.ranker.arrays()["member0_coefficients"].tolist() == (
                BAD.arrays()["member0_coefficients"].tolist()
            )
            assert champion.examined.arrays()["member0_coefficients"].tolist() == (
                GOOD.arrays()["member0_coefficients"].tolist()
            )


def test_one_source_may_be_the_challenger_of_two_placements(bench):
    record = bench.record()
    record.runs["item_knn"] = bench.registry.begin("item_knn", record.parent, {})
    strong = {view: examination(item_knn=2.0, view=view) for view in ("all", "new")}
    for placement, held in zip(("for_you", "discover"), strong.values(), strict=True):
        reign = find_reign(bench.registry, placement, NIGHT, SOURCES, list(FEATURES))
        examined = held_against(held, placement, reign, None)
        assert settle(bench.registry, record, examined, bench.attempt).recipe.source == "item_knn"
    for placement, view in (("for_you", "all"), ("discover", "new")):
        champion = bench.registry.champion(placement)
        assert bench.registry.load(placement, champion).view == view


def test_a_recipe_that_serves_is_scored_as_it_was_examined(bench):
    held = examination()
    decision = bench.night(held, ranker=GOOD)
    assert decision.recipe.fingerprint() == Recipe("all", RANKER, GOOD).fingerprint()
