"""What all homes begin with, made once for all tests: dbt's parse, 3 s, and MLflow's empty tables, 5 s."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from nightshelf.paths import Home, ShopHome


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all workers of a run see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session", autouse=True)
def homes_open_fast(shared):
    from nightshelf.registry import store

    empty, opened = shared / "mlflow.db", store.Registry.__init__

    def init(registry: store.Registry, home: Home, shop: str) -> None:
        if not home.mlflow.exists():
            _make(empty)
            home.mlflow.mkdir(parents=True)
            shutil.copy(empty, home.mlflow / "mlflow.db")
        opened(registry, home, shop)

    with pytest.MonkeyPatch.context() as given:
        given.setattr(ShopHome, "parsed", shared / "dbt")
        given.setattr(store.Registry, "__init__", init)
        yield


def _make(empty: Path) -> None:
    """MLflow's tables in a file of their own, which is whole once it has its name."""
    with FileLock(empty.with_suffix(".lock")):
        if not empty.exists():
            from mlflow import MlflowClient

            incoming = empty.with_suffix(".incoming")
            MlflowClient(tracking_uri=f"sqlite:///{incoming}").search_experiments()
            incoming.replace(empty)
