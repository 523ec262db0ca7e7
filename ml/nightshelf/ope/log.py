"""Logged impressions with their propensities, and the policy that is asked about.

The unit is a slot: one item at one position of one list. Propensities and the evaluated policy's
chances are of the item given the context and the position, each position for itself. That is right
where a slot's reward hangs on its context, its item and its position, and not on the other items of
the list (the item-position model; Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen, Offline
evaluation of ranking policies with click models, 2018). Where one item takes another's clicks, the
estimates are of something else. Slots of one list or user are not independent: intervals draw
contexts whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from nightshelf.errors import InputError

SUM_WITHIN = 1e-4
"""A policy's chances of a group sum to one, but for files that keep five digits."""
SMALLEST = 1e-12
"""Of propensities. An impression that should come once in 10¹² lists was not logged by chance, and the
squares of weights beyond it leave the doubles."""
LARGEST = 1e12
"""Of rewards, either way, for the same reason."""


@dataclass(frozen=True, eq=False)
class Policy:
    """π_e: `chances` (n_groups, n_items), each row a distribution; `group` (n,) says which row of it
    holds for each impression. A policy that ignores context has a group a position."""

    chances: csr_matrix
    group: np.ndarray

    def __post_init__(self) -> None:
        _need(self.chances.data, lambda x: (x >= 0) & (x <= 1), "chance", "between 0 and 1")
        sums = np.asarray(self.chances.sum(axis=1)).ravel()
        wrong = np.flatnonzero(np.abs(sums - 1) > SUM_WITHIN)
        if len(wrong):
            raise InputError(
                f"The evaluated policy's chances sum to {sums[wrong[0]]:.4f} in group {wrong[0]:,}, "
                f"and to something else than 1 in {len(wrong):,} of {len(sums):,} groups.",
                "Give every item that the policy may show at that position, with its chance.",
            )

    def of(self, item: np.ndarray) -> np.ndarray:
        """(n,): the chance of each impression's item."""
        return np.asarray(self.chances[self.group, item]).ravel()


@dataclass(frozen=True, eq=False)
class LoggedImpressions:
    """One row per slot shown. All arrays are (n,) and aligned.

    `reward` is 1 for a click, or any finite number; `propensity` is the logging policy's chance of
    the shown item at that position, and `evaluation` the evaluated policy's. `context`, `position` and
    `night` are codes from 0; by default each row is a context of its own, all at one position of one
    night. `item` codes and `policy` are needed for support, the direct method and doubly robust;
    `features` (n, d) of the context by models that know any.
    """

    reward: np.ndarray
    propensity: np.ndarray
    evaluation: np.ndarray
    context: np.ndarray | None = None
    position: np.ndarray | None = None
    night: np.ndarray | None = None
    item: np.ndarray | None = None
    policy: Policy | None = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.reward)
        if not n:
            raise InputError("The log has no impressions.", "Give a log with some.")
        for name, values in vars(self).items():
            if values is not None and name != "policy" and len(values) != n:
                raise InputError(
                    f"{n:,} rewards, but {len(values):,} of {name}.",
                    "Give one for each impression.",
                )
        _need(self.reward, lambda x: abs(x) <= LARGEST, "reward", f"a number within ±{LARGEST:g}")
        _need(
            self.propensity, lambda x: (x >= SMALLEST) & (x <= 1), "propensity",
            f"at least {SMALLEST:g} and at most 1",
        )  # fmt: skip
        _need(self.evaluation, lambda x: (x >= 0) & (x <= 1), "evaluation", "between 0 and 1")
        one = np.zeros(n, dtype=int)
        for name, default in (("context", np.arange(n)), ("position", one), ("night", one)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)

    @classmethod
    def under(cls, policy: Policy, item, reward, propensity, **more) -> LoggedImpressions:
        """Impressions of `item` (n,) codes, with the chance that `policy` gives each."""
        chance = policy.of(item)
        return cls(reward, propensity, chance, item=item, policy=policy, **more)

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def weights(self) -> np.ndarray:
        """(n,) importance weights w = π_e(a | x, position) / π_0(a | x, position)."""
        return self.evaluation / self.propensity

    @property
    def n_positions(self) -> int:
        return int(self.position.max()) + 1

    def rows(self, which: np.ndarray) -> LoggedImpressions:
        """Some of the impressions, by mask or index."""
        cut = {k: v[which] for k, v in vars(self).items() if v is not None and k != "policy"}
        if self.policy is not None:
            cut["policy"] = replace(self.policy, group=self.policy.group[which])
        return replace(self, **cut)


def doubled(log: LoggedImpressions) -> int:
    """How many impressions repeat a context's item at its position on that night: a slot shows one
    item once."""
    if log.item is None:
        return 0
    slots = np.stack([log.night, log.context, log.position, log.item], axis=1)
    return len(slots) - len(np.unique(slots, axis=0))


def uncovered_share(log: LoggedImpressions) -> float:
    """The evaluated policy's mass on items that the log never shows at that position, mean over rows.

    No estimate by weights can know what such items earn. NaN for a log without items and policy.
    """
    if log.policy is None or log.item is None:
        return np.nan
    hidden = np.ones((log.n_positions, log.policy.chances.shape[1]))
    hidden[log.position, log.item] = 0
    mass = log.policy.chances @ hidden.T
    return float(mass[log.policy.group, log.position].mean())


def need_support(log: LoggedImpressions, allowed: float) -> float:
    """The uncovered share; InputError where it is above `allowed`."""
    share = uncovered_share(log)
    if share > allowed:
        raise InputError(
            f"{share:.1%} of the evaluated policy's mass lies on items that the log of {len(log):,} "
            f"impressions never shows at that position; {allowed:.1%} is allowed.",
            "Evaluate a policy over items that were shown, or log longer; if the log is only too "
            f"short for items that its policy does show, pass --allow-uncovered {share + 0.005:.2f}.",
        )
    return share


def _need(values: np.ndarray, holds, name: str, wanted: str) -> None:
    wrong = np.flatnonzero(~holds(values))  # NaN holds in no comparison
    if len(wrong):
        raise InputError(
            f"{name} is {values[wrong[0]]} in row {wrong[0] + 1:,}, and wrong in {len(wrong):,} of "
            f"{len(values):,} rows; it must be {wanted}.",
            "Mend these rows, or leave their lists out whole.",
        )
