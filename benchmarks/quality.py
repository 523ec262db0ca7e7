"""How good the served lists are: real nights on three folds, beside every source, baselines and peers.

    python benchmarks/quality.py [demo] [online_retail] [--peers]

For each shop and each test fold of benchmarks/protocol.py it runs a night as of the fold's first day,
from landing files to scores, in a home of its own that begins empty. What the champions of
`rec_for_you` and `rec_discover` rank for each user is held against what the user took in the fourteen
days after, which no step of the night has seen. Every source's own list comes from the same night.
`--peers` adds implicit's and scikit-learn's models on the same training rows.

Takes 4 nights' time a fold on two cores, about a quarter of an hour a shop, and 3 GB of disk below
.nightshelf/quality, which it removes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import protocol
import pyarrow.parquet as pq
from protocol import TEST_FOLDS, VIEWS, Fold, RealShop

from nightshelf.dataset.interactions import positions
from nightshelf.evaluation import METRICS, mean_interval, paired_difference_interval
from nightshelf.paths import PROJECT, Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.ranking.proposals import Proposals
from nightshelf.steps import STEPS, open_night

K = 10
SEED = 7
CHAMPION = "champion"
UNTIL = "score"
"""The last step of a night that matters here."""

RECIPE = {
    ("online_retail", "all"): 0.359,
    ("online_retail", "new"): 0.127,
    ("demo", "all"): 0.347,
    ("demo", "new"): 0.037,
}
"""nDCG@10 of a plain boosted recipe on this protocol: LightGBM over the union of own history,
co-visitation, item-kNN, iALS and recent popularity."""


@dataclass(frozen=True)
class Subject:
    """A shop of the protocol, and how its landing files come about."""

    name: str
    real: RealShop

    @property
    def file(self) -> Path:
        return PROJECT / "shops" / f"{self.name}.toml"

    def lay_out(self, home: Home) -> None:
        if self.name == "demo":
            from nightshelf.demo import lay_out
            from nightshelf.progress import progress

            with progress("demo") as shown:
                lay_out(home, shown)
            return
        _lay_out_online_retail(home.shop(self.name).root / "landing" / "by-day")


def _lay_out_online_retail(folder: Path) -> None:
    """The protocol's lines as the shop's own export: one gzipped CSV a day."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        for path in sorted((protocol.SHARED / "online_retail" / "by-day").glob("*.csv.gz")):
            lines = db.sql(
                f"from read_csv($path, all_varchar = true) where {protocol.KEPT_LINES}",
                params={"path": str(path)},
            )
            lines.write_csv(str(folder / path.name), header=True, compression="gzip")


def main() -> None:
    wanted = {a for a in sys.argv[1:] if not a.startswith("--")}
    subjects = [Subject("demo", protocol.complete_journey())]
    if (shop := protocol.online_retail()) is not None:
        subjects.append(Subject("online_retail", shop))
    for subject in subjects:
        if not wanted or subject.name in wanted:
            _show(subject, _measured(subject))


Values = dict[str, dict[str, list[np.ndarray]]]
"""view → list's name → nDCG@10 per user, one array a fold; under USERS whose they are."""
USERS = "users"


