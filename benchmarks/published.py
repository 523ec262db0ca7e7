"""This project's models and metrics beside a published table, on the same fixed split.

    python benchmarks/published.py [FOLDER]

FOLDER holds train_users.dat.gz and test_users.dat.gz; it defaults to
$NIGHTSHELF_SHARED_DATA/ml1m_fixed_split. Then come implicit's and scikit-learn's models, which the
table does not have, on the same split. About a minute.

Source: Ferrari Dacrema et al., A Troubling Analysis of Reproducibility and Progress in Recommender
Systems Research, TOIS 2021, table 32. All items ranked, training items excluded, mean over test
users. The split is not by time, and its popularity differs between train and test: the table checks
that models and metrics are implemented right, and nothing about their worth in a shop.
"""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.peers import PEERS, Peer
from nightshelf.candidates import (
    CandidateModel,
    Ease,
    EaseParams,
    Ials,
    IalsParams,
    ItemKnn,
    ItemKnnParams,
    Nmf,
    NmfParams,
    Popularity,
    Rp3beta,
    Rp3betaParams,
    Svd,
    SvdParams,
)
from nightshelf.dataset import Interactions
from nightshelf.dataset.interactions import positions
from nightshelf.evaluation import METRICS

CUTOFFS = (20, 40, 100)
CATALOGUE = 3705
"""Items are numbered 0 to 3704; 3,068 of them are in the training rows."""

MODELS: dict[str, tuple[CandidateModel, tuple[float, ...]]] = {
    "TopPopular": (Popularity(), (0.0382, 0.0065, 0.0969, 0.0092, 0.2286, 0.0127)),
    "item-kNN cosine TF-IDF": (
        ItemKnn(
            ItemKnnParams(
                neighbours=615,
                shrinkage=0.0,
                min_buyers=1,
                max_items_per_user=1_000_000,
                similarity_days=0,
            )
        ),
        (0.0676, 0.0143, 0.1217, 0.0170, 0.2326, 0.0203),
    ),
    "P3α": (
        Rp3beta(
            Rp3betaParams(
                alpha=1.0075,
                beta=0.0,
                neighbours=332,
                # The published code cuts its matrix by rows, and then by columns.
                backers=332,
                returns=False,
                half_life_days=0.0,
                min_buyers=1,
            )
        ),
        (0.1218, 0.0256, 0.2072, 0.0306, 0.3583, 0.0367),
    ),
    "EASE": (
        # Every pair weighs log(2) here and 1 there.
        Ease(EaseParams(regularization=292 * np.log(2) ** 2, half_life_days=0.0, min_buyers=1)),
        (0.0956, 0.0212, 0.1563, 0.0243, 0.2651, 0.0278),
    ),
    "PureSVD 15": (
        # So many that the vectors are exact; the published ones are scikit-learn's, of 4 to 7.
        Svd(SvdParams(factors=15, min_buyers=1, half_life_days=0.0, power_iterations=50)),
        (0.0828, 0.0172, 0.1424, 0.0204, 0.2472, 0.0236),
    ),
    # The table states no parameters for iALS, "best of their search"; these are ours.
    "iALS": (
        Ials(
            IalsParams(
                factors=32,
                unobserved_weight=0.1,
                iterations=12,
                min_buyers=1,
                half_life_days=0.0,
            )
        ),
        (0.0868, 0.0188, 0.1441, 0.0218, 0.2621, 0.0252),
    ),
    # As for iALS, the settings are ours.
    "NMF": (
        Nmf(NmfParams(factors=32, iterations=200, min_buyers=1, half_life_days=0.0)),
        (0.0795, 0.0199, 0.1252, 0.0223, 0.2127, 0.0251),
    ),
}


PEER_SIZES = {
    "implicit cosine": {"neighbours": 615},
    "implicit TF-IDF": {"neighbours": 615},
    "implicit BM25": {"neighbours": 615},
    "implicit ALS": {"factors": 16, "alpha": 5.0, "regularization": 1.0},
    "implicit BPR": {"factors": 16},
    "scikit-learn SVD": {"factors": 15},
    "scikit-learn NMF": {"factors": 16},
}
"""As ours have above; the rest is the peers' own."""


