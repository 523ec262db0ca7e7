"""A night that trains no ranker: the models that reign rank candidates of tonight."""

import json

import pytest

from nightshelf.errors import ModelError
from nightshelf.judging import evaluate
from nightshelf.judging.reigning import Reign
from nightshelf.steps import stage_records
from nightshelf.storage import read_json

pytestmark = pytest.mark.long


def test_the_reigning_models_make_the_same_shelves_of_the_same_night(second, unretrained):
    assert unretrained.sha256 == second.sha256


def test_nothing_is_trained_examined_or_registered(second, unretrained):
    told = {r["stage"]: r["told"] for r in stage_records(unretrained.run.attempt)}
    assert told["train"].endswith("sources at 1 cuts; no ranker: not asked to retrain")
    before, after = (read_json(n.run.attempt.root / "decision.json") for n in (second, unretrained))
    for placement, decision in after.items():
        assert decision["serves_as"] == "champion"
        assert decision["version"] == before[placement]["version"]
        assert decision["challenger_version"] is None
        assert decision["why"] == "not retrained tonight; the champion goes on"


def test_the_manifest_says_that_nobody_retrained(second, unretrained):
    manifests = [
        json.loads((n.run.attempt.published / "manifest.json").read_text())
        for n in (second, unretrained)
    ]
    assert [m.get("retrained") for m in manifests] == [None, False]


@pytest.mark.parametrize("reign", [Reign(), Reign(trouble="the champion, version 3, is refused")])
def test_a_shop_without_a_champion_that_can_serve_is_told_to_train_one(reign):
    with pytest.raises(ModelError, match="rec_for_you has no champion that can serve") as raised:
        evaluate._goes_on("for_you", reign)
    assert reign.trouble in raised.value.what
    assert raised.value.next_step == "Run the night again with retraining."
