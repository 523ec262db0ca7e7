"""What dbt's connection is told: profiles.yml."""

from __future__ import annotations

from pathlib import Path

import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment

from nightshelf.transform.visit import DBT_PROJECT


def dbt_in(folder: Path, **settings: str) -> LocalEnvironment:
    """The profile's own, with a file of its own and nothing attached."""
    told = yaml.safe_load((DBT_PROJECT / "profiles.yml").read_text())
    profile = told["nightshelf"]["outputs"]["night"]
    profile |= {"path": str(folder / "night.duckdb"), "attach": []}
    profile["config_options"]["temp_directory"] = str(folder / "spill")
    profile["settings"] |= {"threads": "1", "memory_limit": "30MB"} | settings
    return LocalEnvironment(DuckDBCredentials.from_dict(profile | {"database": "night"}))


def test_a_model_that_spilled_lets_the_next_one_connect(tmp_path):
    dbt = dbt_in(tmp_path)

    one = dbt.handle()
    one.cursor().execute(
        "create table sorted as select hash(n)::varchar as id from range(2_000_000) as t(n) order by id"
    )
    assert any((tmp_path / "spill").iterdir()), "nothing was spilled, and nothing is shown"
    other = dbt.handle()

    assert other.cursor().execute("select count(*) from sorted").fetchone() == (2_000_000,)
    other.close()
    one.close()


def test_events_are_not_compared_with_every_session_where_few_are_expected(tmp_path):
    handle = dbt_in(tmp_path, memory_limit="100MB").handle()
    run = handle.cursor().execute
    run("create table sessions as select 'v' || n as visitor, n as began from range(1000) as t(n)")
    run("create table events as select 'v1' as visitor, 5 as happened")
    plan = run(
        "explain from events asof left join sessions"
        " on sessions.visitor = events.visitor and sessions.began <= events.happened"
    ).fetchone()[1]
    handle.close()
    assert "Asof Join" in plan
    assert "Nested Loop" not in plan
