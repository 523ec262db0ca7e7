"""The trap shop's scored night, shelved again with every rule on: door 3 finds each of them kept."""

from __future__ import annotations

import shutil
from dataclasses import replace

import duckdb
import pytest

from expectations import DoorContext
from nightshelf.columns import SHELVES
from nightshelf.doors import check
from nightshelf.learning.scoring import offer_to_dbt
from nightshelf.progress import progress
from nightshelf.settings.rules import Line, Ruled, Rules
from nightshelf.steps import due_shelves
from nightshelf.tracing.ruled import boosts, fates, withheld_by
from nightshelf.transform.visit import build
from tests.support.trap_shop import HOSTILE, NIGHT, OUT_OF_STOCK

pytestmark = pytest.mark.long

BLOCKED = f"item {HOSTILE[7]}"
PINNED = "item 20"
RULES = Rules(
    withhold_bought=True, min_margin=0.1, margin_weight=0.5, max_per_brand=4, max_per_category=4,
    max_per_price_band=6, calibration=0.8,
    lines=[
        Line(rule="block", value=BLOCKED),
        Line(rule="block", subject="category", value="Shelf 0 > Box 3"),
        Line(rule="boost", subject="brand", value="maker 2", factor=3.0, campaign=HOSTILE[7]),
        Line(rule="boost", subject="category", value="Shelf 1", factor=0.5, placement="popular"),
        *(Line(rule="pin", value=PINNED, placement=p, rank=2)
          for p in Ruled.__args__ if p != "buy_again"),
    ],
)  # fmt: skip
RULED = {f"rec_{placement}" for placement in Ruled.__args__}
"""Under all of the rules; rec_next_category takes what dim_items lets it have, and folds variants."""
NEWS = {"rec_new_arrivals", "rec_on_sale"}
"""Shelves on which nothing need lie, and no pin makes an item new or cheaper."""
ITEMS = """
create or replace table raw.items_before as from raw.items;
create or replace view raw.items as select * replace (
    'maker ' || (length(item_id) + ascii(right(item_id, 1))) % 4 as brand,
    case when item_id between 'item 10' and 'item 16' then 'product' end as parent_id,
    case when item_id < 'item 03' then price else price / 2 end as cost
) from raw.items_before
"""


@pytest.fixture(scope="module")
def ruled(night):
    """A further attempt, of the first one's events and scores, with makers, variants and costs."""
    run = night.run
    attempt = replace(run.attempt, number=77)
    shutil.copytree(run.attempt.root, attempt.root)
    with duckdb.connect(str(attempt.database)) as db:
        db.execute(ITEMS)
    shop = run.shop.model_copy(update={"rules": RULES})
    with progress("rules") as shown:
        build("prepare", shop, run.night, attempt, shown)
        offer_to_dbt(attempt)
        build("shelve", shop, run.night, attempt, shown)
    yield attempt
    shutil.rmtree(attempt.root)


def rows(attempt, sql: str) -> list[tuple]:
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_door_3_finds_every_rule_kept(ruled, night):
    context = DoorContext(night=NIGHT, as_of_utc=night.run.night.instant, rules=RULES)
    # Rules that withhold most of a small shop leave some users less than a list.
    context = replace(context, min_users_served=0.5, shelves=due_shelves(ruled))
    result = check("shelves", ruled, context)
    names = {rule.name for rule in result.rules}
    assert len([n for n in names if n.startswith("no_list_has_too_many")]) == 3


def test_what_is_blocked_is_on_no_shelf(ruled):
    for shelf in SHELVES:
        offered = {item for (item,) in rows(ruled, f"select item_id from recommendations.{shelf}")}
        assert offered or shelf in NEWS
        assert BLOCKED not in offered


@pytest.mark.parametrize("shelf", ["rec_popular", "rec_trending", "rec_cold_start"])
def test_what_is_pinned_stands_second(ruled, shelf):
    (found,) = rows(
        ruled,
        "select list(distinct rank), count(*) > 0, count(*) filter (source <> 'rules')"
        f" from recommendations.{shelf} where item_id = '{PINNED}' and context_type = 'all'",
    )
    assert found == ([2], True, 0)


def test_the_cost_of_each_rule_is_told_for_each_shelf(ruled):
    found = rows(
        ruled,
        "select placement, list(rule) from reports.rpt_rule_cost group by all order by all",
    )
    assert RULED - NEWS <= {placement for placement, _ in found} <= RULED
    rules = dict(found)["rec_for_you"]
    wanted = {
        "every",
        "pin",
        f"campaign {HOSTILE[7]}",
        "calibration",
        "withhold_bought",
        "max_per_brand",
    }
    assert wanted < set(rules)
    ((ndcg, without),) = rows(
        ruled,
        "select ndcg, ndcg_without from reports.rpt_rule_cost"
        " where placement = 'rec_for_you' and rule = 'every'",
    )
    assert 0 < ndcg < without == 1


@pytest.mark.parametrize("placement", ["for_you", "discover"])
def test_a_list_walked_for_one_user_is_the_list_that_was_shelved(ruled, night, placement):
    """`nightshelf explain` tells of each candidate which rule kept it off, and of no other."""
    shelved = rows(
        ruled,
        "select context_id, list(item_id) from recommendations.rec_" + placement + " group by all",
    )
    scored = duckdb.execute(
        "select user_id, list(item_id) from read_parquet($path) group by all",
        {"path": str(ruled.scores / f"{placement}.parquet")},
    ).fetchall()
    offerable = {
        i for (i,) in rows(ruled, "select item_id from marts.dim_items where is_offerable")
    }
    candidates = {user: offerable & {*items} for user, items in scored}
    told = set()
    for user, items in shelved:
        gone = fates(ruled, RULES, placement, user, night.run.shop.placements.k)
        assert not gone.keys() & {*items}
        assert candidates[user] <= gone.keys() | {*items}
        told |= {why.split(":")[0].split(" = ")[0] for why in gone.values()}
    assert {"rules.fold_variants", "rules.max_per_brand"} <= told
    assert ("rules.withhold_bought" in told) == (placement == "for_you")


def test_what_is_withheld_everywhere_is_told_with_the_line_that_says_so(ruled):
    margin, line = withheld_by(ruled, BLOCKED)
    assert margin == "its margin is 0, below rules.min_margin"
    assert line == f"it is blocked by rules.lines[0] (item '{BLOCKED}')"
    (category,) = rows(
        ruled,
        "select item_id from marts.dim_items where category = 'Shelf 0 > Box 3' order by 1 limit 1",
    )
    told = withheld_by(ruled, category[0])
    assert "it is blocked by rules.lines[1] (category 'Shelf 0 > Box 3')" in told
    assert withheld_by(ruled, OUT_OF_STOCK)[0] == "it is out of stock"
    assert withheld_by(ruled, PINNED) == []


def test_the_lines_that_boost_an_item_are_told_for_the_shelves_that_they_name(ruled):
    ((item,),) = rows(
        ruled,
        """select item_id from marts.dim_items
        where brand = 'maker 2' and category like 'Shelf 1%' order by 1 limit 1""",
    )
    of_brand = "rules.lines[2] (brand 'maker 2') boosts it by 3"
    of_category = "rules.lines[3] (category 'Shelf 1') boosts it by 0.5"
    assert boosts(ruled, "for_you", item) == [of_brand]
    assert boosts(ruled, "popular", item) == [of_brand, of_category]
    assert boosts(ruled, "for_you", PINNED) == []
