"""Exploration between tables: what dbt hands over, and what comes back."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from nightshelf.exploration.explored import explored
from nightshelf.learning.scoring import kept_rows
from nightshelf.ranking.pool import Pool
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.shop import Placements

K, DEEP = 4, 12
USERS = 400


def candidates(placement: str = "for_you", users: int = USERS) -> pa.Table:
    """Users' lists of twelve items in the same order; the last stands far behind."""
    ranks = [*range(1, DEEP), 90]
    return pa.table(
        {
            "placement": [placement] * users * DEEP,
            "context_id": [f"user {n:03d}" for n in range(users) for _ in ranks],
            "item_id": [f"item {rank:02d}" for _ in range(users) for rank in ranks],
            "rank": pa.array(ranks * users, pa.int64()),
            "score": [1 / rank for rank in ranks] * users,
            "source": ["s"] * users * DEEP,
        }
    )


def responses(shown: int = 0, new: str = "", clicked: str = "", placement="for_you") -> pa.Table:
    items = sorted(set(candidates().column("item_id").to_pylist()), reverse=True)
    return pa.table(
        {
            "placement": [placement] * DEEP,
            "item_id": items,
            "n_shown": [shown] * DEEP,
            "n_clicked": [shown // 5 if item == clicked else shown // 100 for item in items],
            "is_new": [item == new for item in items],
        }
    )


def settings(*placements: str, policy: str = "thompson", lift: float = 5.0, **more) -> pa.Table:
    row = {"night": date(2026, 5, 1), "k": K, "budget": 0.25, "policy": policy, "lift": lift}
    return pa.Table.from_pylist(
        [{"placement": p, **row, "seed": 0, **more} for p in placements],
        pa.schema(
            {"placement": pa.string(), "night": pa.date32(), "k": pa.int32(), "budget": pa.float64(),
             "policy": pa.string(), "lift": pa.float64(), "seed": pa.int32()}
        ),
    )  # fmt: skip


def times_explored(table: pa.Table) -> dict[str, int]:
    rows = table.to_pylist()
    assert len(rows) == USERS * K
    drawn = [row["item_id"] for row in rows if row["is_exploration"]]
    return {item: drawn.count(item) for item in set(drawn)}


def test_slots_come_back_with_their_rank_and_what_is_known_of_the_item():
    rows = explored(candidates(), responses(), settings("for_you")).to_pylist()
    for row in rows:
        place = 90 if row["item_id"] == "item 90" else int(row["item_id"][-2:])
        assert (row["score"], row["source"]) == (1 / place, "s")
        assert row["is_exploration"] == (place != row["rank"])
        assert row["is_exploration"] == (row["propensity"] < 0.5)
    assert [row["rank"] for row in rows] == list(range(1, K + 1)) * USERS


def test_without_answers_new_items_are_lifted_above_the_others():
    found = times_explored(explored(candidates(), responses(new="item 90"), settings("for_you")))
    others = [n for item, n in found.items() if item != "item 90"]
    assert found["item 90"] > 1.5 * max(others)


def test_what_was_clicked_more_explores_more_and_by_its_name_not_its_place():
    answered = responses(shown=2000, clicked="item 07")
    found = times_explored(explored(candidates(), answered, settings("for_you")))
    assert found["item 07"] > 0.8 * sum(found.values())


def test_an_even_draw_asks_for_no_answer():
    even = settings("for_you", policy="even")
    one, other = (
        explored(candidates(), answered, even)
        for answered in (responses(), responses(shown=2000, clicked="item 07", new="item 90"))
    )
    assert one == other


def test_each_placement_has_dice_and_answers_of_its_own():
    both = pa.concat_tables([candidates("discover"), candidates()])
    answered = pa.concat_tables(
        [
            responses(2000, clicked="item 06", placement="discover"),
            responses(2000, clicked="item 07"),
        ]
    )
    found = explored(both, answered, settings("discover", "for_you"))
    alone = explored(candidates(), answered, settings("for_you"))
    assert found.slice(USERS * K) == alone
    first = times_explored(found.slice(0, USERS * K))
    assert max(first, key=first.get) == "item 06"


@pytest.mark.parametrize("policy", ["even", "thompson"])
@pytest.mark.parametrize("at_once", [1, 7, USERS - 1])
def test_blocks_of_lists_change_no_byte(monkeypatch, policy, at_once):
    answered = responses(40, new="item 90", clicked="item 07")
    whole = explored(candidates(), answered, settings("for_you", policy=policy))
    monkeypatch.setattr("nightshelf.exploration.explored.LISTS_AT_ONCE", at_once)
    assert explored(candidates(), answered, settings("for_you", policy=policy)) == whole


def test_a_night_without_candidates_or_placements_has_no_slots():
    none = candidates().slice(0, 0)
    for asked in (settings(), settings("for_you")):
        found = explored(none, responses().slice(0, 0), asked)
        assert found.num_rows == 0
        assert {"is_exploration", "propensity"} < {*found.column_names}


# ------------------------------------------------------------------ what the score stage keeps


class Asked:
    """Of a shop what `kept_rows` asks."""

    placements = Placements(k=2)
    exploration = Exploration(budget=Budget(for_you=0.5))


@pytest.fixture
def pool() -> Pool:
    """Two users, twelve items each in falling order; the new ones are the last two."""
    place = np.tile(np.array([0] * 10 + [1, 2], dtype=np.int16), 2)
    return Pool(
        users=np.array(["u", "v"], dtype=object),
        items=np.array([f"i{n:02d}" for n in range(12)], dtype=object),
        user_codes=np.repeat(np.arange(2, dtype=np.int32), 12),
        item_codes=np.tile(np.arange(12, dtype=np.int32), 2),
        scores={"new_arrivals": place.astype(np.float32)},
        ranks={"new_arrivals": place},
    )


def kept(pool: Pool, placement: str, scores=None) -> list[tuple[int, int]]:
    scores = np.tile(np.arange(12, 0, -1.0), 2) if scores is None else scores
    rows = kept_rows(pool, scores, Asked, placement)
    return sorted(zip(pool.user_codes[rows].tolist(), pool.item_codes[rows].tolist(), strict=True))


def test_a_shelf_that_explores_keeps_a_list_more_and_the_first_arrival_however_low(pool):
    assert kept(pool, "for_you") == [(u, i) for u in (0, 1) for i in (0, 1, 2, 3, 4, 5, 10)]


def test_a_shelf_that_does_not_keeps_two_lists(pool):
    assert kept(pool, "discover") == [(u, i) for u in (0, 1) for i in range(4)]


def test_an_arrival_that_the_recipe_does_not_rank_is_on_no_list(pool):
    scores = np.tile(np.append(np.arange(10, 0, -1.0), [0, 0]), 2)
    assert (0, 10) not in kept(pool, "for_you", scores)
