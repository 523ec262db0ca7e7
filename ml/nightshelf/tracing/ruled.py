"""One user's list walked through the shop's rules, so that each item that a rule keeps off it is told.

The twin of `ruled` in dbt_project/macros/rules.sql for a single list; `tests/night/test_rules.py` holds
it against what was published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

import duckdb

from nightshelf.paths import Attempt
from nightshelf.settings.rules import Rules
from nightshelf.warehouse import connect


@dataclass(frozen=True)
class Candidate:
    """What the rules know of an item on one list."""

    item_id: str
    score: float | None
    pin_rank: int | None
    boost: float
    product_id: str
    category: str | None
    brand: str | None
    price_band: int | None
    margin: float | None
    share: float
    """Of its category on this list, as calibration would have it."""
    waits: str | None
    """Since when and how long, in words; None where it does not wait."""

    def weight(self, rules: Rules) -> float:
        """The score times boosts times what the margin adds."""
        if self.score is None:
            return float("-inf")
        margin = 0.0 if self.margin is None else min(max(self.margin, 0.0), 1.0)
        factor = self.boost * (1 + rules.margin_weight * margin)
        return self.score * factor if self.score >= 0 else self.score / factor


Fates = dict[str, str]
"""Item → why it is not on the list, in words. Who stands on it is not here."""


def fates(attempt: Attempt, rules: Rules, placement: str, user: str, k: int) -> Fates:
    """Of every scored item that may be offered at all, by the order that docs/rules.md gives."""
    found = _candidates(attempt, rules, placement, user)
    gone: Fates = {}
    left = _awaited(found, rules, placement, gone)
    left.sort(key=lambda c: (c.pin_rank or 10_000, -c.weight(rules), c.item_id))
    left = _folded(left, rules, gone)
    if placement in rules.placements:
        for column, most in rules.caps.items():
            left = _capped(left, column, most, gone)
    behind = _beyond_quota(left, rules, placement, k)
    ranked = _placed(left, behind)
    for rank, candidate in enumerate(ranked[k:], start=k + 1):
        gone[candidate.item_id] = _too_late(candidate, rank, len(ranked), k, behind)
    return gone


def withheld_by(attempt: Attempt, item: str) -> list[str]:
    """What keeps the item off every shelf of the night, in words; empty where nothing does."""
    with connect(attempt.database) as db:
        found = db.execute(
            "select withheld_by, margin from marts.dim_items where item_id = ?", [item]
        ).fetchone()
        if found is None:
            return []
        names, margin = found
        words = {
            "not_a_product": "it is no product, by cleaning.product_id_pattern of the shop file",
            "out_of_stock": "it is out of stock",
            "left_the_catalogue": "its catalogue file was replaced by one that does not name it",
            "not_on_sale": "it is not on sale this night, by its available_from and available_until",
            "min_margin": "its margin is "
            + ("unknown" if margin is None else f"{margin:.3g}")
            + ", below rules.min_margin",
        }
        told = [words[name] for name in names if name in words]
        return told + [
            f"it is blocked by {origin} ({subject} '{value}')"
            for origin, subject, value, _ in _lines_of(db, "block", item, None)
        ]


def boosts(attempt: Attempt, placement: str, item: str) -> list[str]:
    """The lines that lift or lower the item on that shelf, in words."""
    with connect(attempt.database) as db:
        return [
            f"{origin} ({subject} '{value}') boosts it by {factor:g}"
            for origin, subject, value, factor in _lines_of(db, "boost", item, placement)
        ]


def _lines_of(
    db: duckdb.DuckDBPyConnection, rule: str, item: str, placement: str | None
) -> list[tuple[str, str, str, float | None]]:
    """(origin, subject, value, factor) of the night's lines that bear on the item, in their order."""
    return db.execute(
        """select origin, subject, value, factor
        from raw.rules as lines
        join marts.dim_items as items on case subject
            when 'item' then item_id = value when 'brand' then brand = value
            else starts_with(category_path || ' > ', value || ' > ') end
        where rule = $rule
            and item_id = $item
            and (placement is null or placement = $placement)
        order by line""",
        {"rule": rule, "item": item, "placement": placement},
    ).fetchall()


def _awaited(
    found: Iterable[Candidate], rules: Rules, placement: str, gone: Fates
) -> list[Candidate]:
    if not (rules.withhold_bought and placement == "for_you"):
        return list(found)
    left = []
    for candidate in found:
        if candidate.waits is None:
            left.append(candidate)
        else:
            gone[candidate.item_id] = f"rules.withhold_bought: {candidate.waits}"
    return left


def _folded(queue: Iterable[Candidate], rules: Rules, gone: Fates) -> list[Candidate]:
    if not rules.fold_variants:
        return list(queue)
    best: dict[str, Candidate] = {}
    for candidate in queue:
        first = best.setdefault(candidate.product_id, candidate)
        if first is not candidate:
            gone[candidate.item_id] = (
                f"rules.fold_variants: '{first.item_id}' is a variant of the same product and"
                " stands before it"
            )
    return list(best.values())


def _capped(queue: Iterable[Candidate], column: str, most: int, gone: Fates) -> list[Candidate]:
    seen: Counter[object] = Counter()
    left = []
    for candidate in queue:
        value = getattr(candidate, column)
        seen[value] += value is not None
        if candidate.pin_rank is not None or seen[value] <= most:
            left.append(candidate)
        else:
            gone[candidate.item_id] = (
                f"rules.max_per_{column} = {most}: as many of {column.replace('_', ' ')}"
                f" '{value}' stand before it"
            )
    return left


