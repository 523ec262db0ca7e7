"""`nightshelf simulate`: what it refuses before it makes anything."""

from __future__ import annotations

import pytest

from nightshelf.errors import SettingsError
from nightshelf.simulation.command import Size, run


@pytest.mark.parametrize(
    ("policy", "rules", "told"),
    [("greedy", None, "'greedy' is no policy"), ("even", "none.toml", "none.toml cannot be read")],
)
def test_a_slip_is_named_and_no_shop_made(tmp_path, policy, rules, told):
    with pytest.raises(SettingsError, match=told):
        run(tmp_path / "shop", Size(), 1, 0.1, policy, rules and tmp_path / rules)
    assert not (tmp_path / "shop").exists()


def test_rules_that_are_no_toml_are_told_by_their_own_file_and_line(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules]\nmax_per_brand = \n", encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"rules\.toml cannot be read: Invalid value \(at line 2"
    ):
        run(tmp_path / "shop", Size(), 1, 0.1, "even", rules)
    assert not (tmp_path / "shop").exists()
