"""`nightshelf explain`: from a slot, or its absence, back to the lines of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import exp
from pathlib import Path

from nightshelf.errors import SettingsError
from nightshelf.night import Night
from nightshelf.paths import Attempt, Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import console
from nightshelf.settings.shop import Shop, load_shop
from nightshelf.terminal import clean, figures_table, reason_told
from nightshelf.tracing.events import Event, events_of, ids_of, with_lines
from nightshelf.tracing.published import Row, checked, of_user, titles, whole_night
from nightshelf.tracing.ranked import Ranked, ranked
from nightshelf.tracing.ruled import boosts, withheld_by
from nightshelf.tracing.standing import why_not

TOP_FEATURES = 8
"""Shown of some 80: the rest adds up to little, and its sum is shown."""


def show_explained(
    home: Home, shop_file: Path, user: str, item: str, placement: str | None, night: date | None
) -> None:
    """Everything that the night left about the pair; reads only."""
    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    published = whole_night(where, shop.name, night)
    asked = checked(published, placement)
    attempt = where.attempt(published.night, published.attempt)
    rows = of_user(where, published, user, None)
    if asked is not None:
        _refuse_other_lists(asked, rows)
    found = [r for r in rows if r.item_id == item and asked in (None, r.placement)]
    ids = [item, *(e for row in found for e in row.evidence)]
    named = titles(where, published, ids)
    console.print(
        f"Night {published.night}, attempt {published.attempt}: user '{clean(user)}',"
        f" item '{clean(item)}' {clean(named.get(item, ''))}".rstrip()
    )
    asked_about = [asked] if asked else [r.placement for r in found] or ["for_you"]
    for name in asked_about:
        row = next((r for r in found if r.placement == name), None)
        _explain(shop, attempt, name, user, item, row, named)
    landing = shop.landing_in(home, shop_file)
    before = Night(published.night, shop.zone).instant
    events = events_of(where, ids_of(attempt, user), ids, before)
    _show_events(with_lines(where, events, landing), ids)


def _refuse_other_lists(placement: str, rows: Sequence[Row]) -> None:
    """A list of items or of everybody is nobody's own."""
    of_users = {*PLACEMENT_VIEWS, "buy_again", *(r.placement for r in rows)}
    if placement not in of_users:
        raise SettingsError(
            f"rec_{placement} has no list of this user's: its lists are of items or of everybody.",
            f"Name one of {', '.join(sorted(of_users))}.",
        )


def _explain(
    shop: Shop,
    attempt: Attempt,
    placement: str,
    user: str,
    item: str,
    row: Row | None,
    named: Mapping[str, str],
) -> None:
    console.print()
    if row is not None:
        _show_row(row, named)
    if placement not in PLACEMENT_VIEWS:
        _plain(f"rec_{placement} {_without_scores(attempt, row, item)}.")
        return
    if not attempt.database.exists():
        more = "" if row else " The shelf does not hold the item."
        _plain(f"The attempt's folder is gone: scores and sources are not known any more.{more}")
        return
    found = ranked(attempt, Night(attempt.night, shop.zone), placement, user, item)
    if row is None:
        reason = why_not(attempt, found, item, placement, user, shop)
        _plain(f"rec_{placement} does not hold it: {reason}.")
    if found.row is not None:
        _show_score(found, item)
        for boost in boosts(attempt, placement, item):
            console.print(clean(boost, 200))
        _show_sources(found)


def _without_scores(attempt: Attempt, row: Row | None, item: str) -> str:
    if row is not None:
        return "is ranked without candidate sources, from what the user took"
    withheld = withheld_by(attempt, item) if attempt.database.exists() else []
    return f"does not hold it{': ' if withheld else ''}{'; '.join(withheld)}"


def _show_row(row: Row, named: Mapping[str, str]) -> None:
    reason = reason_told(row.reason_code, row.evidence, row.item_id, named, row.propensity)
    console.print(
        f"rec_{row.placement} holds it at rank {row.rank}: {reason} ({clean(row.reason_code)});"
        f" source {clean(row.source)}, score {row.score:.4f}, propensity {row.propensity:.4g},"
        f" model {row.model_fingerprint}"
    )


def _show_score(found: Ranked, item: str) -> None:
    order = found.order
    place = f"{order.index(item) + 1:,} of {len(order):,}" if item in order else "not ranked"
    by = found.recipe.ranker.kind if found.recipe.ranker else "one source alone"
    _plain(f"Score {found.score:.4f}, rank {place}, by {found.recipe.source} ({by})")
    contributions = found.contributions()
    if not contributions:
        return
    *terms, base = contributions
    table = figures_table("What the score is made of, in log odds", "feature", "value", "adds")
    for c in terms[:TOP_FEATURES]:
        table.add_row(c.feature, f"{c.value:.4g}", f"{c.log_odds:+.3f}")
    rest = terms[TOP_FEATURES:]
    table.add_row(f"{len(rest)} others", "", f"{sum(c.log_odds for c in rest):+.3f}")
    table.add_row(base.feature, "", f"{base.log_odds:+.3f}")
    table.add_section()
    total = sum(c.log_odds for c in contributions)
    table.add_row("together", f"chance {1 / (1 + exp(-total)):.4f}", f"{total:+.3f}")
    console.print(table)


def _show_sources(found: Ranked) -> None:
    proposals = found.proposals()
    proposed = [p for p in proposals if p.rank]
    title = f"{len(proposed)} of {len(found.pool.ranks)} sources proposed it"
    table = figures_table(title, "source", "rank", "its own score")
    for p in proposals:
        table.add_row(clean(p.source), str(p.rank) if p.rank else "–", f"{p.score:.4g}")
    console.print(table)


def _show_events(events: Sequence[Event], items: Sequence[str]) -> None:
    console.print()
    if not events:
        _plain("No event of the user's with the item or its evidence before the night.")
        return
    table = figures_table("The user's events with it and its evidence, before the night", "event")
    for name in ("when, UTC", "item", "file", "row", "line", "text"):
        table.add_column(name, overflow="fold")
    for e in events:
        table.add_row(
            e.event_type,
            f"{e.occurred_at:%Y-%m-%d %H:%M:%S}",
            clean(e.item_id, 20),
            clean(e.file, 60),
            f"{e.row_number:,}",
            "gone" if e.text is None else "–" if e.line is None else f"{e.line:,}",
            "" if e.text is None else clean(e.text, 80),
        )
    console.print(table)
    counts = {e.item_id: e.n_of_item for e in events}
    for item in dict.fromkeys(items):
        shown = sum(e.item_id == item for e in events)
        if counts.get(item, 0) > shown:
            _say_more(item, counts[item], shown)


def _say_more(item: str, n: int, shown: int) -> None:
    console.print(f"  item '{clean(item)}': {n:,} events, the newest {shown} are shown")


def _plain(text: str) -> None:
    console.print(text, markup=False)
