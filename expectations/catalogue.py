"""Door raw, the catalogue: its shape, and how far it may stray from the last published nights'.

A catalogue has no days to learn from: each file says what is true now. What it was is kept in the
manifests of the last eight published nights; a first night knows the fixed limits alone.
"""

from __future__ import annotations

from expectations import DoorContext, Rule
from expectations.declare import columns_rule, figures_rule
from nightshelf.columns import CATEGORIES, ITEMS, PROVENANCE, USERS

PROFILE = "SELECT * FROM raw.catalogue_profile"


def shape() -> list[Rule]:
    """Guards: they stand before whatever reads the catalogue."""
    return [
        _columns("raw.items", ITEMS),
        _columns("raw.categories", CATEGORIES),
        _columns("raw.users", USERS),
    ]


def rules(context: DoorContext) -> list[Rule]:
    """All on one small table."""
    return [
        _is_filled(),
        # An item stays until every file that names it is taken away: a quarter gone is a file gone.
        _against_before(
            "catalogue_keeps_its_size",
            "items",
            "before IS NULL OR observed >= 0.75 * before",
            reason="Items that left the catalogue leave every shelf.",
            next_step="Compare the newest catalogue file with the one before; deliver it whole, or set "
            "the shop's doors.learn_from to the day if it is meant.",
        ),
        _against_before(
            "catalogue_keeps_its_titles",
            "titled",
            "observed IS NULL OR observed >= 0.5 * before OR before IS NULL AND (observed > 0"
            " OR (SELECT observed FROM {batch} WHERE measure = 'blank_titles') = 0)",
            reason="Models of content read the title, and the shopper does.",
            next_step="Look at the title column of the newest catalogue file and at its mapping.",
        ),
        *_texts(),
        # Shops that keep in the catalogue what they sold have a level of their own. On a first night a twentieth,
        # or a list's worth of items: with less to sell a shop is closed, or the flag is wrong.
        _against_before(
            "catalogue_is_in_stock",
            "in_stock",
            "observed IS NULL OR observed >= coalesce(0.3 * before, 0.05)"
            " OR before IS NULL AND items_in_stock >= 20",
            further=", (SELECT product(observed)::BIGINT FROM {batch} WHERE measure IN ('items', 'in_stock'))"
            " AS items_in_stock",
            reason="What is out of stock is offered to nobody: the shelves would be bare.",
            next_step="Look at the stock columns of the newest catalogue file: unit, flag, time.",
        ),
        # Half of the shop's stock may move to a partner who does not tell.
        _against_before(
            "catalogue_knows_its_stock",
            "stock_known",
            "observed IS NULL OR before IS NULL OR observed >= 0.5 * before",
            reason="Stock that is unknown passes for stock at hand: sold-out items would be offered.",
            next_step="Look at the stock columns of the newest catalogue file and at their mapping.",
        ),
        *_prices(),
        # A tenth: below, the catalogue and the events speak of different ids.
        _against_before(
            "catalogue_knows_the_items_sold",
            "sold_items_known",
            "observed IS NULL OR (SELECT observed FROM {batch} WHERE measure = 'items') = 0"
            " OR observed >= greatest(0.1, coalesce(0.5 * before, 0))",
            reason="An item without a catalogue row has no title, category, price or stock.",
            next_step="Compare the catalogue's item ids with the events': prefix, variant, case?",
        ),
    ]


def _columns(table: str, contract: dict[str, str]) -> Rule:
    return columns_rule(
        f"{table.split('.')[1]}_have_their_columns",
        table,
        {table: contract | PROVENANCE},
        in_order=False,
        reason="dbt's staging models read these columns by name and trust their types.",
        next_step="Compare the shop's column map with docs on the input contract, then ingest again.",
    )


def _is_filled() -> Rule:
    return figures_rule(
        "catalogue_is_filled",
        "raw.files",
        # A claim is what an event's own row says of its item: no catalogue was promised by it.
        """
        SELECT (SELECT count(*) FROM raw.files WHERE kind = 'items' AND is_claim IS NOT TRUE)
                AS catalogue_files,
            (SELECT observed FROM {batch} WHERE measure = 'items')::BIGINT AS items
        """,
        "catalogue_files = 0 OR items > 0",
        over=PROFILE,
        reason="A shop that delivers a catalogue has items; without one no shelf knows its stock.",
        next_step="Look at the newest catalogue file and its quarantine; deliver it again.",
    )


def _against_before(name: str, measure: str, holds: str, further: str = "", **rest: str) -> Rule:
    """`before` is NULL on a first night: the fixed part of `holds` decides then. `further` are figures
    of other measures that `holds` asks for."""
    return figures_rule(
        name,
        "raw.items",
        f"""
        SELECT measure, round(observed, 4) AS observed, round(before, 4) AS before,
            learnt_from AS nights_learnt_from{further}
        FROM {{batch}} WHERE measure = '{measure}'
        """,
        holds,
        over=PROFILE,
        **rest,
    )


def _texts() -> list[Rule]:
    """Titles and categories that are there, and say nothing."""
    titles = "Compare the title column of the newest catalogue file with the one before."
    categories = "Compare the category column of the newest catalogue file with the one before."
    return [
        # Variants share a title: the shop's own share is what counts. One title for all of twenty
        # items is refused on a first night, too.
        _against_before(
            "catalogue_titles_differ",
            "distinct_titles",
            "observed IS NULL OR observed >= coalesce(0.5 * before, 0) AND (observed * titled > 1.5"
            " OR titled < 20)",
            further=", (SELECT product(observed)::BIGINT FROM {batch} WHERE measure IN ('items', 'titled'))"
            " AS titled",
            reason="Titles that are all alike tell no item from another, nor do models of content.",
            next_step=titles,
        ),
        # Some shops have ids for titles in part; what counts is that they were not there before.
        _against_before(
            "catalogue_titles_are_not_ids",
            "titles_are_ids",
            "observed IS NULL OR before IS NULL OR observed <= before + 0.3",
            reason="The shopper reads the title; an id in its place is a fallback of the export.",
            next_step=titles,
        ),
        _against_before(
            "catalogue_keeps_its_categories",
            "categorised",
            "observed IS NULL OR before IS NULL OR observed >= 0.5 * before",
            reason="Without a category an item stands on no shelf of a department.",
            next_step=categories,
        ),
        # A third: shops merge departments; they do not merge all of them overnight.
        _against_before(
            "catalogue_categories_differ",
            "categories",
            "before IS NULL OR observed >= before / 3 OR"
            " (SELECT observed FROM {batch} WHERE measure = 'categorised') = 0",
            reason="One category for all is a default; affinity to it says nothing.",
            next_step=categories,
        ),
    ]


def _prices() -> list[Rule]:
    step = "Check the unit and the currency of the catalogue's price column."
    return [
        # ln 3: dearer by half is a season; a hundredfold is cents.
        _against_before(
            "catalogue_keeps_its_price_level",
            "price_level",
            "observed IS NULL OR before IS NULL OR abs(observed - before) <= ln(3)",
            reason="Price affinity compares tonight's prices with what was paid.",
            next_step=step,
        ),
        # ln 10: a unit price in the events and a list price here differ by less.
        _against_before(
            "catalogue_prices_match_the_events",
            "price_to_events",
            "observed IS NULL OR abs(observed) <= ln(10)",
            reason="Events and catalogue name two prices for one item: one has another unit.",
            next_step=step,
        ),
    ]