def main() -> None:
    folder = _folder()
    train, users, relevant = read_split(folder)
    rows = {
        name: (measured(model.fit(train), users, relevant, train), published)
        for name, (model, published) in MODELS.items()
    }
    rows |= {
        name: (measured_peer(PEERS[name], sizes, users, relevant, train), None)
        for name, sizes in PEER_SIZES.items()
    }
    _print(rows, len(users))


def read_split(folder: Path) -> tuple[Interactions, list[str], csr_matrix]:
    """Training rows, test users, and what these took: users × items."""
    train = _training_rows(folder / "train_users.dat.gz")
    return train, *_test_users(folder / "test_users.dat.gz", train)


def _folder() -> Path:
    shared = os.environ.get("NIGHTSHELF_SHARED_DATA", "../shared/data")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(shared) / "ml1m_fixed_split"
    if not (folder / "train_users.dat.gz").exists():
        print(f"skipped: no train_users.dat.gz in {folder}; pass the folder as an argument")
        raise SystemExit(0)
    return folder


def _lines(path: Path) -> list[list[str]]:
    """One list a line: the user, then the user's items."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.split() for line in file if line.strip()]


def _training_rows(path: Path) -> Interactions:
    """Every pair on one day: the split carries no time."""
    pairs = [(user, item) for user, *items in _lines(path) for item in dict.fromkeys(items)]
    users, items = zip(*pairs, strict=True)
    train = Interactions.from_arrays(users, items, np.zeros(len(pairs)), None, as_of=1)
    # Published scores weigh users by the size of the whole catalogue, its untrained items too.
    absent = sorted({str(number) for number in range(CATALOGUE)} - set(train.items))
    return replace(train, items=np.append(train.items, np.array(absent, dtype=object)))


def _test_users(path: Path, train: Interactions) -> tuple[list[str], csr_matrix]:
    """Users with test items, and n_users × n_items of them; items absent from training at the end,
    where no model can reach them."""
    lists = {user: items for user, *items in _lines(path) if items}
    code = {item: number for number, item in enumerate(train.items)}
    pairs = [
        (row, code.setdefault(item, len(code)))
        for row, items in enumerate(lists.values())
        for item in dict.fromkeys(items)
    ]
    rows, columns = np.array(pairs).T
    shape = (len(lists), len(code))
    return list(lists), csr_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape)


def measured(model: CandidateModel, users, relevant, train) -> list[float]:
    """Recall and average precision at each cutoff, means over the test users."""

    def answer(rows: np.ndarray, k: int, exclude: csr_matrix) -> np.ndarray:
        return model.recommend(train.users[rows], k, exclude).lists(len(rows), k)

    return _means(answer, users, relevant, train)


def measured_peer(peer: Peer, sizes: dict, users, relevant, train) -> list[float]:
    """The same of somebody else's model, fitted here."""
    return _means(partial(peer, train.bought(), **sizes), users, relevant, train)


def _means(answer, users, relevant, train) -> list[float]:
    """`answer` gives lists for row numbers, k and what to exclude. A test user who is not in the
    training rows has an empty list, which counts."""
    k = max(CUTOFFS)
    at = positions(train.users, users)
    known = at[at >= 0]
    lists = np.full((len(users), k), -1, dtype=np.int32)
    lists[at >= 0] = answer(known, k, train.bought()[known])
    names = ("recall", "average_precision")
    return [float(np.nanmean(METRICS[name](lists, relevant, c))) for c in CUTOFFS for name in names]


def _print(rows: dict[str, tuple[list[float], tuple[float, ...] | None]], n_users: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"ours | published, {n_users:,} test users")
    table.add_column("model")
    for k in CUTOFFS:
        table.add_column(f"R@{k}", justify="right")
        table.add_column(f"MAP@{k}", justify="right")
    for name, (ours, published) in rows.items():
        theirs = [f" | {b:.4f}" for b in published] if published else [" |       "] * len(ours)
        table.add_row(name, *(f"{a:.4f}{b}" for a, b in zip(ours, theirs, strict=True)))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
