"""Off-policy evaluation against a truth that is known, and against the Open Bandit logs.

    python benchmarks/ope.py [REPETITIONS]

1. A simulated shop: bias, error and coverage of the 95 % interval of every estimator and kind of
   interval over REPETITIONS logs (500 by default; about ten minutes on two busy cores).
2. Open Bandit, small, in $NIGHTSHELF_SHARED_DATA/open_bandit_small: for each campaign the value of the
   Thompson policy from the even log, and of the even policy from the Thompson log, each beside what
   that policy's own log earned.

Source: Saito, Aihara, Matsutani and Narita, Open Bandit Dataset and Pipeline, NeurIPS 2021.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks.logistic_rewards import LogisticRewards
from benchmarks.simulated_log import SimulatedShop
from nightshelf.evaluation import Interval
from nightshelf.ope import (
    Findings,
    LoggedImpressions,
    Options,
    Policy,
    Sampling,
    evaluate,
)
from nightshelf.ope.intervals import METHODS
from nightshelf.progress import console

CAMPAIGNS = ("all", "men", "women")
POLICIES = {"random": "even", "bts": "Thompson"}
SHARED = Path(os.environ.get("NIGHTSHELF_SHARED_DATA", "../shared/data"))


@dataclass(frozen=True)
class Setting:
    told: str
    shop: SimulatedShop
    n_lists: int


SETTINGS = (
    Setting("clicks 20 %, 1,000 lists", SimulatedShop.of(0.2, even=0.3, sharp=1.5), 1000),
    Setting("clicks 0.5 %, 3,000 lists", SimulatedShop.of(0.005, even=0.3, sharp=1.5), 3000),
    Setting("few heavy weights, 2,000 lists", SimulatedShop.of(0.02, even=0.05, sharp=0), 2000),
)

# ------------------------------------------------------------------ a truth that is known


@dataclass(frozen=True, eq=False)
class Repeated:
    """`value`, `low`, `high` (repetitions,) of one estimator by one kind of interval."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    truth: float

    @property
    def covered(self) -> float:
        return float(((self.low <= self.truth) & (self.truth <= self.high)).mean())

    @property
    def error(self) -> float:
        """Root mean square, as a share of the truth."""
        return float(np.sqrt(((self.value - self.truth) ** 2).mean()) / self.truth)

    @property
    def bias(self) -> float:
        return float(self.value.mean() / self.truth - 1)

    @property
    def width(self) -> float:
        return float(np.median(self.high - self.low) / self.truth)


def repeated(
    setting: Setting, repetitions: int, methods=METHODS, logistic=True
) -> dict[tuple[str, str], Repeated]:
    """(estimator, kind of interval) → all repetitions. "DR, logistic" is beside the tabular "DR"."""
    found: dict[tuple[str, str], list] = {}
    for seed in range(repetitions):
        log = setting.shop.log(setting.n_lists, seed)
        for method in methods:
            for name, interval in _estimates(setting, log, Sampling(method), logistic).items():
                found.setdefault((name, method), []).append(interval)
    return {
        key: Repeated(*(np.array([getattr(i, f) for i in rows]) for f in ("mean", "low", "high")),
                      setting.shop.truth)
        for key, rows in found.items()
    }  # fmt: skip


def _estimates(setting: Setting, log: LoggedImpressions, sampling: Sampling, logistic: bool):
    estimates = dict(evaluate(log, Options(sampling=sampling)).values)
    if logistic and sampling.method == METHODS[0]:  # the model takes most of the time
        model = LogisticRewards(setting.shop.item_features)
        values = evaluate(log, Options(model=model, sampling=sampling)).values
        estimates |= {f"{name}, logistic": values[name] for name in ("DM", "DR")}
    return estimates


