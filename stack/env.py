"""Writes .env for docker-compose.yml: random secrets, readable by its owner only. Never over another.

Standard library only: a server needs no .venv for it.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

SECRETS = {
    "POSTGRES_PASSWORD": "Postgres' own administrator",
    "AIRFLOW_DB_PASSWORD": "Airflow's database",
    "MLFLOW_DB_PASSWORD": "MLflow's database",
    "SHELVES_DB_PASSWORD": "the sink's database",
    "NIGHTSHELF_ADMIN_PASSWORD": "Airflow's first account, admin; to change it: docs/server.md",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "MLflow's first account, admin; to change it: docs/server.md",
    "AIRFLOW__API__SECRET_KEY": "signs Airflow's sessions",
    "AIRFLOW__API_AUTH__JWT_SECRET": "signs Airflow's tokens",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "signs MLflow's forms",
}
"""Variable → what it guards. Letters, digits, - and _: they stand in URLs."""
ABOUT = """\
# Secrets of this server, drawn by `make env`. Keep a copy where you keep backups: a backup holds none of
# them, and Airflow's connections cannot be read without AIRFLOW__CORE__FERNET_KEY.
# Other settings: .env.example.
COMPOSE_PROFILES=server
"""


def text() -> str:
    # 64 bytes, since a signature of SHA-512 asks for as many.
    lines = [f"\n# {what}\n{name}={secrets.token_urlsafe(64)}\n" for name, what in SECRETS.items()]
    fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
    lines.append(
        f"\n# encrypts Airflow's connections and variables\nAIRFLOW__CORE__FERNET_KEY={fernet}\n"
    )
    return ABOUT + "".join(lines)


def write(path: Path) -> None:
    """Raises FileExistsError where there is one: its secrets are the server's."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text())


if __name__ == "__main__":
    try:
        write(Path(".env"))
    except FileExistsError:
        sys.exit(
            "✗ .env is there already, and its secrets are in use.\n  Next: edit it, or move it away."
        )
    print("Wrote .env. Next: docker-compose up --build --detach")
