"""What lies on the shelves, beside last night's; and the lists that the page carries along to look into."""

from __future__ import annotations

from typing import Any

from nightshelf.columns import SHELVES
from nightshelf.morning.opened import BEFORE, TONIGHT, Opened
from nightshelf.morning.words import name, reason

BESTSELLERS = ("popularity", "category")
"""Sources that propose what sells best, to everybody or in a category. The more of a personal list they
fill, the less is known of the user."""
MEANT_FOR_ALL = ("rec_popular", "rec_trending", "rec_new_arrivals", "rec_cold_start")
"""Shelves on which bestsellers are no sign of anything."""
TOP = 10
"""Slots of a list that are compared with last night's: what fits on a shop's page."""

MOST = {"user": 300, "all": 1, "onboarding": 1, "category": 250, "item": 300}
"""Lists that a page carries, by what they are for: about 1 MB together. A shop may have a million
users; a page that holds them all would not open on a phone."""
SLOTS = {"user": 8, "all": 10, "onboarding": 10, "category": 5, "item": 5}
"""Of each list so many slots."""


def on_the_shelves(of: Opened) -> list[dict[str, Any]]:
    """One row per shelf: rows, lists, items, the share of bestsellers, and last night's figures."""
    return [
        {**_counts(of, TONIGHT, s), "before": _counts(of, BEFORE, s), **_kept(of, s)}
        for s in SHELVES
        if of.has(s)
    ]


def _counts(of: Opened, schema: str, shelf: str) -> dict[str, Any] | None:
    if not of.has(shelf, schema):
        return None
    found = of.rows(
        f"""select count(*) as n_rows, count(distinct (context_type, context_id)) as n_lists,
            count(distinct item_id) as n_items,
            avg((source in {BESTSELLERS})::integer) as from_bestsellers,
            count(*) filter (is_exploration) as n_exploring,
            count(distinct (context_type, context_id)) filter (is_exploration) as n_lists_exploring,
            min(propensity) filter (not isnan(propensity)) as lowest_propensity
        from {schema}.{shelf}"""
    )[0]
    if shelf in MEANT_FOR_ALL:
        found["from_bestsellers"] = None
    return {"shelf": shelf, **found}


def _kept(of: Opened, shelf: str) -> dict[str, Any]:
    """The share of tonight's first slots that hold an item which stood there last night, too; lists
    that are new tonight count as nothing kept."""
    if not of.has(shelf, BEFORE):
        return {"kept": None}
    key = "context_type, context_id, item_id"
    return of.rows(
        f"""select avg((b.item_id is not null)::integer) as kept
        from (select distinct {key} from {TONIGHT}.{shelf} where rank <= {TOP}) as t
        left join (select distinct {key} from {BEFORE}.{shelf} where rank <= {TOP}) as b
            using ({key})"""
    )[0]


def users_served(of: Opened) -> dict[str, int]:
    """Of the users who have a profile, those with a list on rec_for_you."""
    if not (of.has("rec_for_you") and of.has("user_profiles")):
        return {}
    return of.rows(
        """select count(*) filter (user_id in (
                select context_id from tonight.rec_for_you where context_type = 'user'
            )) as n_served,
            count(*) as n_users
        from tonight.user_profiles"""
    )[0]


# ------------------------------------------------------------------ the lists to look into


def to_look_into(of: Opened) -> dict[str, Any]:
    """The lists as the page's script reads them; every text stands once and is pointed at by its place.

    {kinds: {kind: {shown, of}}, items: [[id, title]], reasons, sources, shelves: [text],
    lists: [[kind, id, [[shelf, [[item, reason, source, exploring], …]], …]], …]}
    """
    names = [shelf for shelf in SHELVES if of.has(shelf)]
    if not names:
        return {"kinds": {}, "items": [], "reasons": [], "sources": [], "shelves": [], "lists": []}
    _gather(of, names)
    found = of.rows(
        """select kind, id, shelf, rank, item_id, source, reason_code, evidence, is_exploration
        from chosen order by kind_place, place, id, shelf_place, rank"""
    )
    items, reasons, sources = Places(), Places(), Places()
    lists: dict[tuple[str, str], dict[str, list]] = {}
    for row in found:
        slot = [
            items.of(row["item_id"]),
            reasons.of(reason(row["reason_code"], row["evidence"], row["item_id"], of.titles)),
            sources.of(name(row["source"])),
            int(bool(row["is_exploration"])),
        ]
        shelves = lists.setdefault((row["kind"], row["id"]), {})
        shelves.setdefault(row["shelf"], []).append(slot)
    kinds = of.rows("select kind, n_shown as shown, n_all as 'of' from kinds order by kind_place")
    return {
        "kinds": {row.pop("kind"): row for row in kinds},
        "items": [[name(i), name(of.titles.get(i))] for i in items],
        "reasons": list(reasons),
        "sources": list(sources),
        "shelves": names,
        "lists": [
            [kind, name(who), [[names.index(s), slots] for s, slots in shelves.items()]]
            for (kind, who), shelves in lists.items()
        ],
    }


def _gather(of: Opened, names: list[str]) -> None:
    """Makes `chosen`, one row per slot, and `kinds`, one row per kind of list.

    Users and items are drawn by the md5 of their id, so that a sample is nobody's choice and the same
    on every run; of items those first that stand most often on users' lists, since these are asked for.
    """
    of.db.execute(
        " union all ".join(
            f"select '{shelf}' as shelf, {place} as shelf_place, context_type as kind,"
            f" coalesce(context_id, '') as id, rank, item_id, source, reason_code, evidence,"
            f" is_exploration from {TONIGHT}.{shelf}"
            for place, shelf in enumerate(names)
        ).join(("create temp view slots as ", ""))
    )
    limits = ", ".join(
        f"('{kind}', {place}, {MOST[kind]}, {SLOTS[kind]})" for place, kind in enumerate(MOST)
    )
    of.db.execute(
        f"""create temp table found_lists as
        with limits (kind, kind_place, most, slots) as (values {limits}),
        asked_for as (
            select item_id as id, count(*) as n from slots where kind = 'user' group by 1)
        select l.*, f.id, row_number() over (partition by f.kind order by
            case when f.kind = 'item' then -coalesce(a.n, 0) else 0 end, md5(f.id), f.id) as place
        from (select distinct kind, id from slots) as f
        join limits as l using (kind)
        left join asked_for as a using (id)"""
    )
    of.db.execute(
        """create temp table kinds as
        select kind, kind_place, count(*) as n_all, least(count(*), any_value(most)) as n_shown
        from found_lists group by all"""
    )
    of.db.execute(
        """create temp table chosen as select s.*, f.kind_place, f.place
        from slots as s join found_lists as f using (kind, id)
        where f.place <= f.most and s.rank <= f.slots"""
    )


class Places(dict):
    """Text → its place; iterated in the order of places."""

    def of(self, text: str) -> int:
        return self.setdefault(text, len(self))
