"""A SQLAlchemy dialect in which Great Expectations can read DuckDB.

Great Expectations closes its connection before it fetches; closing rolls back, and DuckDB drops
the pending result with the transaction: every expectation then fails with `list index out of
range`. Without transactions there is nothing to roll back. The connection is read-only, so
nothing can be lost by it.
"""

from __future__ import annotations

from typing import Any

import duckdb_sqlalchemy
from sqlalchemy.dialects import registry

__all__ = ["URL", "Untransacted", "register"]

URL = "duckdb+nightshelf://"


class Untransacted(duckdb_sqlalchemy.Dialect):
    """duckdb-sqlalchemy's dialect, each statement on its own."""

    driver = "nightshelf"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing: see the module."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing: see the module."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing: see the module."""


def register() -> None:
    """Teach SQLAlchemy the name in `URL`. Twice is as good as once."""
    registry.register("duckdb.nightshelf", __name__, Untransacted.__name__)
