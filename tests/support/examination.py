"""A window to examine on: 120 users, 20 items, three sources and a feature that knows the truth."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.evaluation import Labels, Past
from nightshelf.judging.quality import Examination
from nightshelf.ranking.pool import Pool

N_USERS, N_ITEMS = 120, 20
FEATURES = ("truth", "nothing")
SOURCES = ("own_history", "popularity", "item_knn")


def examination(item_knn: float = 0.5, view: str = "all", anybody: bool = True) -> Examination:
    """Each user takes about three items. `item_knn` is how much that source knows: 1 all, 0 nothing,
    below 0 the reverse. Own history knows a little, popularity less, the first feature all. Without
    `anybody` nobody takes anything."""
    rng = np.random.default_rng(9)
    truth = (rng.random((N_USERS, N_ITEMS)) < 0.15) & anybody
    noise = rng.random((4, N_USERS, N_ITEMS))
    known = {
        "own_history": 0.3 * truth + noise[0],
        "popularity": 0.1 * truth + noise[1],
        "item_knn": item_knn * truth + noise[2],
    }
    seen = csr_matrix(noise[3] < 0.3)
    users = np.array([f"user {n:03d}" for n in range(N_USERS)], dtype=object)
    items = np.array([f"item {n:02d}" for n in range(N_ITEMS)], dtype=object)
    pool = Pool(
        users,
        items,
        np.repeat(np.arange(N_USERS), N_ITEMS).astype(np.int32),
        np.tile(np.arange(N_ITEMS), N_USERS).astype(np.int32),
        {name: values.ravel().astype(np.float32) for name, values in known.items()},
        {name: _ranks(values).ravel() for name, values in known.items()},
    )
    matrix = np.stack([truth.ravel() + 0.2 * noise[0].ravel(), noise[3].ravel()], axis=1)
    past = Past(N_USERS, np.full(N_ITEMS, 36), np.full(N_ITEMS, 90), np.arange(N_USERS) % 9)
    wanted = Labels(users, csr_matrix(truth), seen, view)
    return Examination(pool, matrix.astype(np.float32).__getitem__, wanted, past)


def _ranks(values: np.ndarray) -> np.ndarray:
    return (np.argsort(np.argsort(-values, axis=1), axis=1) + 1).astype(np.int16)
