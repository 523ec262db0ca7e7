"""`nightshelf docs`: dbt's own pages, as one file in the home."""

import re

from typer.testing import CliRunner

from nightshelf import cli
from nightshelf.transform.parsed import DBT_PROJECT

MODELS = {path.stem for path in DBT_PROJECT.glob("models/**/*.yml")} - {"sources"}


def test_dbt_s_pages_are_one_file_that_names_every_model_and_asks_nobody(tmp_path):
    home = tmp_path / "ho me"
    done = CliRunner().invoke(cli.app, ["docs", "--home", str(home)], catch_exceptions=False)
    page = home / "dbt.html"
    assert done.output.strip().endswith(str(page))
    text = page.read_text(encoding="utf-8")
    assert {m for m in MODELS if f'"name": "{m}"' not in text} == set()
    assert '"send_anonymous_usage_stats": false' in text
    assert not re.search(r"<(script|link)[^>]* (src|href)=.?https?:", text)
    assert [path.name for path in home.iterdir()] == ["dbt.html"]
