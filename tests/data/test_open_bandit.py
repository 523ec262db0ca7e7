"""The Open Bandit logs: a policy's value by the other's log, beside what its own log earned."""

import os
from pathlib import Path

import pytest

from benchmarks.ope import CAMPAIGNS, ask
from nightshelf.paths import PROJECT

DATA = Path(os.environ.get("NIGHTSHELF_SHARED_DATA") or PROJECT.parent / "shared" / "data")
LOGS = DATA.absolute() / "open_bandit_small"

pytestmark = pytest.mark.skipif(
    not LOGS.is_dir(), reason=f"no Open Bandit logs in {LOGS}; set NIGHTSHELF_SHARED_DATA"
)

BOTH_WAYS = [(campaign, policy) for campaign in CAMPAIGNS for policy in ("bts", "random")]
UNSUPPORTED = ("women", "random")
"""One propensity of a millionth: its weight of 21,739 leaves two impressions' worth."""


@pytest.mark.parametrize(("campaign", "policy"), [b for b in BOTH_WAYS if b != UNSUPPORTED])
def test_what_a_policy_earned_lies_within_the_interval_of_the_other_s_log(campaign, policy):
    asked = ask(LOGS, campaign, policy)
    assert asked.by_other.effective_size > 300
    for estimator in ("IPS", "SNIPS", "DR"):
        value = asked.by_other.values[estimator]
        assert value.low <= asked.own <= value.high, estimator


def test_a_log_that_does_not_support_the_policy_says_so():
    found = ask(LOGS, *UNSUPPORTED).by_other
    assert found.effective_size < 3
    assert found.values["IPS"].high > 10 * found.logged.mean
