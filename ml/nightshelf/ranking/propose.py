"""Asks every source what it proposes, and lays the answers over each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates import CandidateModel, Recommendations
from nightshelf.candidates.base import Opinion, each_block
from nightshelf.candidates.sparse import distinct
from nightshelf.ranking.pool import VIEWS
from nightshelf.ranking.proposals import Proposals

PER_SOURCE = 30
"""Candidates a source may propose for a user; all sources together propose some two hundred and fifty.
Sixty are twice the work, and no better: nDCG@10 over two windows on Online Retail .3652 with 60, .3654
with 30, .3636 with 20; of new items .1588, .1603, .1602."""

USERS_AT_ONCE = 256
"""Users whose scores by every source a core holds at once: 100 MB for each that scores all of a hundred
thousand items. On two cores 1,220 users a second; with 128 it is 910, with 512 1,100."""

USERS_IN_A_PART = 5_000
"""Users whose candidates are in memory at a time where everybody's are made: a quarter of a gigabyte."""


def per_source(k: int) -> int:
    """Candidates that a source proposes for a user of a shop whose lists have k slots."""
    return max(PER_SOURCE, k)


def propose(
    models: Mapping[str, CandidateModel],
    users: Sequence[str],
    bought: csr_matrix,
    k: int,
    block: int = USERS_AT_ONCE,
) -> Proposals:
    """Asks every source once for both views.

    `bought` is len(users) × n_items; the view `new` leaves it out. All sources know the same items.
    Memory: the rows twice, and for each core a block of users' scores; `block` changes nothing else.
    """
    return next(propose_parts(models, users, bought, k, max(len(users), 1), block))


def propose_parts(
    models: Mapping[str, CandidateModel],
    users: Sequence[str],
    bought: csr_matrix,
    k: int,
    part: int = USERS_IN_A_PART,
    block: int = USERS_AT_ONCE,
) -> Iterator[Proposals]:
    """`propose` for `part` users at a time; once for nobody, too."""
    items = next(iter(models.values())).items
    bought = next(iter(models.values())).checked_exclude(bought, len(users))
    # A source looks all users up at once: a dictionary of a million takes longer than a part's candidates.
    opinions = {name: model.opinion(users) for name, model in models.items()}
    ids = np.asarray(users, dtype=object)

    def of_block(asked: np.ndarray) -> _Part:
        return _of_block({name: of(asked) for name, of in opinions.items()}, asked, bought, k)

    for first in range(0, max(len(ids), 1), part):
        some = ids[first : first + part]
        blocks = each_block(of_block, np.arange(first, first + len(some)), block)
        yield _joined(some, first, items, blocks)


@dataclass(frozen=True, eq=False)
class _Part:
    """What is proposed for some users: keys (position among all that were asked for × n_items + item code),
    and what stands beside them."""

    keys: np.ndarray
    scores: dict[str, np.ndarray]
    ranks: dict[str, dict[str, np.ndarray]]


def _of_block(
    opinions: Mapping[str, Opinion], asked: np.ndarray, bought: csr_matrix, k: int
) -> _Part:
    """Every source is asked once what it makes of the rows of both views."""
    n_items = bought.shape[1]
    answers = {name: opinion.best([None, bought], k) for name, opinion in opinions.items()}
    keys = {name: [_keys(a, n_items) for a in both] for name, both in answers.items()}
    rows = distinct(np.concatenate([own for both in keys.values() for own in both]))
    users, codes = np.divmod(rows, max(n_items, 1))
    at = np.searchsorted(asked, users)
    scores = {name: opinion.of(at, codes) for name, opinion in opinions.items()}
    ranks = {
        view: {name: _ranks(rows, both[v], answers[name][v].ranks) for name, both in keys.items()}
        for v, view in enumerate(VIEWS)
    }
    return _Part(rows, scores, ranks)


def _keys(answer: Recommendations, n_items: int) -> np.ndarray:
    return answer.users.astype(np.int64) * n_items + answer.item_codes


def _ranks(rows: np.ndarray, keys: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """(len(rows),) int16; 0 where the source did not propose the row."""
    found = np.zeros(len(rows), dtype=np.int16)
    found[np.searchsorted(rows, keys)] = ranks
    return found


def _joined(users: np.ndarray, first: int, items: np.ndarray, parts: Sequence[_Part]) -> Proposals:
    """`users` are those who stand from `first` on among all that were asked for."""
    asked, item_codes = np.divmod(np.concatenate([p.keys for p in parts]), max(len(items), 1))
    names = list(parts[0].scores)
    return Proposals(
        users,
        items,
        (asked - first).astype(np.int32),
        item_codes.astype(np.int32),
        {name: np.concatenate([p.scores[name] for p in parts]) for name in names},
        {
            view: {name: np.concatenate([p.ranks[view][name] for p in parts]) for name in names}
            for view in VIEWS
        },
    )
