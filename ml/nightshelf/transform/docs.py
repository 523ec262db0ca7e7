"""dbt's own documentation of the project, as one file that a browser opens."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nightshelf.errors import TransformError
from nightshelf.paths import Home
from nightshelf.transform.parsed import DBT_PROJECT
from nightshelf.transform.visit import closed_afterwards


def write(home: Home) -> Path:
    """Every model with its description, columns, tests, SQL and lineage, in `<home>/dbt.html`; 13 s of one core.

    No database is asked, so it needs no night and waits for none. Raises TransformError where dbt cannot
    read the project.
    """
    page = home.root / "dbt.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    # In the home, so that the last step is a rename.
    with tempfile.TemporaryDirectory(dir=home.root, prefix=".dbt-") as folder:
        _generate(folder)
        os.replace(Path(folder) / "static_index.html", page)
    return page


def _generate(folder: str) -> None:
    from dbt.cli.main import dbtRunner

    arguments = [
        "docs", "generate", "--static", "--empty-catalog", "--quiet",
        "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT),
        "--target-path", folder, "--log-path", folder,
    ]  # fmt: skip
    with closed_afterwards():
        result = dbtRunner().invoke(arguments)
    if not result.success:
        raise TransformError(
            f"dbt's pages: {result.exception or 'dbt could not write them'}",
            "Mend the dbt project, then run `nightshelf docs` again.",
        )
