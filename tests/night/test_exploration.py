"""The trap shop's night, scored and shelved again with part of two shelves left to chance."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import ceil

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from expectations import DoorContext
from nightshelf.doors import check
from nightshelf.errors import SettingsError
from nightshelf.exploration import (
    Candidates,
    Law,
    explore_by_thompson,
    explore_uniformly,
    keys,
    posteriors,
    seed_of,
)
from nightshelf.learning.scoring import offer_to_dbt, score_night
from nightshelf.progress import progress
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.rules import Line, Rules
from nightshelf.steps import due_shelves, resume
from nightshelf.terminal import reason_told
from nightshelf.tracing.ranked import ranked
from nightshelf.tracing.standing import why_not
from nightshelf.transform.visit import build
from tests.support.trap_shop import NIGHT

pytestmark = pytest.mark.long

K = 8
BUDGETS = {"for_you": 0.3, "discover": 0.25}
RULES = Rules(
    max_per_category=3, calibration=0.5,
    lines=[Line(rule="block", value="item 02"), Line(rule="boost", value="item 05", factor=2.0)],
)  # fmt: skip


def with_slots(shop):
    return shop.model_copy(update={"placements": shop.placements.model_copy(update={"k": K})})


@pytest.fixture(scope="module")
def shelved(night):
    """Makes further attempts at the night, of the first one's features and models."""
    run = night.run
    ruled = with_slots(run.shop).model_copy(update={"rules": RULES})
    first = replace(run.attempt, number=80)
    shutil.copytree(run.attempt.root, first.root)
    made = [first]
    with progress("exploration") as shown:
        build("prepare", ruled, run.night, first, shown)

    def shelve(exploration: Exploration):
        attempt = replace(first, number=first.number + len(made))
        made.append(attempt)
        shutil.copytree(first.root, attempt.root)
        shop = ruled.model_copy(update={"exploration": exploration})
        with progress("exploration") as shown:
            score_night(shop, run.night, attempt, shown)
            offer_to_dbt(attempt)
            build("shelve", shop, run.night, attempt, shown)
        return attempt

    yield shelve
    for attempt in made:
        shutil.rmtree(attempt.root)


@pytest.fixture(scope="module")
def even(shelved):
    return shelved(Exploration(budget=Budget(**BUDGETS)))


@pytest.fixture(scope="module")
def thompson(shelved):
    return shelved(Exploration(budget=Budget(**BUDGETS), policy="thompson", lift=3.0))


def rows(attempt, sql: str) -> list[tuple]:
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def shelf(attempt, placement: str) -> list[tuple]:
    return rows(
        attempt,
        "select context_id, rank, item_id, is_exploration, propensity"
        f" from recommendations.rec_{placement} order by context_id, rank",
    )


def pool(attempt, placement: str) -> list[tuple]:
    return rows(
        attempt,
        "select context_id, item_id, rank from exploration.ruled_candidates"
        f" where placement = '{placement}' order by context_id, rank",
    )


def drawn_again(attempt, placement: str, explore) -> list[tuple]:
    """What the functions say of the same candidates, told by names."""
    users, items, ranks = (
        np.array(column) for column in zip(*pool(attempt, placement), strict=True)
    )
    user_ids, contexts = np.unique(users, return_inverse=True)
    item_ids, codes = np.unique(items, return_inverse=True)
    order = np.argsort(contexts, kind="stable")
    candidates = Candidates(
        contexts[order], codes[order], -ranks[order].astype(float), keys(user_ids), keys(item_ids)
    )
    slots = explore(candidates, BUDGETS[placement], seed_of(str(NIGHT), placement), item_ids)
    row = order[slots.row]
    told = zip(
        users[row], slots.rank, items[row], slots.is_exploration, slots.propensity, strict=True
    )
    return sorted(told)


@pytest.mark.parametrize("placement", BUDGETS)
def test_an_even_night_shows_and_states_what_the_function_does(even, placement):
    def explore(candidates, budget, seed, _):
        return explore_uniformly(candidates, K, budget, seed)

    assert shelf(even, placement) == drawn_again(even, placement, explore)


@pytest.mark.parametrize("placement", BUDGETS)
def test_a_thompson_night_shows_and_states_what_the_function_does_under_the_prior(
    thompson, placement
):
    new = {
        i for (i,) in rows(thompson, "select item_id from exploration.item_responses where is_new")
    }

    def explore(candidates, budget, seed, item_ids):
        none = np.zeros(len(item_ids), dtype=int)
        believed = posteriors(none, none, np.isin(item_ids, [*new]), lift=3.0)
        return explore_by_thompson(candidates, K, budget, seed, Law.of(believed))

    again = drawn_again(thompson, placement, explore)
    night = shelf(thompson, placement)
    assert [row[:4] for row in night] == [row[:4] for row in again]
    assert [row[4] for row in night] == pytest.approx([row[4] for row in again], abs=1e-9)


@pytest.mark.parametrize("placement", BUDGETS)
def test_a_list_explores_its_budget_rounded_up_or_down_where_its_pool_is_large_enough(
    even, placement
):
    budget = BUDGETS[placement]
    lists: dict[str, list[bool]] = {}
    for user, _, _, is_exploration, _ in shelf(even, placement):
        lists.setdefault(user, []).append(is_exploration)
    behind = dict.fromkeys(lists, 0)
    for user, _, rank in pool(even, placement):
        behind[user] += rank > K
    wide = {user: sum(told) for user, told in lists.items() if behind[user] >= budget * K}
    assert len(wide) > 20
    assert set(wide.values()) <= {int(budget * K), ceil(budget * K)}
    share = sum(wide.values()) / (K * len(wide))
    assert share == pytest.approx(budget, abs=3 * 0.5 / (K * len(wide) ** 0.5))


