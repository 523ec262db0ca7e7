"""A shop whose click probabilities are known: its logs under one policy, the true value of another.

Contexts have a taste vector and items a place in the same space; the logit of a click is a base, a
position's effect and their product. The logging policy prefers, with errors of its own, what suits
the context, and mixes some even chance in. Each position's item is drawn by itself. All contexts are
equally likely, so that the truth is a sum, not a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit

from nightshelf.ope import LoggedImpressions, Policy


@dataclass(frozen=True, eq=False)
class SimulatedShop:
    """`clicks` (n_contexts, n_positions, n_items) are probabilities; `logging` and `evaluated`
    (n_contexts, n_items) are policies, the same at each position; `features` (n_contexts, d) and
    `item_features` (n_items, d) are what a model may know."""

    clicks: np.ndarray
    logging: np.ndarray
    evaluated: np.ndarray
    features: np.ndarray
    item_features: np.ndarray

    @classmethod
    def of(cls, rate: float, even: float, sharp: float, seed: int = 1) -> SimulatedShop:
        """200 contexts, 30 items. `rate` is about the click rate of an item that suits nobody in
        particular; the log shows an even item with the chance `even`; the evaluated policy is sharper
        than the log's by `sharp`, and even at 0."""
        n_contexts, n_items, d = 200, 30, 4
        generator = np.random.default_rng(seed)
        tastes, items = generator.normal(size=(n_contexts, d)), generator.normal(size=(n_items, d))
        suits = tastes @ items.T / np.sqrt(d)
        position = -0.4 * np.arange(3)
        clicks = expit(np.log(rate / (1 - rate)) + position[None, :, None] + 0.6 * suits[:, None])
        seen = suits + generator.normal(size=suits.shape)
        logging = (1 - even) * _softmax(2 * seen) + even / n_items
        return cls(clicks, logging, _softmax(2 * sharp * suits), tastes, items)

    @property
    def truth(self) -> float:
        """The evaluated policy's value: the mean click probability of a slot."""
        return float((self.clicks * self.evaluated[:, None]).sum(axis=2).mean())

    def log(self, n_lists: int, seed: int) -> LoggedImpressions:
        """3 × n_lists slots; a context is a list."""
        generator = np.random.default_rng(seed)
        n_positions = self.clicks.shape[1]
        who = np.repeat(generator.integers(0, len(self.logging), n_lists), n_positions)
        position = np.tile(np.arange(n_positions), n_lists)
        below = np.cumsum(self.logging, axis=1)
        item = (generator.random(len(who))[:, None] > below[who, :-1]).sum(axis=1)
        return LoggedImpressions.under(
            Policy(csr_matrix(self.evaluated), who),
            item,
            (generator.random(len(who)) < self.clicks[who, position, item]).astype(float),
            self.logging[who, item],
            context=np.repeat(np.arange(n_lists), n_positions),
            position=position,
            features=self.features[who],
        )


def _softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
