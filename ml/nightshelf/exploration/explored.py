"""Tables in, tables out: what dbt's model `explored_slots` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshelf.exploration import (
    Candidates,
    Law,
    Slots,
    explore_by_thompson,
    explore_uniformly,
    keys,
    posteriors,
    seed_of,
)

LISTS_AT_ONCE = 20_000
"""Bounds memory. A list's dice are its own, so blocks change nothing."""


def explored(candidates: pa.Table, responses: pa.Table, settings: pa.Table) -> pa.Table:
    """The lists of every placement that explores. One row per (placement, context_id, rank).

    `candidates` (placement, context_id, item_id, rank, score, source) are what passed the rules, by
    placement, context and rank; `responses` (placement, item_id, n_shown, n_clicked, is_new) has a row
    for each of their items; `settings` is raw.exploration. Returns the candidates that are shown, with
    `rank` as the slot's, and is_exploration and propensity beside it.
    """
    shown = [_shown(candidates.slice(0, 0), _no_slots())]
    for told in settings.to_pylist():
        offered, answered = (_only(t, told["placement"]) for t in (candidates, responses))
        if offered.num_rows:
            shown += _lists(offered, answered, _policy(answered, told))
    return pa.concat_tables(shown)


def _only(table: pa.Table, placement: str) -> pa.Table:
    """A slice, no copy: the rows of a placement stand together."""
    n = pc.sum(pc.equal(table["placement"], placement)).as_py() or 0
    return table.slice(max(pc.index(table["placement"], placement).as_py(), 0), n)


def _lists(
    offered: pa.Table, answered: pa.Table, explore: Callable[[Candidates], Slots]
) -> Iterator[pa.Table]:
    item_keys = keys(answered["item_id"].to_pylist())
    for block in _blocks(offered):
        context_ids = pc.unique(block["context_id"])
        candidates = Candidates(
            context=pc.index_in(block["context_id"], context_ids).to_numpy(),
            item=pc.index_in(block["item_id"], answered["item_id"]).to_numpy(),
            # The rules have ranked them already, ties and all.
            score=-block["rank"].to_numpy().astype(np.float64),
            context_keys=keys(context_ids.to_pylist()),
            item_keys=item_keys,
        )
        yield _shown(block, explore(candidates))


def _blocks(offered: pa.Table) -> Iterator[pa.Table]:
    """Whole lists, in order."""
    ids = offered["context_id"].combine_chunks()
    begins = np.flatnonzero(pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))) + 1
    ends = [*begins[LISTS_AT_ONCE - 1 :: LISTS_AT_ONCE].tolist(), len(ids)]
    for first, last in zip([0, *ends[:-1]], ends, strict=True):
        yield offered.slice(first, last - first)


def _policy(answered: pa.Table, told: dict[str, Any]) -> Callable[[Candidates], Slots]:
    seed = seed_of(told["night"].isoformat(), told["placement"], told["seed"])
    k, budget = told["k"], told["budget"]
    if told["policy"] == "even":
        return lambda candidates: explore_uniformly(candidates, k, budget, seed)
    clicked, shown, is_new = (
        answered[name].to_numpy() for name in ("n_clicked", "n_shown", "is_new")
    )
    law = Law.of(posteriors(clicked, shown, is_new, told["lift"]))
    return lambda candidates: explore_by_thompson(candidates, k, budget, seed, law)


def _shown(candidates: pa.Table, slots: Slots) -> pa.Table:
    rows = candidates.take(pa.array(slots.row))
    place = rows.schema.get_field_index("rank")
    rows = rows.set_column(place, "rank", pa.array(slots.rank, pa.int32()))
    rows = rows.append_column("is_exploration", pa.array(slots.is_exploration))
    return rows.append_column("propensity", pa.array(slots.propensity))


def _no_slots() -> Slots:
    none = np.zeros(0, dtype=np.int64)
    return Slots(none, none, none.astype(bool), none.astype(float))
