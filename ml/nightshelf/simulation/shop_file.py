"""The shop file of a made-up shop."""

from __future__ import annotations

from pathlib import Path

from nightshelf.errors import SettingsError
from nightshelf.settings.exploration import Exploration
from nightshelf.settings.shop import load_shop

NAME = "simulated"
TOML = """# A made-up shop, from `nightshelf simulate`: none of this is data of a real shop.
name = "{name}"
title = "A made-up shop (seed {seed})"
time_zone = "UTC"
currency = "EUR"
landing = "landing"

[[sources]]
name = "log"
adapter = "column_map"
path = "log/*.csv"
columns = {{ event_id = "event_id", event_type = "kind", occurred_at = "at", user_id = "user", item_id = "item", list_id = "list", position = "place", price = "price" }}

[[sources]]
name = "items"
adapter = "column_map"
kind = "items"
path = "items/*.csv"
columns = {{ item_id = "item", title = "title", category_path = "category", price = "price", updated_at = "since" }}

[events]
weights = {{ purchase = 1.0, cart_add = 0.5, click = 0.2, view = 0.2 }}

[keep]
attempts = 2

[exploration]
policy = "{policy}"
budget = {{ for_you = {budget} }}
"""


def write_shop_file(path: Path, seed: int, exploration: Exploration, rules: str) -> None:
    """`rules` is TOML: a table [rules], or nothing. Raises SettingsError, and leaves no file, where the
    night could not read it."""
    text = TOML.format(
        name=NAME, seed=seed, policy=exploration.policy, budget=exploration.budget.for_you
    )
    path.write_text(f"{text}\n{rules}" if rules else text, encoding="utf-8")
    try:
        load_shop(path)
    except SettingsError as error:
        path.unlink()
        told = error.what.replace(str(path), "The simulated shop's file with these rules", 1)
        raise SettingsError(told, error.next_step) from None
