"""Published nights made by hand: a folder, two files and a manifest each."""

from datetime import date

import pytest

from nightshelf.paths import Home, ShopHome
from nightshelf.publishing.nights import PublishedNight
from nightshelf.publishing.publish import point_at
from nightshelf.storage import sha256_of, write_json


@pytest.fixture
def shop(tmp_path) -> ShopHome:
    return Home(tmp_path).shop("shop")


@pytest.fixture
def put_out(shop):
    """Publishes ("2017-12-01/2", models) without a night: readers see the last one put out."""

    def put_out(name: str, models: dict | None = None) -> PublishedNight:
        night, number = name.split("/")
        attempt = shop.attempt(date.fromisoformat(night), int(number))
        attempt.published.mkdir(parents=True)
        attempt.stages.mkdir(parents=True)
        for table in ("rec_for_you.parquet", "rpt_events.parquet"):
            (attempt.published / table).write_text(f"{table} of {name}")
        tables = {
            path.name: {"rows": 1, "sha256": sha256_of(path)}
            for path in sorted(attempt.published.iterdir())
        }
        told = {"night": night, "attempt": int(number), "tables": tables, "models": models or {}}
        write_json(attempt.published / "manifest.json", told)
        made = PublishedNight(attempt.night, attempt.number, attempt.published)
        point_at(shop, made)
        return made

    return put_out
