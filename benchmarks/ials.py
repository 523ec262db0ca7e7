"""An iteration of alternating least squares beside implicit's: its cost, and the loss that it reaches.

    python benchmarks/ials.py              # 700 thousand pairs, 10 thousand users, 5 thousand items
    python benchmarks/ials.py --big        # 33 million pairs, a million users, 100 thousand items

All begin with the same matrix both ways round and the same factors, and solve users, then items, as
often as `--iterations` says; only that is measured. The product minimises a loss of its own (a ridge that
grows with what a row weighs), so it stands here twice: with its own loss, and with implicit's, whose
value after the last iteration is told for both. The limit is one read of every pair's factors, in blocks
that fit into a core's cache, once a half: the least that any solver does.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks import made_up_log
from benchmarks.side_by_side import answer, is_contender, machine, race
from nightshelf.candidates import Ials
from nightshelf.candidates.base import one_blas_thread
from nightshelf.candidates.least_squares import BLOCK, Ratings, solve_rows

FACTORS, RIDGE, SEED = 64, 1.0, 20170101


class Start:
    """Counts both ways round, and the factors that every contender begins with."""

    def __init__(self, inputs: Path) -> None:
        with np.load(inputs) as found:
            parts = tuple(found[part] for part in ("data", "indices", "indptr"))
            self.by_user = csr_matrix(parts, tuple(found["shape"]))
        self.by_item = self.by_user.T.tocsr()
        generator = np.random.default_rng(SEED)
        self.users, self.items = (
            generator.standard_normal((n, FACTORS), dtype=np.float32) * np.float32(0.01)
            for n in self.by_user.shape
        )

    def loss(self) -> float:
        """implicit's: Σ_taken (1 + count) (1 - x·y)² + Σ_others (x·y)² + ridge (Σ |x|² + Σ |y|²)."""
        users, items = (f.astype(np.float64) for f in (self.users, self.items))
        total = float(((users.T @ users) * (items.T @ items)).sum())
        total += RIDGE * float(np.square(users).sum() + np.square(items).sum())
        for first in range(0, self.by_user.shape[0], 4096):
            rows = self.by_user[first : first + 4096]
            at = np.repeat(np.arange(rows.shape[0]) + first, np.diff(rows.indptr))
            scores = np.einsum("ij,ij->i", self.users[at], self.items[rows.indices])
            total += float(((1 + rows.data) * (1 - scores) ** 2 - scores**2).sum(dtype=np.float64))
        return total


def _ours(start: Start, by_user: Ratings, by_item: Ratings, iterations: int) -> None:
    with one_blas_thread():
        for _ in range(iterations):
            start.users = solve_rows(by_user, start.items, start.users)
            start.items = solve_rows(by_item, start.users, start.items)


def _own_loss(inputs: Path, settings: dict):
    start, model = Start(inputs), Ials()
    ratings = tuple(model._ratings(of, of) for of in (start.by_user, start.by_item))
    with one_blas_thread():  # imports what it limits
        return lambda: _ours(start, *ratings, settings["iterations"])


def _same_loss(inputs: Path, settings: dict):
    start = Start(inputs)
    ratings = [
        Ratings(counts, 1 + counts.data, np.full(counts.shape[0], RIDGE), 1.0)
        for counts in (start.by_user, start.by_item)
    ]

    def run():
        _ours(start, *ratings, settings["iterations"])
        return start.loss

    with one_blas_thread():
        return run


def _implicit(inputs: Path, settings: dict):
    from implicit.cpu._als import least_squares_cg

    start = Start(inputs)
    by_user, by_item = start.by_user.copy(), start.by_item.copy()
    for confidences in (by_user, by_item):
        confidences.data += 1

    def run():
        with one_blas_thread():
            for _ in range(settings["iterations"]):
                halves = ((by_user, start.users, start.items), (by_item, start.items, start.users))
                for confidences, solved, fixed in halves:
                    least_squares_cg(
                        confidences, solved, fixed, RIDGE, num_threads=settings["cores"]
                    )
        return start.loss

    with one_blas_thread():
        return run


def _one_read(inputs: Path, settings: dict):
    start = Start(inputs)
    part = BLOCK // FACTORS

    def read(factors: np.ndarray, indices: np.ndarray, first: int) -> None:
        factors.take(indices[first : first + part], axis=0)

    def run() -> None:
        with ThreadPoolExecutor(settings["cores"]) as pool:
            for _ in range(settings["iterations"]):
                for matrix, factors in ((start.by_user, start.items), (start.by_item, start.users)):
                    starts = range(0, matrix.nnz, part)
                    list(pool.map(lambda f, m=matrix, y=factors: read(y, m.indices, f), starts))

    return run


CONTENDERS = {
    "nightshelf": _own_loss,
    "nightshelf, implicit's loss": _same_loss,
    "implicit": _implicit,
    "limit: one read": _one_read,
}


def main(
    pairs: Annotated[int, typer.Option(help="Of user and item, about.")] = 700_000,
    users: Annotated[int, typer.Option(help="Of the shop.")] = 10_000,
    items: Annotated[int, typer.Option(help="Of the shop.")] = 5_000,
    iterations: Annotated[int, typer.Option(help="Users, then items, so often.")] = 3,
    rounds: Annotated[int, typer.Option(help="Runs of each contender.")] = 2,
    cores: Annotated[int, typer.Option(help="Threads of each contender.")] = 2,
    big: Annotated[bool, typer.Option("--big", help="33 million pairs.")] = False,
) -> None:
    """Prints core-seconds an iteration, peak memory, and the loss."""
    if big:
        # Some of what is drawn is drawn twice, and is one pair.
        pairs, users, items = 42_000_000, 1_000_000, 100_000
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "pairs.npz"
        counts = made_up_log.pairs(pairs, users, items)
        parts = {part: getattr(counts, part) for part in ("data", "indices", "indptr")}
        np.savez(inputs, shape=counts.shape, **parts)
        settings = {"iterations": iterations, "cores": cores}
        found = race(__file__, list(CONTENDERS), inputs, settings, rounds, cores)
    title = f"{counts.nnz:,} pairs, {users:,} users, {items:,} items, {FACTORS} factors, {iterations} iterations\n"
    table = Table(title=title + machine(cores, "numpy", "implicit"), title_justify="left")
    for name in ("", "s/iteration", "core s/iteration", "× ours", "peak MB", "loss"):
        table.add_column(name, justify="right" if name else "left")
    ours = found["nightshelf"].core_seconds
    for name, f in found.items():
        each = (f"{n / iterations:.2f}" for n in (f.seconds, f.core_seconds))
        loss = f"{f.said:.6g}" if f.said else ""
        table.add_row(name, *each, f"{f.core_seconds / ours:.2f}", f"{f.peak_mb:,}", loss)
    Console(width=110).print(table)


if __name__ == "__main__":
    answer(CONTENDERS) if is_contender() else typer.run(main)
