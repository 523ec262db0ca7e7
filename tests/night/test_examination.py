"""What a whole night leaves of its examination, and that it is true."""

import json

import numpy as np
import pytest

from nightshelf.dataset.interactions import load_log
from nightshelf.evaluation import Past, load_past
from nightshelf.registry import Registry
from nightshelf.show.quality import show_quality
from nightshelf.storage import read_json
from nightshelf.warehouse import connect


@pytest.mark.parametrize("role", ["evaluate", "serve"])
def test_the_past_in_the_feature_tables_is_the_past_in_the_interactions(night, role):
    run = night.run
    as_of, target = run.night.as_of(role), run.shop.events.target
    with connect(run.attempt.database) as db:
        train = load_log(db, target).as_of(as_of, [target])
        users = np.append(train.users[::3], np.array(["nobody", "zzz"], dtype=object))
        found = load_past(db, as_of, train.items, users)
    expected = Past.of(train, users)
    assert found.n_users == expected.n_users
    for name in ("item_users", "item_age", "user_days"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


def test_the_report_is_json_for_every_reader(night):
    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    for path in (night.run.attempt.quality, night.run.attempt.root / "decision.json"):
        json.loads(path.read_text(), parse_constant=refuse)


def test_every_placement_says_who_serves_and_why(night):
    decisions = read_json(night.run.attempt.root / "decision.json")
    assert set(decisions) == {"for_you", "discover"}
    for decision in decisions.values():
        assert decision["serves_as"] in ("challenger", "champion", "baseline")
        assert (decision["version"] is None) == (decision["serves_as"] == "baseline")
        assert decision["why"]


def test_who_serves_by_a_version_is_what_the_registry_holds(night):
    registry = Registry(night.home, night.run.shop.name)
    for placement, decision in read_json(night.run.attempt.root / "decision.json").items():
        champion = registry.champion(placement)
        if decision["promoted"]:
            assert champion.version == decision["version"]
            recipe = registry.load(placement, champion)
            assert recipe.fingerprint() == decision["fingerprint"]
        else:
            assert champion is None


def test_what_is_shown_are_the_report_s_figures(night, capsys):
    show_quality(night.run)
    shown = capsys.readouterr().out
    for placement, found in read_json(night.run.attempt.quality)["placements"].items():
        assert found["verdict"] in shown
        if not found["contenders"]:
            assert f"rec_{placement} is not examined." in shown
            continue
        assert f"rec_{placement} by cohort" in shown
        for row in found["contenders"]:
            assert f"{row['ndcg@10']:.4f}" in shown
