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

    empty, make = shared / "mlflow.db", store.make_tables

    def copied(home: Home) -> None:
        if home.mlflow_uri_given or (home.mlflow / ".incoming.db").exists():
            make(home)
            return
        with FileLock(empty.with_suffix(".lock")):
            if not empty.exists():
                make(home)
                shutil.copy(home.mlflow / "mlflow.db", empty)
        if not (home.mlflow / "mlflow.db").exists():
            shutil.copy(empty, home.mlflow / "mlflow.db")

    with pytest.MonkeyPatch.context() as given:
        given.setattr(ShopHome, "parsed", shared / "dbt")
        given.setattr(store, "make_tables", copied)
        yield