def show_simulated(repetitions: int) -> None:
    for setting in SETTINGS:
        log = setting.shop.log(setting.n_lists, 0)
        found = evaluate(log)
        table = _table(
            f"{setting.told}: truth {setting.shop.truth:.4f}, effective size "
            f"{found.effective_size:,.0f} of {len(log):,}, largest weight {log.weights.max():.0f}; "
            f"{repetitions} repetitions",
            "estimator", "interval", "bias", "error", "covered", "width",
        )  # fmt: skip
        for (name, method), r in sorted(repeated(setting, repetitions).items()):
            shares = (f"{share:.3f}" for share in (r.error, r.covered, r.width))
            table.add_row(name, method, f"{r.bias:+.3f}", *shares)
        console.print(table)


# ------------------------------------------------------------------ Open Bandit


@dataclass(frozen=True, eq=False)
class BanditLog:
    """One campaign under one policy. One row per impression; positions from 0."""

    item: np.ndarray
    position: np.ndarray
    click: np.ndarray
    propensity: np.ndarray

    @classmethod
    def read(cls, folder: Path, policy: str, campaign: str) -> BanditLog:
        with duckdb.connect() as db:
            rows = db.execute(
                "select item_id::integer as item, position::integer - 1 as position,"
                " click::double as click, propensity_score::double as propensity"
                f" from read_csv('{folder / policy / campaign / campaign}.csv.gz') order by timestamp"
            ).fetchnumpy()
        return cls(**{name: np.asarray(values) for name, values in rows.items()})


def chances(log: BanditLog, policy: str, n_items: int) -> np.ndarray:
    """(n_positions, n_items) of the policy that made the log.

    Thompson's are how often it showed each item at each position: the log tells its chance of the
    shown item only, and the mean of those leans towards what it was surest of. This takes the policy
    for one that ignores the user (it does) and for its average over the week (it learnt meanwhile).
    """
    if policy == "random":
        return np.full((int(log.position.max()) + 1, n_items), 1 / n_items)
    shown = np.zeros((int(log.position.max()) + 1, n_items))
    np.add.at(shown, (log.position, log.item), 1)
    return shown / shown.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Asked:
    """What the policy is worth by the other's log, and by its own."""

    campaign: str
    policy: str
    by_other: Findings
    own: float


def ask(folder: Path, campaign: str, policy: str) -> Asked:
    """The value of `policy` from the log of the other."""
    (other,) = set(POLICIES) - {policy}
    own, log = (BanditLog.read(folder, p, campaign) for p in (policy, other))
    n_items = int(max(own.item.max(), log.item.max())) + 1
    asked = Policy(csr_matrix(chances(own, policy, n_items)), log.position)
    rows = LoggedImpressions.under(
        asked, log.item, log.click, log.propensity, position=log.position
    )
    return Asked(campaign, policy, evaluate(rows), float(own.click.mean()))


def show_open_bandit(folder: Path) -> None:
    table = _table(
        "Open Bandit, 10,000 impressions a log: clicks per thousand, 95 % intervals",
        "campaign", "policy", "own log", "IPS", "SNIPS", "DM", "DR", "eff. size", "weight",
    )  # fmt: skip
    for campaign in CAMPAIGNS:
        for policy in ("bts", "random"):
            a = ask(folder, campaign, policy)
            table.add_row(
                campaign,
                POLICIES[policy],
                f"{1000 * a.own:.1f}",
                *(_per_thousand(name, value) for name, value in a.by_other.values.items()),
                f"{a.by_other.effective_size:,.0f}",
                f"{a.by_other.mean_weight.mean:.2f}",
            )
    console.print(table)


def _per_thousand(name: str, value: Interval) -> str:
    mean = f"{1000 * value.mean:.1f}"
    return mean if name == "DM" else f"{mean} [{1000 * value.low:.1f}, {1000 * value.high:.1f}]"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number > 1 else "left")
    return table


def main() -> None:
    folder = SHARED / "open_bandit_small"
    if folder.is_dir():
        show_open_bandit(folder)
    else:
        console.print(f"No Open Bandit logs in {folder}; set NIGHTSHELF_SHARED_DATA.", markup=False)
    show_simulated(int(sys.argv[1]) if len(sys.argv) > 1 else 500)


if __name__ == "__main__":
    main()
