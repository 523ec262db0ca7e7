"""The best products are implicit's, at no more than its cost, and half lost to choosing at most."""

import numpy as np
import pytest

from benchmarks.top_k import CONTENDERS, factors
from tests.support.core_seconds import core_seconds


@pytest.fixture(params=["learnt", "one length"])
def inputs(request, tmp_path):
    path = tmp_path / "factors.npz"
    np.savez(path, **factors(request.param, 512, 20_000))
    return path


def test_the_contenders_agree_and_ours_costs_no_more(inputs, monkeypatch):
    monkeypatch.setenv("NIGHTSHELF_THREADS", "1")
    settings = {"k": 100, "cores": 1}
    ours, implicit, sgemm = (make(inputs, settings) for make in CONTENDERS.values())
    assert ours() == implicit()
    took, peer, limit = core_seconds(ours, implicit, sgemm)
    assert took < peer
    assert took < 5 * limit
