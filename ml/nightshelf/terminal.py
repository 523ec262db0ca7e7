"""Text of the shop's, reasons and tables, as a terminal may show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

WORDS = {
    "because_you_bought": "because you bought",
    "bought_before": "bought before",
    "bought_together": "often bought with",
    "due_again": "due again",
    "exploring": "exploring",
    "first_choice": "what newcomers take first",
    "looked_at": "looked at, and not bought",
    "looks_alike": "looks like",
    "new_arrival": "new in the shop",
    "next_category": "likely next:",
    "on_sale": "cheaper than usual",
    "pinned": "pinned by the shop",
    "popular_now": "popular now",
    "rising": "more people take it than lately",
    "same_category": "sells best in the category of",
    "similar_item": "taken by buyers of",
    "similar_shoppers": "similar shoppers take it",
    "tells_most": "a yes or no tells most",
}
"""Reason code → words; a code that is not here is read out as it is."""

LEADS = {"on_sale": "; you bought"}
"""Reason code → what leads from its words to the evidence, where that is not what they are about."""


def clean(text: object, width: int = 60) -> str:
    """No escape codes, no markup, no novels."""
    shown = "".join(c if c.isprintable() else "·" for c in str(text))
    return escape(shown if len(shown) <= width else shown[: width - 1] + "…")


def reason_told(
    code: str,
    evidence: Sequence[str],
    item: str,
    titles: Mapping[str, str],
    chance: float = 1.0,
) -> str:
    """The reason in words, with the titles of its evidence where that is another item; of a slot that
    explores the chance with which it would show this item."""
    if code == "exploring":
        return f"exploring (chance {f'{chance:.2g}'.removeprefix('0')})"
    words = WORDS.get(code) or clean(code.replace("_", " "), 32)
    others = [clean(titles.get(e, e), 32) for e in evidence if e != item]
    if not others:
        return words
    more = f" and {len(others) - 2} more" if len(others) > 2 else ""
    return f"{words}{LEADS.get(code, '')} {', '.join(others[:2])}{more}"


def titled_table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", pad_edge=False)


def figures_table(title: str, *columns: str) -> Table:
    """The first column is a name; the others are figures."""
    table = titled_table(title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table
