"""Tables in, tables out: what dbt's model `explored_slots` calls."""

from __future__ import annotations

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


def explored(candidates: pa.Table, responses: pa.Table, settings: pa.Table) -> pa.Table:
    """The lists of every placement that explores. One row per (placement, context_id, rank).

    `candidates` (placement, context_id, item_id, rank, score, source) are what passed the rules, by
    placement, context and rank; `responses` (placement, item_id, n_shown, n_clicked, is_new) has a row
    for each of their items; `settings` is raw.exploration. Returns the candidates that are shown, with
    `rank` as the slot's, and is_exploration and propensity beside it.
    """
    tables = [_shown(candidates.slice(0, 0), _no_slots())]
    for told in settings.to_pylist():
        offered, answered = (_only(t, told["placement"]) for t in (candidates, responses))
        if offered.num_rows:
            tables.append(_shown(offered, _slots(offered, answered, told)))
    return pa.concat_tables(tables)


def _only(table: pa.Table, placement: str) -> pa.Table:
    return table.filter(pc.equal(table["placement"], placement))


def _shown(candidates: pa.Table, slots: Slots) -> pa.Table:
    rows = candidates.take(pa.array(slots.row))
    place = rows.schema.get_field_index("rank")
    rows = rows.set_column(place, "rank", pa.array(slots.rank, pa.int32()))
    rows = rows.append_column("is_exploration", pa.array(slots.is_exploration))
    return rows.append_column("propensity", pa.array(slots.propensity))


def _no_slots() -> Slots:
    none = np.zeros(0, dtype=np.int64)
    return Slots(none, none, none.astype(bool), none.astype(float))


def _slots(offered: pa.Table, answered: pa.Table, told: dict[str, Any]) -> Slots:
    contexts, context_ids = _coded(offered["context_id"])
    items, item_ids = _coded(offered["item_id"])
    # The rules have ranked them already, ties and all.
    score = -offered["rank"].to_numpy().astype(np.float64)
    candidates = Candidates(contexts, items, score, keys(context_ids), keys(item_ids))
    seed = seed_of(told["night"].isoformat(), told["placement"], told["seed"])
    if told["policy"] == "even":
        return explore_uniformly(candidates, told["k"], told["budget"], seed)
    law = _law(item_ids, answered, told["lift"])
    return explore_by_thompson(candidates, told["k"], told["budget"], seed, law)


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """(n,) codes in the order in which ids come first, and the ids."""
    ids = pc.unique(column)
    return pc.index_in(column, ids).to_numpy(), ids.to_pylist()


def _law(item_ids: list[str], answered: pa.Table, lift: float) -> Law:
    rows = answered.take(pc.index_in(pa.array(item_ids, pa.string()), answered["item_id"]))
    clicked, shown, is_new = (rows[c].to_numpy() for c in ("n_clicked", "n_shown", "is_new"))
    return Law.of(posteriors(clicked, shown, is_new, lift))