def _measured(subject: Subject) -> Values:
    root = PROJECT / ".nightshelf" / "quality" / subject.name
    found: Values = {view: {} for view in VIEWS}
    try:
        for number, fold in zip(TEST_FOLDS, subject.real.folds(TEST_FOLDS), strict=True):
            # MLflow keeps a database open: each fold has its own.
            home = root / str(fold.cut)
            shutil.rmtree(root, ignore_errors=True)
            for view, name, values in _of_fold(subject, Home(home), fold):
                found[view].setdefault(name, []).append(values)
            print(f"{subject.name}: fold {number} is measured", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return found


def _of_fold(subject: Subject, home: Home, fold: Fold) -> Iterator[tuple[str, str, np.ndarray]]:
    subject.lay_out(home)
    run = open_night(home, subject.file, fold.cut)
    for name, step in STEPS.items():
        step(run)
        if name == UNTIL:
            break
    proposed = Proposals.read(run.attempt.candidates / "serve.parquet")
    for placement, view in PLACEMENT_VIEWS.items():
        pool = proposed.of(view)
        lists = {
            s: _lists(fold, pool.users, pool.items, pool.source_lists(s, K)) for s in pool.ranks
        }
        lists[CHAMPION] = served(run.attempt.scores / f"{placement}.parquet", fold)
        yield view, USERS, fold.labels["all"].users
        for name, found in lists.items():
            yield view, name, METRICS["ndcg"](found, fold.labels[view].relevant, K)
        if "--peers" in sys.argv:
            yield from ((view, n, v) for n, v in _peers(fold, view))


def _lists(fold: Fold, users: np.ndarray, items: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """The lists of the fold's users, in the item codes of its training rows; -1 for none."""
    rows = positions(users, fold.labels["all"].users)
    codes = np.append(positions(fold.train.items, items), -1)
    found = codes[lists[np.maximum(rows, 0)]]
    found[rows < 0] = -1
    return found.astype(np.int32)


def served(path: Path, fold: Fold) -> np.ndarray:
    """(n_users, K) item codes as scored: best first."""
    table = pq.read_table(path, columns=["user_id", "item_id"])
    row = {user: n for n, user in enumerate(fold.labels["all"].users)}
    code = {item: n for n, item in enumerate(fold.train.items)}
    lists, length = np.full((len(row), K), -1, dtype=np.int32), np.zeros(len(row), dtype=int)
    for user, item in zip(*(table[c].to_pylist() for c in table.column_names), strict=True):
        n = row.get(user)
        if n is not None and length[n] < K:
            lists[n, length[n]] = code.get(item, -1)
            length[n] += 1
    return lists


def _peers(fold: Fold, view: str) -> Iterator[tuple[str, np.ndarray]]:
    import peers

    wanted = fold.labels[view]
    train = fold.train.matrix()
    rows = positions(fold.train.users, wanted.users)
    for name, peer in peers.PEERS.items():
        lists = peer(train, rows, K, wanted.exclude)
        yield f"peer: {name}", METRICS["ndcg"](lists, wanted.relevant, K)


def _show(subject: Subject, found: Values) -> None:
    from rich.console import Console
    from rich.table import Table

    for view, of_view in found.items():
        joined = {name: np.concatenate(parts) for name, parts in of_view.items()}
        users = joined.pop(USERS)
        table = Table(title=_title(subject, view, joined))
        for column in ("list", "nDCG@10", "95 % interval", "champion less this, paired"):
            table.add_column(column, justify="left" if column == "list" else "right")
        for name, values in sorted(joined.items(), key=lambda e: -np.nan_to_num(np.nanmean(e[1]))):
            table.add_row(*_row(name, values, joined[CHAMPION], users))
        Console(width=110).print(table)


def _title(subject: Subject, view: str, joined: Mapping[str, np.ndarray]) -> str:
    n = int(np.isfinite(joined[CHAMPION]).sum())
    return (
        f"{subject.real.name}, view {view}: 3 folds, {n:,} users with something relevant; "
        f"a plain boosted recipe {RECIPE[subject.name, view]:.3f}"
    )


def _row(name: str, values: np.ndarray, champion: np.ndarray, users: np.ndarray) -> tuple[str, ...]:
    """A user's folds are drawn together: they are one person's."""
    own = mean_interval(values, SEED, users=users)
    told = (name, f"{own.mean:.4f}", f"{own.low:.4f}–{own.high:.4f}")
    if name == CHAMPION:
        return (*told, "")
    diff = paired_difference_interval(champion, values, SEED, users=users)
    return (*told, f"{diff.mean:+.4f} [{diff.low:+.4f}, {diff.high:+.4f}]")


if __name__ == "__main__":
    main()