def _beyond_quota(
    queue: Iterable[Candidate], rules: Rules, placement: str, k: int
) -> Mapping[str, int]:
    """Item that calibration puts behind → its category's quota."""
    if rules.calibration is None or placement not in rules.placements:
        return {}
    seen: Counter[str] = Counter()
    behind = {}
    for candidate in queue:
        if candidate.category is None:
            continue
        seen[candidate.category] += 1
        quota = ceil(k * candidate.share - 1e-9)
        if seen[candidate.category] > quota:
            behind[candidate.item_id] = quota
    return behind


def _placed(queue: list[Candidate], behind: Mapping[str, int]) -> list[Candidate]:
    """The list in its order. A pin takes its rank, or the last one of a shorter list."""
    others = sorted((c for c in queue if c.pin_rank is None), key=lambda c: c.item_id in behind)
    pins = [c for c in queue if c.pin_rank is not None]
    places = [(n, 1, c) for n, c in enumerate(others, start=1)]
    # The third pin, at rank 8, follows on the fifth of the others.
    places += [(c.pin_rank - n + 0.5, 0, c) for n, c in enumerate(pins, start=1)]
    return [c for *_, c in sorted(places, key=lambda p: (p[0], p[2].pin_rank or 0))]


def _too_late(candidate: Candidate, rank: int, n: int, k: int, behind: Mapping[str, int]) -> str:
    place = f"after the rules it is {rank} of {n}, and the shelf has {k} slots"
    if candidate.item_id not in behind:
        return place
    quota = behind[candidate.item_id]
    return (
        f"rules.calibration: category '{candidate.category}' has a quota of {quota} on this list;"
        f" {place}"
    )


def _candidates(attempt: Attempt, rules: Rules, placement: str, user: str) -> list[Candidate]:
    given = {
        "scores": str(attempt.scores / f"{placement}.parquet"),
        "night": attempt.night,
        "placement": placement,
        "user": user,
        "calibration": rules.calibration or 0.0,
    }
    with connect(attempt.database) as db:
        waits = _waits(db, attempt, user)
        found = db.execute(_CANDIDATES, given).fetchall()
    return [Candidate(*row, waits.get(row[4])) for row in found]


def _waits(db: duckdb.DuckDBPyConnection, attempt: Attempt, user: str) -> dict[str, str]:
    """Product → since when and how long the shop waits with it for this user."""
    found = db.execute(_BOUGHT, {"night": attempt.night, "user": user}).fetchall()
    return {
        product: f"bought on {last_on}, "
        + (
            f"and its category '{category}' is bought once only"
            if is_once_only
            else f"and category '{category}' is usual again after {days:.0f} days"
        )
        for product, last_on, category, is_once_only, days in found
    }


_BOUGHT_ITEMS = """
    select i.item_id, max(i.interaction_date) as last_on
    from marts.fct_interactions as i
    where i.user_id = $user
        and i.event_type = 'purchase'
        -- The macro seen_before.
        and i.interaction_date < $night
        and (i.cancelled_on is null or i.cancelled_on >= $night)
        and (i.joined_on is null or i.joined_on < $night)
        and (i.left_on is null or i.left_on >= $night)
    group by i.item_id
"""

_BOUGHT = f"""
    select items.product_id, bought.last_on, items.category, usual.is_once_only, usual.replenished_after_days
    from ({_BOUGHT_ITEMS}) as bought
    join marts.dim_items as items using (item_id)
    join features.feat_replenishment as usual
        on usual.as_of = $night
        and usual.category is not distinct from items.category
    where usual.is_once_only
        or $night - bought.last_on < usual.replenished_after_days
    order by bought.last_on, items.item_id
"""

_CANDIDATES = """
    with mine as (
        select item_id, score from read_parquet($scores) where user_id = $user
    ),
    pins as (
        select value as item_id, rank as pin_rank
        from raw.rules
        where rule = 'pin'
            and placement = $placement
            and exists (from mine)
            and ($placement <> 'discover' or value not in (
                select item_id from features.feat_user_item where as_of = $night and user_id = $user
            ))
    ),
    boosts as (
        select item_id, list_reduce(list(factor order by line), lambda one, other: one * other) as boost
        from raw.rules as lines
        join marts.dim_items as items on case subject
            when 'item' then item_id = value when 'brand' then brand = value
            else starts_with(category_path || ' > ', value || ' > ') end
        where rule = 'boost'
            and (placement is null or placement = $placement)
        group by item_id
    ),
    shares as (
        select user_id, category, share from features.feat_user_category where as_of = $night
    ),
    own as (
        select category, share from shares where user_id = $user
    ),
    shop as (
        select category, sum(share) / (select count(distinct user_id) from shares) as share
        from shares
        group by category
    )
    select
        item_id,
        mine.score,
        pins.pin_rank,
        coalesce(boosts.boost, 1),
        items.product_id,
        items.category,
        items.brand,
        items.price_band,
        items.margin,
        $calibration * coalesce(own.share, case when not exists (from own) then shop.share end, 0)
            + (1 - $calibration) * coalesce(shop.share, 0)
    from mine
    full join pins using (item_id)
    join marts.dim_items as items using (item_id)
    left join boosts using (item_id)
    left join own on own.category = items.category
    left join shop on shop.category = items.category
    where items.is_offerable
    order by item_id
"""
