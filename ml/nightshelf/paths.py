"""Where everything lies. One home for several shops; one directory for each attempt at a night.

<home>/airflow/                        Airflow's metadata and logs
<home>/mlflow/                         MLflow's artefacts, and its database unless that is a server's
<home>/shops/<shop>/ledger.sqlite      one row per landing file taken
<home>/shops/<shop>/raw/{events,items}/  accepted rows as Parquet, events by day
<home>/shops/<shop>/quarantine/        refused rows as Parquet, one file per landing file
<home>/shops/<shop>/warehouse.duckdb   history: copies, parts of sessions by day; robots, sessions, interactions by date
<home>/shops/<shop>/dbt/                dbt's parse of the project, kept from night to night
<home>/shops/<shop>/tuned.json         the last find of `nightshelf tune`, if any
<home>/shops/<shop>/attempts/<night>/<n>/  an attempt: its own DuckDB file, models, candidates
<home>/shops/<shop>/nights/<night>/<n>/    a published night: Parquet and manifest.json
<home>/shops/<shop>/nights/current         symlink to the night that readers see
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout: dbt_project/, dags/, expectations/ and ml/config/ lie here."""


def default_home() -> Path:
    """`NIGHTSHELF_HOME`, or `.nightshelf/` in the checkout."""
    return Path(os.environ.get("NIGHTSHELF_HOME") or PROJECT / ".nightshelf").absolute()


@dataclass(frozen=True)
class Home:
    root: Path

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def mlflow_uri_given(self) -> bool:
        """`NIGHTSHELF_MLFLOW_URI` names a PostgreSQL database for MLflow; artefacts stay here."""
        return bool(os.environ.get("NIGHTSHELF_MLFLOW_URI"))

    @property
    def mlflow_uri(self) -> str:
        """As it was given: it may hold a password."""
        given = os.environ.get("NIGHTSHELF_MLFLOW_URI")
        return given or f"sqlite:///{self.mlflow / 'mlflow.db'}"

    def shop(self, name: str) -> ShopHome:
        return ShopHome(self.root / "shops" / name)


@dataclass(frozen=True)
class ShopHome:
    root: Path

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def parsed(self) -> Path:
        return self.root / "dbt"

    @property
    def tuned(self) -> Path:
        """Written when a search of settings first found something; nights ask MLflow only then."""
        return self.root / "tuned.json"

    @property
    def attempts(self) -> Path:
        return self.root / "attempts"

    @property
    def nights(self) -> Path:
        return self.root / "nights"

    @property
    def current(self) -> Path:
        return self.nights / "current"

    def attempt(self, night: date, number: int) -> Attempt:
        return Attempt(self, night, number)

    def attempt_in(self, folder: Path) -> Attempt | None:
        """The attempt whose folder that is; None for any other, such as somebody's copy of one."""
        try:
            found = self.attempt(date.fromisoformat(folder.parent.name), int(folder.name))
        except ValueError:
            return None
        return found if found.root == folder else None


@dataclass(frozen=True)
class Attempt:
    """One try at one night: everything it makes before publication lies in `root`."""

    shop: ShopHome
    night: date
    number: int

    @property
    def root(self) -> Path:
        return self.shop.attempts / self.night.isoformat() / str(self.number)

    @property
    def database(self) -> Path:
        return self.root / "night.duckdb"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def candidates(self) -> Path:
        return self.root / "candidates"

    @property
    def scores(self) -> Path:
        return self.root / "scores"

    @property
    def doors(self) -> Path:
        return self.root / "doors"

    @property
    def stages(self) -> Path:
        """One JSON file per finished stage: seconds, rows, peak memory."""
        return self.root / "stages"

    @property
    def quality(self) -> Path:
        return self.root / "quality.json"

    @property
    def mlflow_run(self) -> Path:
        """{"run": …, "experiment": …}: the night's own run, which keeps the morning page as an artefact."""
        return self.root / "mlflow_run.json"

    @property
    def published(self) -> Path:
        return self.shop.nights / self.night.isoformat() / str(self.number)
