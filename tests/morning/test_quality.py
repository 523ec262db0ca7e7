"""Which contender the page shows as the one that serves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nightshelf.morning.quality import examined


def night(serves_as: str) -> SimpleNamespace:
    """Tonight's ranker is worse than the baseline, and that is worse than who reigned."""
    contenders = [
        {"name": name, "ndcg@10": mean, "intervals": {"ndcg@10": [mean - 0.01, mean + 0.01, 9]}}
        for name, mean in (("popularity", 0.1), ("ranker", 0.05), ("champion", 0.2))
    ]
    found = {
        "n_users": 9, "window_days": 14, "reachable": 0.5, "verdict": "", "warning": "", "limits": [],
        "serving": "ranker", "serves_as": serves_as, "cohorts": [], "contenders": contenders,
    }  # fmt: skip
    quality = {"placements": {"for_you": found}}
    return SimpleNamespace(quality=quality, quality_before=quality, manifest={})


@pytest.mark.parametrize("serves_as, name", [("champion", "champion"), ("challenger", "ranker")])
def test_who_reigned_before_is_not_taken_for_tonight_s_ranker(serves_as, name):
    (told,) = examined(night(serves_as))
    assert told["serves"]["name"] == told["before"]["name"] == name
    assert [c["role"] for c in told["contenders"] if c["name"] == name] == ["serves"]
