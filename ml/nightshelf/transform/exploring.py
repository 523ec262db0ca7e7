"""The shop's exploration on its way to SQL: raw.exploration says what explores tonight, and how."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nightshelf.errors import SettingsError
from nightshelf.paths import Attempt
from nightshelf.settings.shop import Shop
from nightshelf.warehouse import connect, offer

SETTINGS = {
    "placement": "varchar", "night": "date", "k": "integer", "budget": "double", "policy": "varchar",
    "lift": "double", "seed": "integer",
}  # fmt: skip
"""raw.exploration: one row per placement that explores on the night."""


def offer_exploration(attempt: Attempt, shop: Shop, night: date) -> None:
    """Makes raw.exploration anew."""
    asked = shop.exploration
    rows = [
        (placement, night, shop.placements.k, budget, asked.policy, asked.lift, asked.seed)
        for placement, budget in asked.budgets.items()
    ]
    offer(attempt, "exploration", SETTINGS, rows)


def refuse_pins(shop: Shop, shop_file: Path, night: date) -> None:
    """Raises SettingsError for a pin, on the night or later, to a shelf that explores: told today, and
    not on the first night of a campaign."""
    budgets = shop.exploration.budgets
    for line in shop.rules.lines:
        is_over = line.until is not None and line.until < night
        if line.rule == "pin" and line.placement in budgets and not is_over:
            raise SettingsError(
                f"{shop_file}: {line.origin} pins '{line.value}' to rank {line.rank} of"
                f" {line.placement}, of which exploration.budget leaves {budgets[line.placement]:g}"
                " of the slots to chance. A pinned slot is certain, so its propensity would be wrong.",
                f"Take the pin out, or take {line.placement} out of [exploration.budget].",
            )


def unspent(attempt: Attempt) -> list[tuple[str, float, float]]:
    """(shelf, share of its slots that explore, budget) where it is less than half of the budget: the
    rules leave the lists too little else to show, or each user has too few candidates."""
    with connect(attempt.database) as db:
        return db.execute(
            """select shelf, n_exploring / n_rows as explored, budget
            from raw.exploration
            join reports.rpt_shelves on shelf = 'rec_' || placement
            where budget > 0 and n_exploring < n_rows * budget / 2
            order by shelf"""
        ).fetchall()
