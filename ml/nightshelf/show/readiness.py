"""What each placement needs and has, as a table."""

from __future__ import annotations

from rich.table import Table

from nightshelf.progress import console
from nightshelf.readiness import Placement, Readiness
from nightshelf.terminal import clean, titled_table


def show_readiness(found: Readiness) -> None:
    """A row per placement, then what is lacking and what that costs."""
    table = titled_table("Readiness: what each placement needs, and what the data has")
    for name in ("placement", "has", "wanted", "of what", "published"):
        table.add_column(name, justify="right" if name in ("has", "wanted") else "left")
    for p in found.placements:
        name = p.placement.removeprefix("rec_").replace("_", " ")
        table.add_row(name, f"{p.has:,}", f"{p.wanted:,}", p.needs, _published(p, found))
    console.print(table)
    _list("What is published instead", [p.told for p in found.placements if not p.is_ready])
    missing = found.missing_lists if found.of("audiences").is_ready else {}
    _list("Lists that `audiences` lacks", [f"{name}: {why}" for name, why in missing.items()])
    _list("What the log lacks, and what that costs", [g.told for g in found.gaps if g.costs])
    console.print()


def _list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False
    )
    table.add_column("sign")
    table.add_column("told", overflow="fold")
    for line in lines:
        table.add_row("·", clean(line, 200))
    console.print(table)


PAIRED = ("rec_similar_items", "rec_bought_together", "rec_cart")


def _published(placement: Placement, found: Readiness) -> str:
    if placement.placement == "audiences" and placement.is_ready and found.missing_lists:
        return "some of its lists"
    if placement.verdict == "off":
        return "nothing: switched off"
    if placement.placement == "rec_next_category" and placement.published_instead == "category":
        return "shares of what was taken"
    # Pairs that are too few to go by are published all the same; nothing else has rows to show.
    is_paired = placement.placement in PAIRED
    nothing = "what there is" if placement.has and is_paired else "nothing"
    return {
        None: "as meant",
        "popularity": "popular items",
        "category": "pairs, then the category",
        "last_month": "last month's shares",
        "nothing": nothing,
    }[placement.published_instead]
