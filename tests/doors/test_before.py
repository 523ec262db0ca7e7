"""What the doors know of nights that were published."""

from __future__ import annotations

import json
from datetime import date

import duckdb
import pytest

from nightshelf.doors.before import catalogue_of, catalogues, new_files
from nightshelf.paths import Home
from nightshelf.publishing.nights import PublishedNight


@pytest.fixture
def attempt(tmp_path):
    """An attempt that read three files."""
    attempt = Home(tmp_path).shop("tea").attempt(date(2026, 5, 31), 1)
    attempt.root.mkdir(parents=True)
    with duckdb.connect(str(attempt.database)) as db:
        db.execute(
            "CREATE SCHEMA raw; CREATE TABLE raw.files AS SELECT * FROM (VALUES"
            " ('a', 'orders', 'one.csv', 'sha-1'), ('b', 'orders', 'two.csv', 'sha-2'),"
            " ('c', 'orders', 'new.csv', 'sha-3')) AS files(file_id, source, name, sha256)"
        )
        db.execute(
            "CREATE TABLE raw.catalogue_profile AS SELECT * FROM (VALUES"
            " ('items', 12.0), ('in_stock', NULL), ('titled', 1 / 3)) AS p(measure, observed)"
        )
    return attempt


def publish(shop, night: str, attempt: int, manifest: dict | str) -> PublishedNight:
    folder = shop.nights / night / str(attempt)
    folder.mkdir(parents=True)
    text = manifest if isinstance(manifest, str) else json.dumps({"tables": {}} | manifest)
    (folder / "manifest.json").write_text(text)
    return PublishedNight(date.fromisoformat(night), attempt, folder)


def test_a_file_is_new_if_the_published_night_read_none_of_its_name_and_content(attempt):
    inputs = {"orders:one.csv": "sha-1", "orders:two.csv": "another content"}
    before = publish(attempt.shop, "2026-05-30", 1, {"inputs": inputs})
    assert new_files(attempt, before) == ("b", "c")


def test_a_night_counts_once_with_its_last_attempt_newest_first(attempt):
    for night, number, items in (("2026-05-28", 1, 9), ("2026-05-29", 1, 1), ("2026-05-29", 2, 10)):
        publish(attempt.shop, night, number, {"catalogue": {"items": items}})
    publish(attempt.shop, "2026-05-31", 1, {"catalogue": {"items": 99}})  # not before this night
    publish(attempt.shop, "2026-05-27", 1, "cut")
    publish(attempt.shop, "2026-05-26", 1, {})
    assert catalogues(attempt.shop, attempt.night) == ({"items": 10}, {"items": 9})


def test_nights_before_a_change_that_is_meant_teach_nothing_of_the_catalogue(attempt):
    for night in ("2026-05-28", "2026-05-29"):
        publish(attempt.shop, night, 1, {"catalogue": {"items": int(night[-2:])}})
    assert catalogues(attempt.shop, attempt.night, date(2026, 5, 29)) == ({"items": 29},)
    assert catalogues(attempt.shop, attempt.night, attempt.night) == ()


def test_eight_nights_are_enough(attempt):
    for day in range(1, 13):
        publish(attempt.shop, f"2026-05-{day:02}", 1, {"catalogue": {"items": day}})
    found = catalogues(attempt.shop, attempt.night)
    assert [night["items"] for night in found] == [12, 11, 10, 9, 8, 7, 6, 5]


def test_the_manifest_gets_the_catalogue_s_figures_rounded(attempt):
    assert catalogue_of(attempt) == {"items": 12.0, "in_stock": None, "titled": 0.333333}