def test_door_3_finds_every_rule_and_every_chance_kept(even, thompson, night):
    """Blocks and caps hold on what explores as on the rest."""
    context = DoorContext(night=NIGHT, as_of_utc=night.run.night.instant, rules=RULES)
    for attempt, policy in ((even, "even"), (thompson, "thompson")):
        exploration = Exploration(budget=Budget(**BUDGETS), policy=policy)
        context = replace(
            context, exploration=exploration, shelves=due_shelves(attempt), min_users_served=0.5
        )
        names = {rule.name for rule in check("shelves", attempt, context).rules}
        assert "slots_explore_as_often_as_their_chances_say" in names
        assert {"no_blocked_item_is_offered", "no_list_has_too_many_of_a_category"} < names


def test_what_explores_says_so_and_proves_nothing(even):
    for placement in BUDGETS:
        told = rows(
            even,
            "select distinct is_exploration, source = 'exploration', reason_code = 'exploring', evidence = []"
            f" from recommendations.rec_{placement} where is_exploration or reason_code = 'exploring'",
        )
        assert told == [(True, True, True, True)]
    ((n, reported),) = rows(
        even,
        "select (select count(*) filter (is_exploration) from recommendations.rec_for_you), n_exploring"
        " from reports.rpt_shelves where shelf = 'rec_for_you'",
    )
    assert n == reported > 50


def test_only_the_shelves_with_a_budget_explore(even):
    found = rows(even, "select shelf from reports.rpt_shelves where n_exploring > 0")
    assert {shelf for (shelf,) in found} == {f"rec_{placement}" for placement in BUDGETS}


def published(attempt, folder) -> bytes:
    with duckdb.connect(str(attempt.database), read_only=True) as db:
        db.execute(
            f"copy (from recommendations.rec_for_you order by context_id, rank) to '{folder / 'shelf'}' (format parquet)"
        )
    return (folder / "shelf").read_bytes()


def test_another_attempt_has_the_same_bytes_and_another_seed_other_slots(even, shelved, tmp_path):
    again = shelved(Exploration(budget=Budget(**BUDGETS)))
    other = shelved(Exploration(budget=Budget(**BUDGETS), seed=1))
    assert published(again, tmp_path) == published(even, tmp_path)
    assert pool(other, "for_you") == pool(even, "for_you")
    assert shelf(other, "for_you") != shelf(even, "for_you")


def test_a_slot_that_does_not_explore_shows_what_it_shows_without_a_budget(even, shelved):
    plain = shelved(Exploration())
    certain = {row[:2]: row[2:] for row in shelf(plain, "for_you")}
    assert {told[1:] for told in certain.values()} == {(False, 1.0)}
    # A boost finds more to lift where the shelf explores, since more rows are scored for it.
    read = pq.read_table(plain.scores / "for_you.parquet", columns=["user_id", "item_id"])
    scored = set(zip(*(column.to_pylist() for column in read.columns), strict=True))
    deeper = {
        user
        for user, item, rank in pool(even, "for_you")
        if rank <= K and (user, item) not in scored
    }
    assert len(deeper) < 10
    kept = [
        row for row in shelf(even, "for_you")
        if not row[3] and row[:2] in certain and row[0] not in deeper
    ]  # fmt: skip
    assert len(kept) > 200
    assert all(certain[row[:2]][0] == row[2] for row in kept)
    built = rows(plain, "select count(*) from duckdb_tables() where schema_name = 'exploration'")
    assert built == [(0,)]


def test_a_pin_on_a_shelf_that_explores_stops_the_night_before_its_first_step(night, tmp_path):
    shop_file = tmp_path / "trap.toml"
    shop_file.write_text(
        night.shop_file.read_text()
        + "\n[exploration.budget]\nfor_you = 0.1\n"
        + '[[rules.lines]]\nrule = "pin"\nvalue = "item 20"\nplacement = "for_you"\nrank = 2\n'
    )
    with pytest.raises(
        SettingsError, match=r"pins 'item 20' to rank 2 of for_you(.|\n)*leaves 0.1 of"
    ):
        resume(night.home, shop_file, NIGHT, 1)


def test_an_item_that_only_the_dice_kept_off_its_shelf_is_told_so(even, night):
    shown = {row[:2]: row[2] for row in shelf(even, "for_you")}
    placed = {(user, rank): item for user, item, rank in pool(even, "for_you")}

    def told(user, item):
        found = ranked(even, night.run.night, "for_you", user, item)
        return why_not(even, found, item, "for_you", user, with_slots(night.run.shop))

    user, rank = next(at for at, item in shown.items() if placed[at] != item)
    because = f"its slot, at rank {rank}, explores tonight and shows another item"
    assert told(user, placed[user, rank]) == because
    on_list = {item for (whose, _), item in shown.items() if whose == user}
    undrawn = next(
        item
        for (whose, place), item in placed.items()
        if whose == user and place > K and item not in on_list
    )
    assert "none of them drew it tonight" in told(user, undrawn)


def test_an_exploring_slot_is_told_with_its_chance():
    assert reason_told("exploring", [], "a", {}, 0.02) == "exploring (chance .02)"
    assert reason_told("exploring", [], "a", {}, 0.00517) == "exploring (chance .0052)"
