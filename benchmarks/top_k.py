"""Exact top-100 for all users from factors, with exclusions, beside implicit's recommend and bare SGEMM.

    python benchmarks/top_k.py              # 10 thousand items, 2,048 users
    python benchmarks/top_k.py --big        # 100 thousand items

Factors are either as alternating least squares learns them from a made-up log, whose long items come
first and spare the rest, or drawn at random, of one length: nothing can be left out then, and every
score is looked at. Each user's own items are excluded. Every contender runs in blocks of users on
threads of its own, with BLAS on one thread in each, and has answered one user before it is measured;
SGEMM multiplies the same blocks and keeps nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks import made_up_log
from benchmarks.side_by_side import Finish, answer, is_contender, machine, race
from nightshelf.candidates import Ials, IalsParams
from nightshelf.candidates.base import each_block, one_blas_thread
from nightshelf.candidates.inner_products import BLOCK, TILE, Items, best_products
from nightshelf.candidates.top_k import LEAST

FACTORS = 64
SEED = 20170101
OF_IMPLICIT = 1000
"""Users a call; 256 and 4,096 take implicit longer."""


def _read(inputs: Path) -> tuple[np.ndarray, np.ndarray, csr_matrix]:
    with np.load(inputs) as found:
        users, items = found["users"], found["items"]
        parts = tuple(found[f"exclude_{part}"] for part in ("data", "indices", "indptr"))
    return users, items, csr_matrix(parts, (len(users), len(items)))


def _ours(inputs: Path, settings: dict):
    users, factors, exclude = _read(inputs)
    items = Items(factors, np.arange(len(factors), dtype=np.int32))

    def of_block(asked: np.ndarray):
        return best_products(users[asked], items, [exclude[asked]], settings["k"], LEAST)[0]

    def run(n_users: int = len(users)) -> str:
        answers = each_block(of_block, np.arange(n_users), TILE)
        return _told(np.concatenate([scores for _, _, scores, _ in answers]))

    run(1)
    return run


def _implicit(inputs: Path, settings: dict):
    from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase

    class Given(MatrixFactorizationBase):
        def fit(self, *_): ...
        def save(self, *_): ...

    users, factors, exclude = _read(inputs)
    model = Given(num_threads=settings["cores"])
    model.user_factors, model.item_factors = users, factors
    exclude = exclude.astype(np.float32)

    def run(n_users: int = len(users)) -> str:
        with one_blas_thread():
            blocks = np.split(np.arange(n_users), range(OF_IMPLICIT, n_users, OF_IMPLICIT))
            scores = [model.recommend(b, exclude[b], settings["k"])[1] for b in blocks]
        return _told(np.concatenate(scores).ravel())

    run(1)
    return run


def _sgemm(inputs: Path, settings: dict):
    users, factors, _ = _read(inputs)
    items = Items(factors, np.arange(len(factors), dtype=np.int32))

    def of_block(asked: np.ndarray) -> None:
        block, product = users[asked], np.empty((len(asked), BLOCK), np.float32)
        for factors in items.blocks:
            np.matmul(block, factors, out=product[:, : factors.shape[1]])

    def run(n_users: int = len(users)) -> None:
        each_block(of_block, np.arange(n_users), TILE)

    run(1)
    return run


def _told(scores: np.ndarray) -> str:
    """The mean score: equal to some digits where the same items were found."""
    return f"{scores.mean(dtype=np.float64):.5f} of {len(scores):,}"


CONTENDERS = {"nightshelf": _ours, "implicit": _implicit, "limit: SGEMM": _sgemm}


def factors(kind: str, n_users: int, n_items: int) -> dict[str, np.ndarray]:
    """Arrays `users`, `items` and `exclude_…` of n_users rows; kind is "learnt" or "one length"."""
    taken = made_up_log.pairs(30 * max(n_users, n_items), max(n_users, n_items), n_items)
    if kind == "learnt":
        model = Ials(IalsParams(factors=FACTORS, iterations=3))
        users, items = model._factorise(taken, FACTORS)
    else:
        generator = np.random.default_rng(SEED)
        shapes = ((n_users, FACTORS), (n_items, FACTORS))
        users, items = (generator.standard_normal(s, dtype=np.float32) for s in shapes)
        items /= np.linalg.norm(items, axis=1, keepdims=True)
    exclude = taken[:n_users].astype(bool)
    parts = {f"exclude_{part}": getattr(exclude, part) for part in ("data", "indices", "indptr")}
    return {"users": users[:n_users], "items": items, **parts}


def main(
    users: Annotated[int, typer.Option(help="Users who are answered.")] = 2_048,
    items: Annotated[int, typer.Option(help="Items of the shop.")] = 10_000,
    k: Annotated[int, typer.Option(help="Items for each user.")] = 100,
    rounds: Annotated[int, typer.Option(help="Runs of each contender.")] = 3,
    cores: Annotated[int, typer.Option(help="Threads of each contender.")] = 2,
    big: Annotated[bool, typer.Option("--big", help="100 thousand items, 8,192 users.")] = False,
) -> None:
    """Prints core-microseconds a user, and how they compare."""
    if big:
        users, items = 8_192, 100_000
    title = (
        f"Exact top {k} of {items:,} items, {FACTORS} factors, {users:,} users with exclusions\n"
    )
    table = Table(title=title + machine(cores, "numpy", "implicit"), title_justify="left")
    for name in ("factors", "", "core µs/user", "× ours", "SGEMM's share", "peak MB", "mean score"):
        table.add_column(name, justify="left" if name in ("factors", "") else "right")
    settings = {"k": k, "cores": cores}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("learnt", "one length"):
            inputs = Path(folder) / "factors.npz"
            np.savez(inputs, **factors(kind, users, items))
            found = race(__file__, list(CONTENDERS), inputs, settings, rounds, cores)
            _add_rows(table, kind, found, users)
    Console(width=110).print(table)


def _add_rows(table: Table, kind: str, found: dict[str, Finish], users: int) -> None:
    ours, limit = (found[n].core_seconds for n in ("nightshelf", "limit: SGEMM"))
    for name, f in found.items():
        cost = f"{f.core_seconds / users * 1e6:.0f}", f"{f.core_seconds / ours:.2f}"
        share = f"{limit / f.core_seconds:.0%}"
        table.add_row(kind, name, *cost, share, f"{f.peak_mb:,}", f.said or "")
    table.add_section()


if __name__ == "__main__":
    answer(CONTENDERS) if is_contender() else typer.run(main)
