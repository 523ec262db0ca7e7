"""The shop's rules on their way to SQL, and what of the catalogue each of them needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from nightshelf.errors import SettingsError
from nightshelf.paths import Attempt
from nightshelf.settings.rules import Rules
from nightshelf.settings.shop import Shop
from nightshelf.warehouse import connect, offer

LINES = {
    "line": "integer", "rule": "varchar", "subject": "varchar", "value": "varchar",
    "placement": "varchar", "factor": "double", "rank": "integer", "campaign": "varchar",
    "origin": "varchar",
}  # fmt: skip
"""raw.rules: one row per line of the shop's that holds on the night."""


def offer_lines(attempt: Attempt, rules: Rules, night: date) -> None:
    """Makes raw.rules anew."""
    rows = [
        (number, *(getattr(line, column) for column in list(LINES)[1:]))
        for number, line in enumerate(rules.lines_on(night), start=1)
    ]
    offer(attempt, "rules", LINES, rows)


def refuse_idle_pins(shop: Shop, shop_file: Path, night: date) -> None:
    """Raises SettingsError for a pin, on the night or later, to a placement that is switched off, or behind
    the last place of its lists: it would stand nowhere, or on short lists alone, and nobody would be told."""
    for line in shop.rules.lines:
        is_over = line.until is not None and line.until < night
        if line.rule != "pin" or is_over:
            continue
        if not shop.placements.is_on(line.placement):
            raise SettingsError(
                f"{shop_file}: {line.origin} pins '{line.value}' to {line.placement}, which placements.off"
                " switches off.",
                f"Take the pin out, or take {line.placement} out of placements.off.",
            )
        key = shop.placements.length_key(line.placement)
        places = getattr(shop.placements, key)
        if line.rank > places:
            raise SettingsError(
                f"{shop_file}: {line.origin} pins '{line.value}' to rank {line.rank} of {line.placement},"
                f" whose lists have {places} places.",
                f"Pin it to rank {places} at most, or raise placements.{key}.",
            )


def refuse_without_column(shop: Shop, shop_file: Path, night: date, attempt: Attempt) -> None:
    """Raises SettingsError for a rule that needs what no item of the night's catalogue has."""
    with connect(attempt.database) as db:
        counts = db.execute(
            "select count(*), count(category), count(brand), count(price), count(cost)"
            " from marts.dim_items where is_product"
        ).fetchall()[0]
        bought = db.execute(
            "from marts.fct_interactions where event_type = 'purchase' limit 1"
        ).fetchall()
    has = dict(zip(("category", "brand", "price", "cost"), counts[1:], strict=True))
    for key, column in _needs(shop.rules, night):
        if not has[column]:
            raise SettingsError(
                f"{shop_file}: {key} needs the {column} of items, and none of the {counts[0]:,} items"
                f" of the night {night} has one.",
                f"Give `{column}` in the columns of a source of items, or take {key} out.",
            )
    if shop.rules.withhold_bought and not bought:
        raise SettingsError(
            f"{shop_file}: rules.withhold_bought needs purchases, and no user has one before {night}.",
            "Give 'purchase' a weight under [events.weights], or take rules.withhold_bought out.",
        )


def _needs(rules: Rules, night: date) -> Iterator[tuple[str, str]]:
    """Each key or line that is on, and the column it cannot do without."""
    for column in rules.caps:
        yield f"rules.max_per_{column}", "price" if column == "price_band" else column
    if rules.calibration is not None:
        yield "rules.calibration", "category"
    margins = {"min_margin": rules.min_margin is not None, "margin_weight": rules.margin_weight > 0}
    for key in (key for key, is_on in margins.items() if is_on):
        yield from ((f"rules.{key}", column) for column in ("price", "cost"))
    for line in rules.lines_on(night):
        if line.subject != "item":
            yield line.origin, line.subject


def lines_about_nothing(attempt: Attempt) -> list[tuple[str, str, str, str]]:
    """(origin, rule, subject, value) of the night's lines that match no item. Items leave a catalogue, so they
    do not stop the night; a slip in writing looks the same, so they are told."""
    with connect(attempt.database) as db:
        return db.execute(
            """select origin, rule, subject, value from raw.rules as lines
            where not exists (
                from marts.dim_items as items
                where case subject when 'item' then items.item_id = lines.value
                    when 'brand' then items.brand = lines.value
                    else starts_with(items.category_path || ' > ', lines.value || ' > ') end
            ) order by line"""
        ).fetchall()
