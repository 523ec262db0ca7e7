"""How two arms of a made-up shop are compared."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from benchmarks import simulated
from benchmarks.simulated import ARMS, BLOCK, interval, run


def test_an_interval_is_as_wide_as_its_blocks_are_few():
    dice = np.random.default_rng(0)
    alike = np.repeat(dice.normal(size=(1, 20)), BLOCK, axis=1)
    mean, low, high = interval(alike)
    assert mean == pytest.approx(alike.mean())
    assert low < mean < high
    of_nights = 2 * 1.96 * alike.std() / np.sqrt(alike.size)
    assert high - low > 1.5 * of_nights, "neighbours are alike: 20 draws, and not 100"


def test_a_difference_that_every_night_has_is_certain():
    assert interval(np.full((2, 30), 0.25)) == (0.25, 0.25, 0.25)


def test_seeds_are_drawn_from_their_own_nights():
    two = np.stack([np.zeros(30), np.ones(30)])
    assert interval(two) == (0.5, 0.5, 0.5)


def test_arms_take_turns_and_what_is_whole_is_not_run_again(tmp_path, monkeypatch):
    turns = []

    def nights(root, size, seed, *how):
        root.mkdir()
        for night in range(size.nights):
            turns.append((root.name, night))
            with (root / "truth.csv").open("a", encoding="utf-8") as file:
                csv.writer(file).writerows(
                    [*([] if night else [("night", "value")]), ("2020-04-01", night)]
                )
            yield

    monkeypatch.setattr(simulated, "simulate", nights)
    one, other, *_ = ARMS
    for _ in range(2):
        told = run(tmp_path, [one, other], [7], nights=2)
    assert turns == [(f"{one}-7", 0), (f"{other}-7", 0), (f"{one}-7", 1), (f"{other}-7", 1)]
    assert told[other]["value"].tolist() == [[0, 1]]
