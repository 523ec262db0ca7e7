"""Where the page goes beside the tables: the night's run in MLflow; and which night is asked for."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

from nightshelf.errors import InputError
from nightshelf.paths import Attempt, Home
from nightshelf.publishing.nights import current
from nightshelf.settings.shop import load_shop
from nightshelf.storage import read_json


def seen_by_readers(home: Home, shop_file: Path) -> tuple[date, int]:
    """Night and attempt. Raises InputError where no night has been published."""
    shop = load_shop(shop_file)
    night = current(home.shop(shop.name))
    if night is None:
        raise InputError(
            f"Shop '{shop.name}' has no published night yet.",
            "Run `nightshelf night` first, or name a night that stopped with --as-of.",
        )
    return night.night, night.attempt


def keep_in_mlflow(home: Home, shop: str, attempt: Attempt, page: Path) -> None:
    """The page as an artefact of the night's run: a second name for the same file, where the disk can.

    Without MLflow, whose import alone takes longer than the page: its artefacts are files of this home.
    Does nothing where the run is gone.
    """
    if not attempt.mlflow_run.exists():
        return
    run = read_json(attempt.mlflow_run)["run"]
    folder = home.mlflow / "artifacts" / shop / run / "artifacts"
    if not folder.is_dir():
        return
    beside = folder / f".{page.name}.{os.getpid()}"
    try:
        os.link(page, beside)
    except OSError:
        shutil.copyfile(page, beside)
    beside.replace(folder / page.name)
