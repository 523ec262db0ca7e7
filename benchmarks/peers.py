"""Other people's models on the same matrix, answering in the same shape.

Each takes `train` (users × items CSR of weights), `users` (row numbers), k, and `exclude`
(len(users) × n_items CSR, True = no, or None), and returns (len(users), k) int32 item codes by rank,
-1 where a list is shorter than k. Settings are the peers' own defaults, except the sizes and seeds
written here: what one gets without tuning, unless a keyword says otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.candidates.base import NO, one_blas_thread
from nightshelf.candidates.top_k import top_k

SEED = 20170101
BLOCK = 256
"""Users scored at once where a peer gives factors only: 100 MB at 100 thousand items."""

Peer = Callable[[csr_matrix, np.ndarray, int, csr_matrix | None], np.ndarray]


def implicit_cosine(train, users, k, exclude, neighbours: int = 50) -> np.ndarray:
    """implicit's item-kNN, cosine."""
    from implicit.nearest_neighbours import CosineRecommender

    return _implicit(CosineRecommender(K=neighbours), train, users, k, exclude)


def implicit_tfidf(train, users, k, exclude, neighbours: int = 50) -> np.ndarray:
    """implicit's item-kNN, cosine after TF-IDF."""
    from implicit.nearest_neighbours import TFIDFRecommender

    return _implicit(TFIDFRecommender(K=neighbours), train, users, k, exclude)


def implicit_bm25(train, users, k, exclude, neighbours: int = 50) -> np.ndarray:
    """implicit's item-kNN, product after BM25 (k1 = 1.2, b = 0.75)."""
    from implicit.nearest_neighbours import BM25Recommender

    return _implicit(BM25Recommender(K=neighbours), train, users, k, exclude)


def implicit_als(
    train, users, k, exclude, factors: int = 64, alpha: float = 1.0, regularization: float = 0.01
) -> np.ndarray:
    """implicit's AlternatingLeastSquares, 15 iterations."""
    from implicit.cpu.als import AlternatingLeastSquares

    with one_blas_thread():
        model = AlternatingLeastSquares(
            factors, regularization=regularization, alpha=alpha, random_state=SEED
        )
        return _implicit(model, train, users, k, exclude)


def implicit_bpr(train, users, k, exclude, factors: int = 64) -> np.ndarray:
    """implicit's BayesianPersonalizedRanking, 100 iterations; one thread, as more race."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors, random_state=SEED, num_threads=1)
    return _implicit(model, train, users, k, exclude)


def sklearn_svd(train, users, k, exclude, factors: int = 64) -> np.ndarray:
    """scikit-learn's TruncatedSVD: a row projected on the first right singular vectors."""
    from sklearn.decomposition import TruncatedSVD

    return _sklearn(TruncatedSVD(factors, random_state=SEED), train, users, k, exclude)


def sklearn_nmf(train, users, k, exclude, factors: int = 64) -> np.ndarray:
    """scikit-learn's NMF, 200 rounds of coordinate descent."""
    from sklearn.decomposition import NMF

    model = NMF(factors, init="nndsvda", random_state=SEED)
    return _sklearn(model, train, users, k, exclude)


PEERS: dict[str, Peer] = {
    "implicit cosine": implicit_cosine,
    "implicit TF-IDF": implicit_tfidf,
    "implicit BM25": implicit_bm25,
    "implicit ALS": implicit_als,
    "implicit BPR": implicit_bpr,
    "scikit-learn SVD": sklearn_svd,
    "scikit-learn NMF": sklearn_nmf,
}


def _implicit(model, train, users, k, exclude) -> np.ndarray:
    """By implicit's own `recommend`: it asks for so many more as are excluded, then drops those."""
    train = csr_matrix(train, dtype=np.float32)
    with warnings.catch_warnings():
        # Of its own conversions, not of ours.
        warnings.simplefilter("ignore")
        model.fit(train, show_progress=False)
    if exclude is None:
        exclude = csr_matrix((len(users), train.shape[1]), dtype=bool)
    n = min(train.shape[1], k + int(np.diff(exclude.indptr).max(initial=0)))
    lists = np.full((len(users), k), -1, dtype=np.int32)
    for start in range(0, len(users), BLOCK):
        rows = users[start : start + BLOCK]
        found, scores = model.recommend(rows, train[rows], N=n, filter_already_liked_items=False)
        banned = exclude[start : start + BLOCK].toarray().astype(bool)
        # Where there is nothing more to say, an id stands with the lowest score there is.
        kept = (
            (found >= 0) & (scores > -1e30) & ~np.take_along_axis(banned, found % train.shape[1], 1)
        )
        lists[start : start + BLOCK] = _first(found, kept, k)
    return lists


def _first(found: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    """The first k kept of each row, in their order, then -1."""
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    lists = np.full((len(found), k), -1, dtype=np.int32)
    ids = np.where(np.take_along_axis(kept, order, 1), np.take_along_axis(found, order, 1), -1)
    lists[:, : ids.shape[1]] = ids
    return lists


def _sklearn(model, train, users, k, exclude) -> np.ndarray:
    train = csr_matrix(train, dtype=np.float32)
    with warnings.catch_warnings():
        # That NMF could go on after its rounds.
        warnings.simplefilter("ignore")
        of_users, of_items = model.fit_transform(train)[users], model.components_
    lists = np.full((len(users), k), -1, dtype=np.int32)
    for start in range(0, len(users), BLOCK):
        scores = (of_users[start : start + BLOCK] @ of_items).astype(np.float32)
        if exclude is not None:
            scores[exclude[start : start + BLOCK].toarray().astype(bool)] = NO
        rows, columns, _, ranks = top_k(scores, k)
        lists[start + rows, ranks - 1] = columns
    return lists
