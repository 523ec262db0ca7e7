"""What dbt's connection is told: profiles.yml."""

from __future__ import annotations

import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment

from nightshelf.transform import DBT_PROJECT


def test_a_model_that_spilled_lets_the_next_one_connect(tmp_path):
    told = yaml.safe_load((DBT_PROJECT / "profiles.yml").read_text())
    profile = told["nightshelf"]["outputs"]["night"]
    profile |= {"path": str(tmp_path / "night.duckdb"), "attach": []}
    profile["config_options"]["temp_directory"] = str(tmp_path / "spill")
    profile["settings"] |= {"threads": "1", "memory_limit": "30MB"}
    dbt = LocalEnvironment(DuckDBCredentials.from_dict(profile | {"database": "night"}))

    one = dbt.handle()
    one.cursor().execute(
        "create table sorted as select hash(n)::varchar as id from range(2_000_000) as t(n) order by id"
    )
    assert any((tmp_path / "spill").iterdir()), "nothing was spilled, and nothing is shown"
    other = dbt.handle()

    assert other.cursor().execute("select count(*) from sorted").fetchone() == (2_000_000,)
    other.close()
    one.close()
